//! What a tracer is told of statements: spans with the names that OpenTelemetry has for databases
//! (<https://opentelemetry.io/docs/specs/semconv/database/postgresql/>), and a log of slow statements.

use std::fmt::Write;
use std::task::Poll;
use std::time::{Duration, Instant};

use stellata_protocol::{Oid, Params, Reader};
use tracing::Span;
use tracing::field::Empty;

use crate::config::Config;
use crate::config::endpoint::{Endpoint, Host};
use crate::config::trace_options::TraceOptions;
use crate::error::{Error, Result};

/// What all spans of a connection tell.
#[derive(Debug)]
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

    /// Begins to watch a statement.
    pub(crate) fn watch(&self, sql: impl FnOnce() -> String, params: &Params) -> Watch {
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
            if self.options.tells_parameters() && !params.is_empty() {
                span.record("db.query.parameters", shown(params));
            }
            text = Some(sql);
        }
        Watch { span, text, slow: self.options.slow_from(), start: Instant::now() }
    }
}

/// A statement that is watched.
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

    fn end(&mut self, ended: Result<u64, &Error>) {
        match ended {
            Ok(rows) => {
                self.span.record("db.response.returned_rows", rows);
            }
            Err(error) => {
                self.span.record("otel.status_code", "ERROR");
                match error.sqlstate() {
                    Some(code) => {
                        self.span.record("db.response.status_code", code.as_str());
                        self.span.record("error.type", code.as_str());
                    }
                    None => {
                        self.span.record("error.type", format!("{:?}", error.kind()));
                    }
                }
            }
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

/// The first word of a statement, in capitals.
fn operation(sql: &str) -> String {
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next();
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
