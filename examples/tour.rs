//! A tour of stellata on real data: the flights that left New York in the first week of 2013.
//!
//! `cargo xtask demo` runs it against a throwaway server, or against the one that `DATABASE_URL` names; `--full` takes
//! the whole year. Each step shows its SQL, some rows, and how often the client waited for the server, counted by a proxy
//! that stands before it.

#![allow(clippy::print_stdout, reason = "it is a program to be looked at")]

#[path = "tour/data.rs"]
mod data;
#[path = "tour/models.rs"]
mod models;
#[path = "tour/show.rs"]
mod show;

use std::error::Error;
use std::time::Instant;

use stellata::prelude::*;
use stellata_testkit::{Database, Proxy, Server};

use crate::data::Data;
use crate::models::{Airline, Airport, Flight, Plane, Visit, Weather};
use crate::show::{Show, or_dash};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--full");
    let data = data::load(full)?;

    let server = Server::shared()?;
    let database = Database::create(server)?;
    let proxy = Proxy::start(database.tcp())?;
    let db = Db::connect(&proxy.url(database.name())).await?;
    let mut show = Show::new(proxy);

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
    Ok(())
}

async fn make_tables(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Tables are made from the models, in the order in which they need each other");
    let schema = Schema::new().model::<Flight>().model::<Visit>();
    let statements = schema.create_sql()?;
    db.create_all(&schema).await?;
    let made = statements.len();
    show.sql(statements.last().map_or("", String::as_str));
    show.note(&format!("and {} more", made - 1));
    show.done(made, "statements");
    Ok(())
}

async fn load(show: &mut Show, db: &Db, data: Data) -> Result<()> {
    show.step("Rows are loaded in bulk: one array a column, one statement a table");
    let start = Instant::now();
    let flights = Flight::insert_many(data.flights);
    show.sql(&flights.sql()?);
    let counts = [
        Airline::insert_many(data.airlines).exec(db).await?,
        Airport::insert_many(data.airports).exec(db).await?,
        Plane::insert_many(data.planes).exec(db).await?,
        Weather::insert_many(data.weather).exec(db).await?,
        flights.exec(db).await?,
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
    let query = Flight::query()
        .filter(|f| f.dep_delay.gt(60) & (f.dest.is_in(["LAX", "SFO"]) | f.distance.lt(200)))
        .filter_some(airline, |f, carrier| f.carrier.eq(carrier))
        .exclude(|f| f.tailnum.startswith("N3"))
        .order_by(|f| (f.dep_delay.desc().nulls_last(), f.flight.asc()))
        .limit(5);
    show.sql(&query.sql()?);
    let late = query.all(db).await?;
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
    let query = Flight::query()
        .filter(|f| f.origin.eq("JFK") & f.dest.eq("BOS"))
        .order_by(|f| (f.time_hour.asc(), f.flight.asc()))
        .limit(5)
        .include(|f| (f.airline(), f.plane(), f.from(), f.to(), f.weather()));
    show.sql(&query.sql()?);
    let flights = query.all(db).await?;
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
    let query = Airport::query()
        .filter(|a| a.faa.is_in(["EWR", "JFK", "LGA"]))
        .order_by(|a| a.faa.asc())
        .include(|a| {
            a.departures()
                .filter(|f| f.dep_time.is_not_null())
                .order_by(|f| (f.time_hour.desc(), f.flight.asc()))
                .limit(3)
                .include(|f| f.plane())
        });
    show.sql(&query.sql()?);
    let airports = query.all(db).await?;
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
    let query = Plane::query()
        .filter(|p| {
            p.year.lt(1980)
                & p.flights().any(|f| {
                    f.to().name.icontains("chicago") & f.airline().name.startswith("American")
                })
        })
        .order_by(|p| p.year.asc())
        .limit(5);
    show.sql(&query.sql()?);
    let planes = query.all(db).await?;
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
    let query = Flight::query()
        .filter(|f| f.to().faa.is_null())
        .include(|f| f.to())
        .order_by(|f| (f.dest.asc(), f.time_hour.asc()))
        .limit(3);
    show.sql(&query.sql()?);
    let count = Flight::query().filter(|f| f.to().faa.is_null()).count(db).await?;
    let flights = query.all(db).await?;
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
    for (number, hits) in [1, 1, 5].into_iter().enumerate() {
        let upsert = Visit::upsert(new!(Visit { board: "JFK departures", hits: hits }))
            .on(|key| key.board)
            .update(|visit, new| visit.hits.set(visit.hits + new.hits));
        if number == 0 {
            show.sql(&upsert.sql()?);
        }
        let visit = upsert.one(db).await?;
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
    let update = Visit::query().filter(|v| v.hits.lt(100)).update(|v| v.hits.set(v.hits * 2));
    show.sql(&update.sql()?);
    let updated = update.exec(db).await?;
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
            "model {:?}, field `board`: {}",
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
            show.note(&format!("inside a savepoint: {}", inner.is_err()));
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
    show.sql(sql);
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
    for line in serde_json::to_string_pretty(&flight)?.lines() {
        println!("   {line}");
    }
    show.done(1, "flight with its airline and destination");
    Ok(())
}

async fn mistakes(show: &mut Show, db: &Db) -> Result<()> {
    show.step("Mistakes are told in plain words, and before they do harm");
    let flight = Flight::query().first(db).await?;
    if let Some(Err(error)) = flight.as_ref().map(|flight| flight.plane.get()) {
        show.note(&format!("* {error}"));
    }
    if let Err(error) = Visit::query().delete().exec(db).await {
        show.note(&format!("* {error}"));
    }
    if let Err(error) = Airport::get("QQQ", db).await {
        show.note(&format!("* {error}"));
    }
    let mut connection = db.pool().acquire().await?;
    if let Err(error) = connection.query::<(String,)>("select nme from airlines", ()).await {
        for line in format!("* {error:#}").lines() {
            println!("   {line}");
        }
    }
    show.done(4, "mistakes");
    Ok(())
}
