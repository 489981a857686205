//! What a tracer is told of connecting and of statements: spans with the names that OpenTelemetry has for databases
//! (<https://opentelemetry.io/docs/specs/semconv/database/postgresql/>), and a log of slow statements.

use std::collections::VecDeque;
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use stellata_protocol::{Oid, Params, Reader};
use tracing::Span;
use tracing::field::Empty;

use crate::config::Config;
use crate::config::endpoint::{Endpoint, Host};
use crate::config::trace_options::TraceOptions;
use crate::error::{Error, ErrorKind, Result};

/// What all spans of a connection tell.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    namespace: String,
    address: String,
    port: u16,
    options: TraceOptions,
}

impl Labels {
    pub(crate) fn new(endpoint: &Endpoint, config: &Config) -> Self {
        let address = match endpoint.host() {
            Host::Tcp(host) => host.clone(),
            Host::Unix(folder) => folder.display().to_string(),
            Host::Abstract(name) => format!("@{name}"),
        };
        let namespace = config.database().unwrap_or(config.user()).to_owned();
        Self { namespace, address, port: endpoint.port(), options: config.tracing() }
    }

    /// Begins to watch how a connection is opened.
    pub(crate) fn watch_opening(&self) -> Opening {
        let span = tracing::info_span!(
            "connect",
            otel.kind = "client",
            otel.name = format!("CONNECT {}", self.namespace),
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.namespace = self.namespace,
            server.address = self.address,
            server.port = self.port,
            network.peer.address = Empty,
            network.peer.port = Empty,
            tls.established = Empty,
            stellata.connect.attempts = Empty,
            db.response.status_code = Empty,
            error.type = Empty,
        );
        Opening { span }
    }

    /// Tells an opening of the connection that it came to. `failed` are the attempts before that.
    pub(crate) fn end_opening(
        &self,
        opening: &Opening,
        peer: Option<SocketAddr>,
        encrypted: bool,
        failed: &[Error],
    ) {
        let span = &opening.span;
        span.record("server.address", &*self.address);
        span.record("server.port", self.port);
        if let Some(peer) = peer {
            span.record("network.peer.address", peer.ip().to_string());
            span.record("network.peer.port", peer.port());
        }
        span.record("tls.established", encrypted);
        opening.tell_attempts(failed);
        span.record("stellata.connect.attempts", failed.len().saturating_add(1));
    }

    /// Watches a cancellation to its end.
    pub(crate) async fn watch_cancelling(
        &self,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let span = tracing::info_span!(
            "cancel",
            otel.kind = "client",
            otel.name = format!("CANCEL {}", self.namespace),
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.namespace = self.namespace,
            server.address = self.address,
            server.port = self.port,
            db.operation.name = "CANCEL",
            db.response.status_code = Empty,
            error.type = Empty,
        );
        let mut work = pin!(work);
        let ended = poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await;
        ended.inspect_err(|error| record(&span, error))
    }

    /// Begins to watch a batch of so many statements.
    fn watch_batch(&self, size: usize, text: impl FnOnce() -> String) -> BatchWatch {
        let slow = self.options.slow_from();
        let text = slow.map(|_| text());
        let span = tracing::info_span!(
            "batch",
            otel.kind = "client",
            otel.name = format!("BATCH {}", self.namespace),
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.namespace = self.namespace,
            server.address = self.address,
            server.port = self.port,
            db.operation.name = "BATCH",
            db.operation.batch.size = size,
            db.response.status_code = Empty,
            error.type = Empty,
        );
        BatchWatch { span, text, size, slow, start: Instant::now() }
    }

    /// Begins to watch a statement.
    pub(crate) fn watch(&self, sql: impl FnOnce() -> String, params: &Params) -> Watch {
        let shown = self.options.tells_parameters() && !params.is_empty();
        self.watch_shown(sql, || shown.then(|| self::shown(params)))
    }

