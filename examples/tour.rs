//! A tour of stellata on real data: the flights that left New York in the first week of 2013.
//!
//! `cargo xtask demo` runs it against a throwaway server, or against the one that `DATABASE_URL` names; `--full` takes
//! the whole year. Each step shows its SQL as it was sent, some rows, and how often the client waited for the server: a proxy
//! that stands before it reads along and counts.

#[path = "tour/data.rs"]
mod data;
#[path = "tour/models.rs"]
mod models;
#[path = "tour/wire.rs"]
mod wire;
#[path = "tour/show.rs"]
mod show;

use std::error::Error;
use std::time::Instant;

use stellata::prelude::*;
use stellata_testkit::{Database, Proxy, Server};

use crate::data::Data;
use crate::models::{Airline, Airport, Flight, Plane, Visit, Weather};
use crate::show::{Show, Shown, or_dash};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--full");
    tour(full).await.map(drop)
}

/// Goes through all steps; returns what each of them has shown.
async fn tour(full: bool) -> Result<Vec<Shown>> {
    let data = data::load(full)?;

    let server = Server::shared()?;
    let database = Database::create(server)?;
    let proxy = Proxy::start(database.tcp())?;
    proxy.set_keeping(true);
    let db = Db::connect(&proxy.url(database.name())).await?;
    let mut show = Show::new(proxy);
    show.introduce();

    make_tables(&mut show, &db).await?;
    load(&mut show, &db, data).await?;
    one_row(&mut show, &db).await?;
    filters(&mut show, &db).await?;
    relations_up(&mut show, &db).await?;
    relations_down(&mut show, &db).await?;
    across_relations(&mut show, &db).await?;
    keys_that_lead_nowhere(&mut show, &db).await?;
    upsert(&mut show, &db).await?;
    change(&mut show, &db).await?;
    transaction_that_fails(&mut show, &db).await?;
    transaction_that_holds(&mut show, &db).await?;
    aggregates(&mut show, &db).await?;
    json(&mut show, &db).await?;
    mistakes(&mut show, &db).await?;
    Ok(show.end())
}

async fn make_tables(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Tables are made from the models, in the order in which they need each other");
    let schema = Schema::new().model::<Flight>().model::<Visit>();
    db.create_all(&schema).await?;
    show.done(schema.create_sql()?.len(), "statements in one transaction");
    Ok(())
}

async fn load(show: &mut Show, db: &Db, data: Data) -> Result<()> {
    show.step("Rows are loaded in bulk: one array a column, one statement a table");
    let start = Instant::now();
    let counts = [
        Airline::insert_many(data.airlines).exec(db).await?,
        Airport::insert_many(data.airports).exec(db).await?,
        Plane::insert_many(data.planes).exec(db).await?,
        Weather::insert_many(data.weather).exec(db).await?,
        Flight::insert_many(data.flights).exec(db).await?,
    ];
    let took = start.elapsed();
    show.table(
        ["airlines", "airports", "planes", "weather", "flights", "took"],
        [[
            counts[0].to_string(),
            counts[1].to_string(),
            counts[2].to_string(),
            counts[3].to_string(),
            counts[4].to_string(),
            format!("{took:.0?}"),
        ]],
    );
    show.done(usize::try_from(counts.iter().sum::<u64>())?, "rows");
    Ok(())
}

async fn one_row(show: &mut Show, db: &Db) -> Result<()> {
    show.step("One row by its key, and by a key of two columns");
    let airport = Airport::get("JFK", db).await?;
    let hour: DateTime<Utc> = "2013-01-01T12:00:00Z".parse()?;
    let weather = Weather::get(("JFK".to_owned(), hour), db).await?;
    show.table(
        ["faa", "name", "hour", "degrees F"],
        [[airport.faa, airport.name, weather.time_hour.to_string(), or_dash(weather.temp)]],
    );
    show.done(2, "rows");
    Ok(())
}

