//! What a recorder is told of a pool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use stellata_pool::{Error, Pool, PoolOptions};
use stellata_testkit::with_database;

use super::{config, eventually};

/// What was told under one name and labels.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Count(u64),
    Level(f64),
    Values(Vec<f64>),
}

#[derive(Clone, Default)]
struct Kept {
    told: Arc<Mutex<BTreeMap<String, Told>>>,
    described: Arc<Mutex<Vec<String>>>,
}

impl Kept {
    /// What was told under a name; behind it in braces, the labels that only some have.
    fn get(&self, name: &str) -> Option<Told> {
        self.told.lock().unwrap().get(name).cloned()
    }

    fn count(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Told::Count(count)) => count,
            None => 0,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn level(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Told::Level(level)) => level,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn values(&self, name: &str) -> Vec<f64> {
        match self.get(name) {
            Some(Told::Values(values)) => values,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            match (label.key(), label.value()) {
                ("db.client.connection.pool.name", value) => assert_eq!(value, "radio", "{name}"),
                ("db.system.name", value) => assert_eq!(value, "postgresql", "{name}"),
                (label, value) => name = format!("{name}{{{label}={value}}}"),
            }
        }
        assert!(key.labels().len() >= 2, "{name}");
        Arc::new(Cell { kept: self.clone(), name })
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        let unit = unit.map(|unit| unit.as_str()).unwrap_or_default();
        self.described.lock().unwrap().push(format!("{} in {unit}", name.as_str()));
    }
}

struct Cell {
    kept: Kept,
    name: String,
}

impl Cell {
    fn change(&self, first: Told, change: impl FnOnce(&mut Told)) {
        change(self.kept.told.lock().unwrap().entry(self.name.clone()).or_insert(first));
    }
}

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.change(Told::Count(0), |told| {
            let Told::Count(count) = told else { panic!("{}", self.name) };
            *count += by;
        });
    }

    fn absolute(&self, _: u64) {
        panic!("two pools of one name would overwrite each other");
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        panic!("what a recorder missed would be wrong for ever");
    }

    fn decrement(&self, _: f64) {
        panic!("what a recorder missed would be wrong for ever");
    }

    fn set(&self, level: f64) {
        self.change(Told::Level(0.0), |told| *told = Told::Level(level));
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.change(Told::Values(Vec::new()), |told| {
            let Told::Values(values) = told else { panic!("{}", self.name) };
            values.push(value);
        });
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

const LENT: &str = "db.client.connection.count{db.client.connection.state=used}";
const IDLE: &str = "db.client.connection.count{db.client.connection.state=idle}";
const PENDING: &str = "db.client.connection.pending_requests";
const WAIT_TIME: &str = "db.client.connection.wait_time";

#[test]
fn a_recorder_is_told_what_a_pool_does() {
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || {
        with_database(async |database| {
            let limit = Duration::from_secs(2);
            let options = PoolOptions::new().max(2).acquire_timeout(limit).name("radio");
            let pool = Pool::new(config(database), options);
            // The machine is shared: opening may take longer than a caller waits here.
            let one = acquired(&pool).await;
            let two = acquired(&pool).await;
            assert!(matches!(pool.acquire().await, Err(Error::Timeout { .. })));
            let waiting = tokio::spawn({
                let pool = pool.clone();
                async move { acquired(&pool).await }
            });
            eventually("once a second", || kept.get(PENDING) == Some(Told::Level(1.0))).await;
            assert_eq!((kept.level(LENT), kept.level(IDLE)), (2.0, 0.0));
            assert_eq!(kept.level("db.client.connection.max"), 2.0);
            drop(one);
            let mut three = waiting.await.unwrap();
            three.simple("select 1").await.unwrap();
            for n in 0..5 {
                let (told,): (i32,) = three.query_one("select $1", (n,)).await.unwrap();
                assert_eq!(told, n);
            }
            three.discard();
            drop(two);
            // This one did not wait.
            drop(pool.try_acquire().unwrap());
            assert_eq!(pool.metrics().statements.sent, 6);
            assert_eq!(pool.metrics().statements.reused, 4);
            assert_eq!(pool.drain(Duration::from_secs(20)).await, 0);
            let told = pool.metrics();
            assert_eq!(kept.count("db.client.connection.timeouts"), told.timed_out);
            assert_eq!(kept.count("db.client.connection.opened"), told.opened);
            assert_eq!(kept.values("db.client.connection.create_time").len() as u64, told.opened);
            assert_eq!(kept.count("db.client.connection.open_failures"), 0);
            assert_eq!(kept.count("db.client.connection.closed{reason=discarded}"), 1);
            assert_eq!(kept.count("db.client.connection.closed{reason=closed}"), 1);
            assert_eq!(told.closed.total(), told.opened);
            assert_eq!(kept.count("db.client.statements"), 6);
            assert_eq!(kept.count("db.client.statements.reused"), 4);
            let waits = kept.values(WAIT_TIME);
            assert_eq!(waits.len() as u64, told.waits.count());
            let at_once = waits.iter().filter(|wait| **wait == 0.0).count();
            assert_eq!(at_once as u64, told.waits.at_once());
            assert!(waits.iter().all(|wait| (0.0..30.0).contains(wait)), "in seconds: {waits:?}");
            assert_eq!((kept.level(LENT), kept.level(IDLE)), (0.0, 0.0));
        });
    });
    let described = kept.described.lock().unwrap();
    assert!(described.contains(&"db.client.connection.wait_time in seconds".to_owned()));
    assert!(described.contains(&"db.client.statements in count".to_owned()));
}

