//! Ten questions that people ask of the flights that left New York in 2013, as the model layer says them, with the SQL
//! that they become. They were what its shape was decided on: see `docs/decisions/`.

#![cfg(feature = "chrono")]

use chrono::NaiveDate;
use stellata::prelude::*;

#[derive(Model, Debug)]
struct Airline {
    #[model(key)]
    carrier: String,
    name: String,
    #[model(has_many = Flight::carrier)]
    flights: HasMany<Flight>,
}

#[derive(Model, Debug)]
struct Airport {
    #[model(key)]
    faa: String,
    name: String,
    altitude: Option<i32>,
    #[model(has_many = Flight::origin)]
    departures: HasMany<Flight>,
    #[model(has_many = Flight::dest)]
    arrivals: HasMany<Flight>,
}

#[derive(Model, Debug)]
#[model(key(origin, hour))]
struct Weather {
    origin: String,
    hour: i64,
    wind: Option<f64>,
    visibility: f64,
    #[model(has_many = (Flight::origin, Flight::hour))]
    flights: HasMany<Flight>,
}

#[derive(Model, Debug)]
#[model(unique(carrier, number, day))]
struct Flight {
    #[model(key, identity)]
    id: Id<Flight>,
    day: NaiveDate,
    hour: Option<i64>,
    carrier: String,
    number: i32,
    origin: String,
    dest: String,
    dep_delay: Option<i32>,
    arr_delay: Option<i32>,
    distance: i32,
    /// The flight whose plane this one uses next.
    follows: Option<Id<Flight>>,
    #[model(belongs_to = carrier)]
    airline: BelongsTo<Airline>,
    #[model(belongs_to = origin)]
    from: BelongsTo<Airport>,
    #[model(belongs_to = dest, no_constraint)]
    to: BelongsTo<Airport>,
    #[model(belongs_to = (origin, hour), no_constraint)]
    weather: BelongsTo<Weather>,
    #[model(belongs_to = follows, on_delete = set_null)]
    previous: BelongsTo<Flight>,
    #[model(has_many = Flight::follows, order = day)]
    next: HasMany<Flight>,
}

/// Holds the SQL from its `from` on against what is expected.
fn check<M: Model>(query: Query<M>, expected: &str) {
    let sql = query.sql().expect("the query makes sense");
    let (_, rest) = sql.split_once(" from ").expect("it selects from a table");
    assert_eq!(rest, expected.split_whitespace().collect::<Vec<_>>().join(" "));
}

#[test]
fn flights_of_a_day_from_one_airport_the_latest_first() {
    let day = NaiveDate::from_ymd_opt(2013, 1, 1).expect("it is a day");
    let query = Flight::query()
        .filter(|f| f.origin.eq("JFK") & f.day.eq(day) & f.dep_delay.gt(60))
        .order_by(|f| (f.dep_delay.desc().nulls_last(), f.id))
        .limit(10);
    check(
        query,
        r#""flight" as t0
           where t0."origin" = $1 and t0."day" = $2 and t0."dep_delay" > $3
           order by t0."dep_delay" desc nulls last, t0."id"
           limit $4"#,
    );
}

#[test]
fn two_relations_to_one_model_stay_apart() {
    let query = Flight::query().filter(|f| f.from().altitude.lt(20) & f.to().altitude.gt(5000));
    check(
        query,
        r#""flight" as t0
           left join "airport" as t1 on t1."faa" = t0."origin"
           left join "airport" as t2 on t2."faa" = t0."dest"
           where t1."altitude" < $1 and t2."altitude" > $2"#,
    );
}

#[test]
fn a_key_of_several_columns_is_followed_as_one() {
    let query = Flight::query()
        .filter(|f| f.weather().visibility.lt(1.0) | f.weather().wind.ge(30.0))
        .order_by(|f| f.weather().visibility);
    check(
        query,
        r#""flight" as t0
           left join "weather" as t1 on t1."origin" = t0."origin" and t1."hour" = t0."hour"
           where t1."visibility" < $1 or t1."wind" >= $2
           order by t1."visibility""#,
    );
}