async fn filters(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Conditions: typed, combined with & | !, never as text");
    let airline: Option<&str> = None;
    let late = Flight::query()
        .filter(|f| f.dep_delay.gt(60) & (f.dest.is_in(["LAX", "SFO"]) | f.distance.lt(200)))
        .filter_some(airline, |f, carrier| f.carrier.eq(carrier))
        .exclude(|f| f.tailnum.startswith("N3"))
        .order_by(|f| (f.dep_delay.desc().nulls_last(), f.flight.asc()))
        .limit(5)
        .all(db)
        .await?;
    show.table(
        ["flight", "from", "to", "tail", "minutes late"],
        late.iter().map(|f| {
            [
                format!("{} {}", f.carrier, f.flight),
                f.origin.clone(),
                f.dest.clone(),
                or_dash(f.tailnum.as_ref()),
                or_dash(f.dep_delay),
            ]
        }),
    );
    show.done(late.len(), "rows");
    Ok(())
}

async fn relations_up(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Flights with their airline, aircraft, both airports and the weather: one flush");
    let flights = Flight::query()
        .filter(|f| f.origin.eq("JFK") & f.dest.eq("BOS"))
        .order_by(|f| (f.time_hour.asc(), f.flight.asc()))
        .limit(5)
        .include(|f| (f.airline(), f.plane(), f.from(), f.to(), f.weather()))
        .all(db)
        .await?;
    show.note("The first statement hands the keys of its rows to the others inside the server.");
    let mut rows = Vec::new();
    for flight in &flights {
        rows.push([
            format!("{} {}", flight.airline.get()?.name, flight.flight),
            flight.from.get()?.name.clone(),
            flight.to.find()?.map_or_else(|| "unknown".into(), |to| to.name.clone()),
            flight.plane.find()?.map_or_else(|| "unknown".into(), |plane| plane.model.clone()),
            or_dash(flight.weather.find()?.and_then(|weather| weather.temp)),
        ]);
    }
    show.table(["flight", "from", "to", "aircraft", "degrees F"], rows);
    show.done(flights.len(), "flights with 5 relations each");
    Ok(())
}

async fn relations_down(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Airports with their latest departures, three each, and the aircraft of those");
    let airports = Airport::query()
        .filter(|a| a.faa.is_in(["EWR", "JFK", "LGA"]))
        .order_by(|a| a.faa.asc())
        .include(|a| {
            a.departures()
                .filter(|f| f.dep_time.is_not_null())
                .order_by(|f| (f.time_hour.desc(), f.flight.asc()))
                .limit(3)
                .include(|f| f.plane())
        })
        .all(db)
        .await?;
    let mut rows = Vec::new();
    for airport in &airports {
        for flight in airport.departures.get()? {
            rows.push([
                airport.name.clone(),
                format!("{} {}", flight.carrier, flight.flight),
                flight.dest.clone(),
                flight.time_hour.format("%d %b %H:%M").to_string(),
                flight.plane.find()?.map_or_else(|| "-".into(), |p| p.manufacturer.clone()),
            ]);
        }
    }
    show.table(["airport", "flight", "to", "hour (UTC)", "built by"], rows);
    show.done(airports.len(), "airports with their flights and aircraft");
    Ok(())
}

async fn across_relations(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Conditions across relations: aircraft older than 1980 that flew to a city by name");
    let planes = Plane::query()
        .filter(|p| {
            p.year.lt(1980)
                & p.flights().any(|f| {
                    f.to().name.icontains("chicago") & f.airline().name.startswith("American")
                })
        })
        .order_by(|p| p.year.asc())
        .limit(5)
        .all(db)
        .await?;
    show.table(
        ["tail", "built", "by", "model"],
        planes
            .iter()
            .map(|p| [p.tailnum.clone(), or_dash(p.year), p.manufacturer.clone(), p.model.clone()]),
    );
    show.done(planes.len(), "rows");
    Ok(())
}