/// A connection, however often the deadline passes.
async fn acquired(pool: &Pool) -> stellata_pool::Lease {
    loop {
        match pool.acquire().await {
            Ok(lease) => return lease,
            Err(Error::Timeout { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_pool_that_is_dropped_leaves_no_connections_in_the_gauges() {
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || {
        with_database(async |database| {
            let limit = Duration::from_secs(20);
            let options = PoolOptions::new().max(2).acquire_timeout(limit).name("radio");
            let pool = Pool::new(config(database), options);
            drop(pool.acquire().await.unwrap());
            eventually("it is told of", || kept.get(IDLE) == Some(Told::Level(1.0))).await;
            drop(pool);
            eventually("it is gone", || kept.get(IDLE) == Some(Told::Level(0.0))).await;
            assert_eq!(kept.level("db.client.connection.max"), 0.0);
            assert_eq!(kept.count("db.client.connection.closed{reason=closed}"), 1);
        });
    });
}

#[test]
fn a_recorder_is_told_of_lanes() {
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || {
        with_database(async |database| {
            let limit = Duration::from_secs(20);
            let options = PoolOptions::new().max(2).lanes(1).acquire_timeout(limit).name("radio");
            let pool = Pool::new(config(database), options);
            for n in 0..5_i32 {
                let rows: Vec<(i32,)> = pool.query_shared("select $1", (n,)).await.unwrap();
                assert_eq!(rows, [(n,)]);
            }
            let lanes = "db.client.lane.count";
            eventually("it is told of", || kept.get(lanes) == Some(Told::Level(1.0))).await;
            assert_eq!(pool.drain(limit).await, 0);
            let counts = pool.metrics().lanes;
            assert_eq!(kept.level(lanes), 0.0);
            for (name, count) in [
                ("statements", counts.statements),
                ("writes", counts.writes),
                ("syncs_saved", counts.syncs_saved),
                ("read_by_others", counts.read_by_others),
                ("sent_again", counts.sent_again),
                ("moved", counts.moved),
            ] {
                assert_eq!(kept.count(&format!("db.client.lane.{name}")), count, "{name}");
            }
            assert_eq!((counts.statements, counts.writes), (5, 5));
        });
    });
}