    /// Begins to watch a statement whose parameters may be told in this form.
    fn watch_shown(
        &self,
        sql: impl FnOnce() -> String,
        shown: impl FnOnce() -> Option<String>,
    ) -> Watch {
        let span = tracing::info_span!(
            "query",
            otel.kind = "client",
            otel.name = Empty,
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.namespace = self.namespace,
            server.address = self.address,
            server.port = self.port,
            db.operation.name = Empty,
            db.query.text = Empty,
            db.query.parameters = Empty,
            db.response.returned_rows = Empty,
            db.response.status_code = Empty,
            error.type = Empty,
        );
        let mut text = None;
        if !span.is_disabled() || self.options.slow_from().is_some() {
            let sql = sql();
            let operation = operation(&sql);
            span.record("otel.name", format!("{operation} {}", self.namespace));
            span.record("db.operation.name", operation);
            span.record("db.query.text", &*sql);
            if let Some(shown) = shown() {
                span.record("db.query.parameters", shown);
            }
            text = Some(sql);
        }
        Watch { span, text, slow: self.options.slow_from(), start: Instant::now() }
    }
}

/// A statement that is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    span: Span,
    text: Option<String>,
    slow: Option<Duration>,
    start: Instant,
}

impl Watch {
    /// Polls the statement within its span, and notes its end. `rows` counts those of the result.
    pub(crate) fn poll<T>(
        &mut self,
        poll: impl FnOnce() -> Poll<Result<T>>,
        rows: impl FnOnce(&T) -> u64,
    ) -> Poll<Result<T>> {
        let polled = self.span.in_scope(poll);
        if let Poll::Ready(ended) = &polled {
            self.end(ended.as_ref().map(rows));
        }
        polled
    }

    /// Watches it from here to its end. `rows` counts those of the result.
    pub(crate) async fn over<T>(
        mut self,
        work: impl Future<Output = Result<T>>,
        rows: impl Fn(&T) -> u64,
    ) -> Result<T> {
        let mut work = pin!(work);
        poll_fn(|cx| self.poll(|| work.as_mut().poll(cx), &rows)).await
    }

    /// Notes its end, with the number of its rows.
    pub(crate) fn end(&self, ended: Result<u64, &Error>) {
        match ended {
            Ok(rows) => {
                self.span.record("db.response.returned_rows", rows);
            }
            Err(error) => record(&self.span, error),
        }
        let took = self.start.elapsed();
        if self.slow.is_some_and(|slow| took >= slow) {
            let text = self.text.as_deref().unwrap_or_default();
            let seconds = took.as_secs_f64();
            self.span.in_scope(|| {
                tracing::warn!(
                    db.system.name = "postgresql",
                    db.client.operation.duration = seconds,
                    db.query.text = text,
                    "slow statement"
                );
            });
        }
    }
}

/// A batch of several statements that is watched.
///
/// How long each of them took can't be told: the server sends their answers together. So it is the batch that is slow.
#[derive(Debug)]
struct BatchWatch {
    span: Span,
    /// The texts of its statements, with semicolons between, where slow ones are looked for.
    text: Option<String>,
    size: usize,
    slow: Option<Duration>,
    start: Instant,
}

impl BatchWatch {
    fn end(self) {
        let took = self.start.elapsed();
        if let Some(text) = self.text
            && self.slow.is_some_and(|slow| took >= slow)
        {
            self.span.in_scope(|| {
                tracing::warn!(
                    db.system.name = "postgresql",
                    db.client.operation.duration = took.as_secs_f64(),
                    db.operation.batch.size = self.size,
                    db.query.text = text,
                    "slow batch"
                );
            });
        }
    }
}

/// Tells of what was watched that it failed.
fn record(span: &Span, error: &Error) {
    span.record("otel.status_code", "ERROR");
    match error.sqlstate() {
        Some(code) => {
            span.record("db.response.status_code", code.as_str());
            span.record("error.type", code.as_str());
        }
        None => {
            span.record("error.type", format!("{:?}", error.kind()));
        }
    }
}

/// A connection that is being opened.
pub(crate) struct Opening {
    span: Span,
}

impl Opening {
    /// Polls what opens it within its span.
    pub(crate) fn poll<T>(&self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        self.span.in_scope(poll)
    }

    /// Notes that nothing came of it.
    pub(crate) fn fail(&self, error: &Error) {
        record(&self.span, error);
        self.tell_attempts(error.attempts());
        self.span.record("stellata.connect.attempts", error.attempts().len().max(1));
    }

    fn tell_attempts(&self, failed: &[Error]) {
        self.span.in_scope(|| {
            for error in failed {
                tracing::debug!(
                    db.system.name = "postgresql",
                    error.type = format!("{:?}", error.kind()),
                    "an attempt to connect failed: {error}"
                );
            }
        });
    }
}