async fn keys_that_lead_nowhere(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Keys that lead nowhere: destinations that are not among the airports");
    let lost = Flight::query().filter(|f| f.to().faa.is_null());
    let count = lost.clone().count(db).await?;
    let flights = lost
        .include(|f| f.to())
        .order_by(|f| (f.dest.asc(), f.time_hour.asc()))
        .limit(3)
        .all(db)
        .await?;
    for flight in &flights {
        // The key is readable, the row is not there, and nobody pretends otherwise.
        let told = flight.to.get().err().map_or_else(String::new, |error| error.to_string());
        show.note(&format!("{} {} to {}: {told}", flight.carrier, flight.flight, flight.dest));
    }
    show.done(usize::try_from(count)?, "such flights in all");
    Ok(())
}

async fn upsert(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Insert, or count up the row that is there");
    for hits in [1, 1, 5] {
        let visit = Visit::upsert(new!(Visit { board: "JFK departures", hits: hits }))
            .on(|key| key.board)
            .update(|visit, new| visit.hits.set(visit.hits + new.hits))
            .one(db)
            .await?;
        let done = if visit.inserted { "inserted" } else { "updated" };
        show.note(&format!("{done}: {} hits on {}", visit.row.hits, visit.row.board));
    }
    show.done(3, "upserts");
    Ok(())
}

async fn change(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Change one row, change many, delete");
    let mut visit = new!(Visit { board: "LGA arrivals", hits: 0 }).insert(db).await?;
    visit.update(|v| v.hits.set(v.hits + 10), db).await?;
    show.note(&format!("row {} now has {} hits", visit.id, visit.hits));
    let few = Visit::query().filter(|v| v.hits.lt(100));
    let updated = few.update(|v| v.hits.set(v.hits * 2)).exec(db).await?;
    visit.delete(db).await?;
    show.note(&format!(
        "{updated} rows doubled, one deleted, {} left",
        Visit::query().count(db).await?
    ));
    show.done(usize::try_from(updated)?, "rows changed at once");
    Ok(())
}

async fn transaction_that_fails(show: &mut Show, db: &Db) -> Result<()> {
    show.step("A transaction that fails: nothing of it remains, and the error knows the model");
    let before = Visit::query().count(db).await?;
    let failed = db
        .transaction(async |tx| {
            new!(Visit { board: "EWR arrivals", hits: 1 }).insert(tx).await?;
            new!(Visit { board: "JFK departures", hits: 1 }).insert(tx).await?;
            Ok::<_, stellata::Error>(())
        })
        .await;
    if let Err(error) = failed {
        show.note(&error.to_string());
        show.note(&format!(
            "-- error.model(): {:?}, error.is::<Visit, _>(|v| v.board): {}",
            error.model(),
            error.is::<Visit, _>(|v| v.board)
        ));
    }
    let after = Visit::query().count(db).await?;
    show.done(usize::try_from(after - before)?, "rows more than before");
    Ok(())
}

async fn transaction_that_holds(show: &mut Show, db: &Db) -> Result<()> {
    show.step("A transaction that holds, although a part of it fails: BEGIN rides with the first statement");
    let hits = db
        .transaction(async |tx| {
            let mut visit = Visit::query().filter(|v| v.board.eq("JFK departures")).one(tx).await?;
            let inner: stellata::Result<()> = tx
                .transaction(async |savepoint| {
                    visit.update(|v| v.hits.set(0), savepoint).await?;
                    new!(Visit { board: "JFK departures", hits: 1 }).insert(savepoint).await?;
                    Ok(())
                })
                .await;
            show.note(&format!("the savepoint failed: {}", inner.is_err()));
            let mut visit = Visit::get(visit.id, tx).await?;
            visit.update(|v| v.hits.set(v.hits + 1), tx).await?;
            Ok::<_, stellata::Error>(visit.hits)
        })
        .await?;
    show.note(&format!("{hits} hits: the savepoint was undone, the rest was kept"));
    show.done(1, "row changed");
    Ok(())
}

