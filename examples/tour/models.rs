//! The tables of the tour: flights that left New York in 2013, and what they refer to.

use serde::Serialize;
use stellata::prelude::*;

/// A company that flies.
#[derive(Model, Serialize, Debug, Clone)]
#[model(table = "airlines")]
pub(crate) struct Airline {
    /// Its code of two letters.
    #[model(key)]
    pub(crate) carrier: String,
    /// Its name.
    pub(crate) name: String,
    /// What it flew.
    #[model(has_many = Flight::carrier, order = (time_hour, flight))]
    #[serde(skip_serializing_if = "HasMany::is_not_loaded")]
    pub(crate) flights: HasMany<Flight>,
}

/// A place to leave from and to arrive at.
#[derive(Model, Serialize, Debug, Clone)]
#[model(table = "airports")]
pub(crate) struct Airport {
    /// Its code of three letters.
    #[model(key)]
    pub(crate) faa: String,
    /// Its name.
    pub(crate) name: String,
    /// Degrees north.
    pub(crate) lat: f64,
    /// Degrees east.
    pub(crate) lon: f64,
    /// Feet above the sea.
    pub(crate) alt: i32,
    /// Hours from UTC.
    pub(crate) tz: i32,
    /// How summer time goes there: one letter.
    pub(crate) dst: String,
    /// The name of its time zone; a few have none.
    pub(crate) tzone: Option<String>,
    /// Flights that leave here.
    #[model(has_many = Flight::origin, order = (time_hour, carrier, flight))]
    #[serde(skip_serializing_if = "HasMany::is_not_loaded")]
    pub(crate) departures: HasMany<Flight>,
    /// Flights that arrive here.
    #[model(has_many = Flight::dest, order = (time_hour, carrier, flight))]
    #[serde(skip_serializing_if = "HasMany::is_not_loaded")]
    pub(crate) arrivals: HasMany<Flight>,
}

/// An aircraft.
#[derive(Model, Serialize, Debug, Clone)]
#[model(table = "planes")]
pub(crate) struct Plane {
    /// The number on its tail.
    #[model(key)]
    pub(crate) tailnum: String,
    /// When it was built.
    pub(crate) year: Option<i32>,
    /// What kind of aircraft it is. The field's name is a keyword of Rust; the column's is not one of SQL.
    pub(crate) r#type: String,
    /// Who built it.
    pub(crate) manufacturer: String,
    /// The builder's name for it.
    pub(crate) model: String,
    /// How many engines it has.
    pub(crate) engines: i32,
    /// How many people it seats.
    pub(crate) seats: i32,
    /// How fast it goes, in miles an hour; hardly ever known.
    pub(crate) speed: Option<i32>,
    /// What drives it.
    pub(crate) engine: String,
    /// What it flew.
    #[model(has_many = Flight::tailnum, order = (time_hour, carrier, flight))]
    #[serde(skip_serializing_if = "HasMany::is_not_loaded")]
    pub(crate) flights: HasMany<Flight>,
}

/// The weather at an airport in one hour: a key of two columns.
#[derive(Model, Serialize, Debug, Clone)]
#[model(table = "weather", key(origin, time_hour))]
pub(crate) struct Weather {
    /// Where it was observed.
    pub(crate) origin: String,
    /// When it was observed.
    pub(crate) time_hour: DateTime<Utc>,
    /// Degrees Fahrenheit.
    pub(crate) temp: Option<f64>,
    /// Miles an hour.
    pub(crate) wind_speed: Option<f64>,
    /// Inches of rain or snow.
    pub(crate) precip: Option<f64>,
    /// Miles that could be seen.
    pub(crate) visib: Option<f64>,
    /// Flights that left in it.
    #[model(has_many = (Flight::origin, Flight::time_hour), order = (carrier, flight))]
    #[serde(skip_serializing_if = "HasMany::is_not_loaded")]
    pub(crate) flights: HasMany<Flight>,
}

/// A flight: a key of three columns, two relations to one model, and keys that lead nowhere.
#[derive(Model, Serialize, Debug, Clone)]
#[model(
    table = "flights",
    key(time_hour, carrier, flight),
    index(origin, time_hour),
    index(dest),
    index(tailnum)
)]
pub(crate) struct Flight {
    /// The hour in which it was to leave.
    pub(crate) time_hour: DateTime<Utc>,
    /// Who flew it.
    pub(crate) carrier: String,
    /// Its number.
    pub(crate) flight: i32,
    /// When it was to leave, as 517 for 5:17 by the clocks there.
    pub(crate) sched_dep_time: i32,
    /// When it left; NULL when it was cancelled.
    pub(crate) dep_time: Option<i32>,
    /// How late it left, in minutes.
    pub(crate) dep_delay: Option<i32>,
    /// How late it arrived, in minutes.
    pub(crate) arr_delay: Option<i32>,
    /// Which aircraft; not always known, and not always among the planes.
    pub(crate) tailnum: Option<String>,
    /// Where it left from.
    pub(crate) origin: String,
    /// Where it went; four airports are not among the airports.
    pub(crate) dest: String,
    /// How long it flew, in minutes.
    pub(crate) air_time: Option<i32>,
    /// How far it flew, in miles.
    pub(crate) distance: i32,
    /// The company.
    #[model(belongs_to = carrier)]
    #[serde(skip_serializing_if = "BelongsTo::is_not_loaded")]
    pub(crate) airline: BelongsTo<Airline>,
    /// The airport it left from.
    #[model(belongs_to = origin)]
    #[serde(skip_serializing_if = "BelongsTo::is_not_loaded")]
    pub(crate) from: BelongsTo<Airport>,
    /// The airport it went to, where that is known.
    #[model(belongs_to = dest, no_constraint)]
    #[serde(skip_serializing_if = "BelongsTo::is_not_loaded")]
    pub(crate) to: BelongsTo<Airport>,
    /// The aircraft, where that is known.
    #[model(belongs_to = tailnum, no_constraint)]
    #[serde(skip_serializing_if = "BelongsTo::is_not_loaded")]
    pub(crate) plane: BelongsTo<Plane>,
    /// The weather when it left, where that was observed.
    #[model(belongs_to = (origin, time_hour), no_constraint)]
    #[serde(skip_serializing_if = "BelongsTo::is_not_loaded")]
    pub(crate) weather: BelongsTo<Weather>,
}

/// How often somebody looked at an airport's board: something to count up.
#[derive(Model, Serialize, Debug, Clone)]
#[model(table = "visits")]
pub(crate) struct Visit {
    /// Numbered by the server.
    #[model(key, identity)]
    pub(crate) id: Id<Visit>,
    /// Which board.
    #[model(unique)]
    pub(crate) board: String,
    /// How often.
    pub(crate) hits: i64,
    /// When it was looked at first; the server's clock.
    #[model(default_sql = "now()")]
    pub(crate) since: DateTime<Utc>,
}