/// The statements of a batch whose answers have not been asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    asked: VecDeque<Text>,
    /// The batch, once the first answer was asked for, where it has several statements.
    batch: Option<BatchWatch>,
}

/// A statement of a batch.
#[derive(Debug)]
struct Text {
    sql: String,
    shown: Option<String>,
    /// What fails takes those behind it in its group along.
    group: u64,
}

impl Watched {
    /// Forgets the batch before.
    pub(crate) fn clear(&mut self) {
        self.asked.clear();
        self.batch = None;
    }

    /// Notes a statement.
    pub(crate) fn add(
        &mut self,
        labels: &Labels,
        sql: impl FnOnce() -> String,
        params: &Params,
        group: u64,
    ) {
        let is_wanted =
            tracing::enabled!(tracing::Level::INFO) || labels.options.slow_from().is_some();
        let sql = if is_wanted { sql() } else { String::new() };
        let shown = is_wanted && labels.options.tells_parameters() && !params.is_empty();
        self.asked.push_back(Text { sql, shown: shown.then(|| self::shown(params)), group });
    }

    /// Begins to watch the next statement, and the batch where that is its first. Gives its group too; `None` where no
    /// statement is left.
    pub(crate) fn next(&mut self, labels: &Labels) -> Option<(Watch, u64)> {
        if self.asked.len() > 1 && self.batch.is_none() {
            let texts = || self.asked.iter().map(|text| &*text.sql).collect::<Vec<_>>().join("; ");
            self.batch = Some(labels.watch_batch(self.asked.len(), texts));
        }
        let Text { sql, shown, group } = self.asked.pop_front()?;
        let watch = || labels.watch_shown(|| sql, || shown);
        let watch = match &self.batch {
            Some(batch) => Watch { slow: None, ..batch.span.in_scope(watch) },
            None => watch(),
        };
        Some((watch, group))
    }

    /// Notes that a statement of a group failed: the server runs none behind it in the group.
    pub(crate) fn fail(&mut self, error: &Error, group: u64) {
        if let Some(batch) = &self.batch {
            record(&batch.span, error);
        }
        if error.kind() != ErrorKind::Decode {
            while self.asked.front().is_some_and(|text| text.group == group) {
                self.asked.pop_front();
            }
            self.end(None);
        }
    }

    /// Notes the end of a group, and of the batch where no statement is left.
    pub(crate) fn end(&mut self, failed: Option<&Error>) {
        if let (Some(batch), Some(error)) = (&self.batch, failed) {
            record(&batch.span, error);
        }
        if self.asked.is_empty()
            && let Some(batch) = self.batch.take()
        {
            batch.end();
        }
    }
}

/// The first word of a statement, in capitals.
fn operation(sql: &str) -> String {
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic() && c != '_').next();
    word.unwrap_or_default().to_ascii_uppercase()
}

/// The values of parameters: text as it is, all others by their bytes.
fn shown(params: &Params) -> String {
    let mut text = String::new();
    let mut reader = Reader::new(params.as_slice());
    for (index, oid) in params.types().iter().enumerate() {
        let Ok(value) = reader.value() else { break };
        let _ = write!(text, "{}${}=", if index > 0 { ", " } else { "" }, index + 1);
        match value {
            None => text.push_str("NULL"),
            Some(raw) => match (std::str::from_utf8(raw), *oid) {
                (Ok(shown), Oid::TEXT | Oid::VARCHAR | Oid::NAME | Oid::BPCHAR) => {
                    let _ = write!(text, "{shown:?}");
                }
                _ => {
                    text.push_str("\\x");
                    raw.iter().for_each(|byte| {
                        let _ = write!(text, "{byte:02x}");
                    });
                }
            },
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellata_protocol::IntoParams;

    #[test]
    fn the_operation_is_the_first_word() {
        assert_eq!(operation("  select 1"), "SELECT");
        assert_eq!(operation("insert\tinto t"), "INSERT");
        assert_eq!(operation("START_REPLICATION SLOT \"s\" PHYSICAL 0/0"), "START_REPLICATION");
        assert_eq!(operation("(select 1)"), "");
        assert_eq!(operation(""), "");
    }

    #[test]
    fn parameters_are_shown_in_order() {
        let mut params = Params::new();
        (1_i32, "a\"b", None::<i64>).append_to(&mut params).unwrap();
        assert_eq!(shown(&params), r#"$1=\x00000001, $2="a\"b", $3=NULL"#);
    }
}
