//! Tells the recorder of the crate `metrics` what a pool does, by the names of OpenTelemetry's conventions for clients of
//! databases where those have one.
//!
//! Nothing is told while a connection is lent at once or comes back: the counters are read once a second, and what they
//! have grown by is told. How long a caller waited, and how long opening took, is told when it happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Label, SharedString, Unit, counter, gauge, histogram};

use crate::status::{PoolMetrics, PoolStatus};

const WAIT_TIME: &str = "db.client.connection.wait_time";
const CREATE_TIME: &str = "db.client.connection.create_time";
const COUNT: &str = "db.client.connection.count";
const MAX: &str = "db.client.connection.max";
const PENDING: &str = "db.client.connection.pending_requests";
const TIMEOUTS: &str = "db.client.connection.timeouts";
const OPENED: &str = "db.client.connection.opened";
const FAILURES: &str = "db.client.connection.open_failures";
const CLOSED: &str = "db.client.connection.closed";
const STATEMENTS: &str = "db.client.statements";
const REUSED: &str = "db.client.statements.reused";
const LANES: &str = "db.client.lane.count";
const LANE_STATEMENTS: &str = "db.client.lane.statements";
const LANE_WRITES: &str = "db.client.lane.writes";
const LANE_SYNCS_SAVED: &str = "db.client.lane.syncs_saved";
const LANE_READ_BY_OTHERS: &str = "db.client.lane.read_by_others";
const LANE_SENT_AGAIN: &str = "db.client.lane.sent_again";
const LANE_MOVED: &str = "db.client.lane.moved";

const POOL: &str = "db.client.connection.pool.name";
const STATE: &str = "db.client.connection.state";
const REASON: &str = "reason";

/// The name of a pool that has none.
const NAMELESS: &str = "postgresql";

/// What a recorder is told of one pool.
#[derive(Debug)]
pub(crate) struct Export {
    labels: [Label; 2],
    /// What was told last; nothing before the recorder has heard what the names mean.
    told: Mutex<Option<PoolMetrics>>,
}

impl Export {
    pub(crate) fn new(name: Option<String>) -> Self {
        // Shared, so that a copy of the label copies no text.
        let name =
            name.map_or(SharedString::const_str(NAMELESS), |name| Arc::<str>::from(name).into());
        let labels =
            [Label::new(POOL, name), Label::from_static_parts("db.system.name", "postgresql")];
        Self { labels, told: Mutex::new(None) }
    }

    /// Somebody was lent a connection after a wait.
    pub(crate) fn waited(&self, waited: Duration) {
        histogram!(WAIT_TIME, self.labels.iter()).record(waited);
    }

    /// A connection was opened.
    pub(crate) fn opened(&self, took: Duration) {
        histogram!(CREATE_TIME, self.labels.iter()).record(took);
    }

    /// Tells how the pool stands, and what it has done since the last time.
    pub(crate) fn publish(&self, status: PoolStatus, metrics: PoolMetrics) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.take().unwrap_or_else(|| {
            describe();
            PoolMetrics::default()
        });
        for (name, now, before) in [
            (OPENED, metrics.opened, before.opened),
            (FAILURES, metrics.failed_to_open, before.failed_to_open),
            (TIMEOUTS, metrics.timed_out, before.timed_out),
            (STATEMENTS, metrics.statements.sent, before.statements.sent),
            (REUSED, metrics.statements.reused, before.statements.reused),
            (LANE_STATEMENTS, metrics.lanes.statements, before.lanes.statements),
            (LANE_WRITES, metrics.lanes.writes, before.lanes.writes),
            (LANE_SYNCS_SAVED, metrics.lanes.syncs_saved, before.lanes.syncs_saved),
            (LANE_READ_BY_OTHERS, metrics.lanes.read_by_others, before.lanes.read_by_others),
            (LANE_SENT_AGAIN, metrics.lanes.sent_again, before.lanes.sent_again),
            (LANE_MOVED, metrics.lanes.moved, before.lanes.moved),
        ] {
            counter!(name, self.labels.iter()).increment(now.saturating_sub(before));
        }
        for ((reason, now), (_, before)) in
            metrics.closed.by_reason().zip(before.closed.by_reason())
        {
            if now != before {
                counter!(CLOSED, self.with(REASON, reason)).increment(now.saturating_sub(before));
            }
        }
        let at_once = metrics.waits.at_once().saturating_sub(before.waits.at_once());
        if at_once > 0 {
            let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
            histogram!(WAIT_TIME, self.labels.iter()).record_many(0.0, at_once);
        }
        for (state, count) in
            [("idle", status.idle), ("used", status.lent), ("opening", status.opening)]
        {
            gauge!(COUNT, self.with(STATE, state)).set(count as f64);
        }
        gauge!(MAX, self.labels.iter()).set(status.max as f64);
        gauge!(PENDING, self.labels.iter()).set(status.waiting as f64);
        gauge!(LANES, self.labels.iter()).set(status.lanes as f64);
        *told = Some(metrics);
    }

    fn with(&self, label: &'static str, value: &'static str) -> Vec<Label> {
        let [pool, system] = self.labels.clone();
        vec![pool, system, Label::from_static_parts(label, value)]
    }
}

/// Tells the recorder what the names mean.
fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};

    describe_histogram!(WAIT_TIME, Unit::Seconds, "How long callers waited for a connection.");
    describe_histogram!(CREATE_TIME, Unit::Seconds, "How long opening a connection took.");
    describe_gauge!(COUNT, Unit::Count, "Connections of the pool, by state.");
    describe_gauge!(MAX, Unit::Count, "The most connections that there may be.");
    describe_gauge!(PENDING, Unit::Count, "Callers that wait for a connection.");
    describe_counter!(TIMEOUTS, Unit::Count, "Callers whose deadline passed.");
    describe_counter!(OPENED, Unit::Count, "Connections that were opened.");
    describe_counter!(FAILURES, Unit::Count, "Attempts to open a connection that failed.");
    describe_counter!(CLOSED, Unit::Count, "Connections that were closed, by reason.");
    describe_counter!(STATEMENTS, Unit::Count, "Statements that were sent.");
    describe_counter!(REUSED, Unit::Count, "Statements that the server had prepared before.");
    describe_gauge!(LANES, Unit::Count, "Connections that statements share.");
    describe_counter!(LANE_STATEMENTS, Unit::Count, "Statements that went over lanes.");
    describe_counter!(LANE_WRITES, Unit::Count, "Writes that they were sent in.");
    describe_counter!(LANE_SYNCS_SAVED, Unit::Count, "Statements under the Sync of another.");
    describe_counter!(LANE_READ_BY_OTHERS, Unit::Count, "Answers that another caller read.");
    describe_counter!(LANE_SENT_AGAIN, Unit::Count, "Statements sent again beside a failure.");
    describe_counter!(LANE_MOVED, Unit::Count, "Statements that were moved off a lane.");
}