/// Name, flights, cancelled flights, mean and worst delay in minutes.
type AirlineRow = (String, i64, i64, Option<f64>, Option<i32>);

async fn aggregates(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Aggregates, by hand-written SQL on a connection of the pool, into tuples");
    let sql = "select a.name, count(*), count(*) filter (where f.dep_time is null), \
               (avg(f.dep_delay))::float8, max(f.dep_delay) \
               from flights f join airlines a using (carrier) where f.origin = $1 \
               group by a.name order by 2 desc limit 5";
    let mut connection = db.pool().acquire().await?;
    let rows: Vec<AirlineRow> = connection.query(sql, ("JFK",)).await?;
    show.table(
        ["airline", "flights", "cancelled", "mean delay", "worst"],
        rows.iter().map(|(name, flights, cancelled, mean, worst)| {
            [
                name.clone(),
                flights.to_string(),
                cancelled.to_string(),
                or_dash(mean.map(|mean| format!("{mean:.1}"))),
                or_dash(*worst),
            ]
        }),
    );
    show.done(rows.len(), "rows");
    Ok(())
}

async fn json(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Rows as JSON: what was loaded is there, what was not is left out");
    let flight = Flight::query()
        .filter(|f| f.carrier.eq("HA"))
        .order_by(|f| f.time_hour.asc())
        .include(|f| (f.airline(), f.to()))
        .first(db)
        .await?;
    show.text(&serde_json::to_string_pretty(&flight)?);
    show.done(1, "flight with its airline and destination");
    Ok(())
}

async fn mistakes(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Mistakes are told in plain words, and before they do harm");
    let flight = Flight::query().first(db).await?;
    if let Some(Err(error)) = flight.as_ref().map(|flight| flight.plane.get()) {
        show.text(&format!("* {error}"));
    }
    if let Err(error) = Visit::query().delete().exec(db).await {
        show.text(&format!("* {error}"));
    }
    if let Err(error) = Airport::get("QQQ", db).await {
        show.text(&format!("* {error}"));
    }
    let mut connection = db.pool().acquire().await?;
    if let Err(error) = connection.query::<(String,)>("select nme from airlines", ()).await {
        show.text(&format!("* {error:#}"));
    }
    show.done(4, "mistakes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What must stand in the SQL of each step, and its round trips.
    const STEPS: [(&str, usize); 15] = [
        ("create table", 1),
        ("unnest(", 5),
        ("\"time_hour\" = $2", 2),
        ("= any($2)", 1),
        ("from \"weather\"", 1),
        ("from \"planes\"", 1),
        ("exists (", 1),
        ("count(*)", 2),
        ("on conflict", 3),
        ("delete from", 5),
        ("rollback", 5),
        ("savepoint s2", 6),
        ("group by a.name", 1),
        ("from \"airlines\"", 1),
        ("select nme", 3),
    ];

    #[tokio::test]
    async fn each_step_shows_its_sql_and_takes_the_round_trips_that_it_should() {
        let steps = tour(false).await.unwrap();
        assert_eq!(steps.len(), STEPS.len());
        for (step, (text, trips)) in steps.iter().zip(STEPS) {
            assert_eq!(usize::try_from(step.trips), Ok(trips), "{step:#?}");
            assert_eq!(step.flights.len(), trips, "all of it was seen: {step:#?}");
            assert!(step.flights.iter().flatten().any(|sql| sql.contains(text)), "{step:#?}");
        }
        let flown = |step: usize| steps[step].flights.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(flown(4), [6], "flights and five relations leave together");
        assert_eq!(flown(5), [3], "airports, their flights and the aircraft of those");
        assert_eq!(steps[10].flights[1][0], "begin", "it rides with the first statement");
        assert_eq!(flown(11)[..2], [2, 2], "so does a savepoint");
    }
}