#[test]
fn a_relation_to_the_model_itself_is_a_way_like_any_other() {
    let query = Flight::query()
        .filter(|f| f.previous().dest.ne(f.origin) & f.previous().airline().name.icontains("jet"));
    check(
        query,
        r#""flight" as t0
           left join "flight" as t1 on t1."id" = t0."follows"
           left join "airline" as t2 on t2."carrier" = t1."carrier"
           where t1."dest" <> t0."origin" and t2."name" ilike $1"#,
    );
}

#[test]
fn airports_that_some_flight_reached_much_too_late() {
    let query = Airport::query()
        .filter(|a| a.arrivals().any(|f| f.arr_delay.gt(600)) & a.departures().none(|_| true));
    check(
        query,
        r#""airport" as t0
           where exists (select from "flight" as t1 where t1."dest" = t0."faa" and t1."arr_delay" > $1)
           and not exists (select from "flight" as t2 where t2."origin" = t0."faa")"#,
    );
}

#[test]
fn airlines_whose_flights_all_stay_short_and_that_have_many() {
    let query = Airline::query()
        .filter(|a| a.flights().all(|f| f.distance.le(1000)))
        .filter(|a| a.flights().count().ge(100))
        .order_by(|a| a.flights().count().desc());
    check(
        query,
        r#""airline" as t0
           where not exists (select from "flight" as t1 where t1."carrier" = t0."carrier" and (t1."distance" <= $1) is not true)
           and (select count(*) from "flight" as t2 where t2."carrier" = t0."carrier") >= $2
           order by (select count(*) from "flight" as t3 where t3."carrier" = t0."carrier") desc"#,
    );
}

#[test]
fn a_column_is_held_against_another_of_the_same_row_and_of_the_outer_query() {
    let query = Flight::query().filter(|f| {
        f.arr_delay.lt(f.dep_delay)
            & f.from().departures().none(|g| g.day.eq(f.day) & g.distance.gt(f.distance * 2))
    });
    check(
        query,
        r#""flight" as t0
           left join "airport" as t1 on t1."faa" = t0."origin"
           where t0."arr_delay" < t0."dep_delay"
           and not exists (select from "flight" as t2 where t2."origin" = t1."faa" and t2."day" = t0."day" and t2."distance" > t0."distance" * $1)"#,
    );
}

#[test]
fn a_filter_that_may_be_left_out_and_its_exact_complement() {
    let carriers: Option<Vec<&str>> = Some(vec!["UA", "AA"]);
    let query = Flight::query()
        .filter_some(carriers, |f, carriers| f.carrier.is_in(carriers))
        .filter_some(None::<i32>, |f, number| f.number.eq(number))
        .exclude(|f| f.arr_delay.between(-15, 15));
    check(
        query,
        r#""flight" as t0
           where t0."carrier" = any($1) and (t0."arr_delay" between $2 and $3) is not true"#,
    );
}

#[test]
fn parents_that_are_missing_are_a_condition_too() {
    let query = Flight::query().filter(|f| f.to().is_none() & f.weather().is_some());
    check(
        query,
        r#""flight" as t0
           left join "airport" as t1 on t1."faa" = t0."dest"
           left join "weather" as t2 on t2."origin" = t0."origin" and t2."hour" = t0."hour"
           where t1."faa" is null and t2."origin" is not null"#,
    );
}

#[test]
fn a_page_with_everything_that_is_shown_on_it() {
    let query = Flight::query()
        .include(|f| {
            (
                f.airline(),
                f.from(),
                f.to().include(|a| a.arrivals().limit(3).order_by(|g| g.arr_delay.desc())),
                f.weather(),
                f.next().include(|n| n.airline()),
            )
        })
        .order_by(|f| (f.day, f.id))
        .limit(20)
        .offset(40);
    check(
        query,
        r#""flight" as t0
           order by t0."day", t0."id"
           limit $1 offset $2"#,
    );
}
