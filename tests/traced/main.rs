//! What a tracer is told of statements.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stellata_client::{Config, Connection, TraceOptions};
use stellata_testkit::with_database;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Fields = HashMap<&'static str, String>;

/// Keeps all that it is told.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    spans: Vec<Fields>,
    events: Vec<(Level, Fields)>,
}

struct Into<'f>(&'f mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("stellata_client")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut told = self.0.lock().unwrap();
        let mut fields = Fields::new();
        span.record(&mut Into(&mut fields));
        told.spans.push(fields);
        Id::from_u64(told.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Into(&mut self.0.lock().unwrap().spans[index]));
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Into(&mut fields));
        self.0.lock().unwrap().events.push((*event.metadata().level(), fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Kept {
    fn last(&self) -> Fields {
        self.0.lock().unwrap().spans.last().unwrap().clone()
    }
}

#[test]
fn statements_are_told_by_opentelemetrys_names_and_slow_ones_are_logged() {
    let kept = Kept::default();
    tracing::subscriber::set_global_default(kept.clone()).unwrap();
    with_database(async |database| {
        let options = TraceOptions::new().slow(Duration::from_millis(60));
        let config = Config::parse(&database.tcp_url()).unwrap();
        let mut connection =
            Connection::connect(&config.clone().with_tracing(options)).await.unwrap();
        connection
            .query::<(i32,)>("select $1 + n from generate_series(1, 3) n", (4711,))
            .await
            .unwrap();
        let span = kept.last();
        let wanted = [
            ("otel.kind", "client"),
            ("otel.name", &*format!("SELECT {}", database.name())),
            ("db.system.name", "postgresql"),
            ("db.namespace", database.name()),
            ("db.operation.name", "SELECT"),
            ("db.query.text", "select $1 + n from generate_series(1, 3) n"),
            ("db.response.returned_rows", "3"),
            ("server.address", "127.0.0.1"),
            ("server.port", &*database.tcp().port().to_string()),
        ];
        for (name, value) in wanted {
            assert_eq!(span.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!span.contains_key("error.type"));

        connection.execute("select 1 / $1", (0,)).await.unwrap_err();
        let span = kept.last();
        assert_eq!(span["db.response.status_code"], "22012");
        assert_eq!((&*span["error.type"], &*span["otel.status_code"]), ("22012", "ERROR"));

        connection.simple("select 1; select 2").await.unwrap();
        assert_eq!(kept.last()["db.response.returned_rows"], "2");

        assert!(kept.0.lock().unwrap().events.is_empty(), "nothing was slow");
        connection
            .with_limit(Duration::from_secs(9))
            .execute("select pg_sleep(0.1)", ())
            .await
            .unwrap();
        {
            let told = kept.0.lock().unwrap();
            let [(level, event)] = &*told.events else { panic!("one slow statement") };
            assert_eq!(*level, Level::WARN);
            assert_eq!(event["db.query.text"], "select pg_sleep(0.1)");
            assert!(event["db.client.operation.duration"].parse::<f64>().unwrap() >= 0.06);
        }

        // Values are told only where that was asked for.
        let mut all = String::new();
        write!(all, "{:?}", kept.0.lock().unwrap().spans).unwrap();
        assert!(!all.contains("1267") && !all.contains("4711"), "{all}");
        let telling = TraceOptions::new().parameters(true);
        let mut connection = Connection::connect(&config.with_tracing(telling)).await.unwrap();
        connection.query::<(String,)>("select $1 || $2::int4", ("a", 4711)).await.unwrap();
        assert_eq!(kept.last()["db.query.parameters"], r#"$1="a", $2=\x00001267"#);
    });
}
