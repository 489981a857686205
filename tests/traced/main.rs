//! What a tracer is told of connecting, of statements, of batches, of COPY and of cancelling.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use stellata::{Db, PoolOptions};
use stellata_client::replication::{LogicalOptions, NewSlot, ReplicationConnection};
use stellata_client::{Config, Connection, ErrorKind, LargeObjectMode, Listener, TraceOptions};
use stellata_testkit::{Database, Server, ServerOptions, with_database, with_database_on};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Fields = HashMap<&'static str, String>;

/// Keeps all that it is told, by all tests of the process.
struct Kept;

static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(|| {
    tracing::subscriber::set_global_default(Kept).unwrap();
    Mutex::default()
});

#[derive(Default)]
struct Told {
    spans: Vec<Span>,
    events: Vec<(Level, Fields)>,
}

#[derive(Clone, Debug)]
struct Span {
    name: &'static str,
    fields: Fields,
    /// The place of the span that it stands in.
    parent: Option<usize>,
    /// How many handles there are; it is over with the last.
    handles: usize,
}

impl Span {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

thread_local! {
    /// The spans that the thread is in.
    static ENTERED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
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

fn place(span: &Id) -> usize {
    usize::try_from(span.into_u64()).unwrap() - 1
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("stellata_client")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut told = TOLD.lock().unwrap();
        let mut fields = Fields::new();
        span.record(&mut Into(&mut fields));
        let parent = ENTERED.with_borrow(|entered| entered.last().copied());
        told.spans.push(Span { name: span.metadata().name(), fields, parent, handles: 1 });
        Id::from_u64(told.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut Into(&mut TOLD.lock().unwrap().spans[place(span)].fields));
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Into(&mut fields));
        TOLD.lock().unwrap().events.push((*event.metadata().level(), fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(place(span)));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }

    fn clone_span(&self, span: &Id) -> Id {
        TOLD.lock().unwrap().spans[place(span)].handles += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let span = &mut TOLD.lock().unwrap().spans[place(&span)];
        span.handles -= 1;
        span.handles == 0
    }
}

/// The spans of a database, each with its place.
fn spans(database: &str) -> Vec<(usize, Span)> {
    let told = TOLD.lock().unwrap();
    let all = told.spans.iter().cloned().enumerate();
    all.filter(|(_, span)| span.field("db.namespace") == Some(database)).collect()
}

fn last(database: &Database) -> Span {
    spans(database.name()).pop().unwrap().1
}

fn events(wanted: Level, text: &str) -> Vec<Fields> {
    let told = TOLD.lock().unwrap();
    let events = told.events.iter().filter(|(level, _)| *level == wanted);
    events
        .map(|(_, fields)| fields.clone())
        .filter(|fields| format!("{fields:?}").contains(text))
        .collect()
}

fn config(database: &Database) -> Config {
    LazyLock::force(&TOLD);
    Config::parse(&database.tcp_url()).unwrap()
}

#[test]
fn statements_are_told_by_opentelemetrys_names_and_slow_ones_are_logged() {
    with_database(async |database| {
        let options = TraceOptions::new().slow(Duration::from_millis(60));
        let config = config(database);
        let mut connection =
            Connection::connect(&config.clone().with_tracing(options)).await.unwrap();
        connection
            .query::<(i32,)>("select $1 + n from generate_series(1, 3) n", (4711,))
            .await
            .unwrap();
        let span = last(database);
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
            assert_eq!(span.field(name), Some(value), "{name}");
        }
        assert_eq!((span.field("error.type"), span.handles), (None, 0));

        connection.execute("select 1 / $1", (0,)).await.unwrap_err();
        let span = last(database);
        assert_eq!(span.field("db.response.status_code"), Some("22012"));
        assert_eq!(span.field("error.type"), Some("22012"));
        assert_eq!(span.field("otel.status_code"), Some("ERROR"));

        let mut rows = connection.lend("select n from generate_series(1, 4) n", ()).unwrap();
        while rows.next::<(i32,)>().await.unwrap().is_some() {}
        assert!(rows.next::<(i32,)>().await.unwrap().is_none());
        let span = last(database);
        assert_eq!(span.field("db.query.text"), Some("select n from generate_series(1, 4) n"));
        assert_eq!((span.field("db.response.returned_rows"), span.handles), (Some("4"), 0));
        connection.lend("select 1 / 0", ()).unwrap().next::<(i32,)>().await.unwrap_err();
        assert_eq!(last(database).field("error.type"), Some("22012"));

        connection.simple("select 1; select 2").await.unwrap();
        assert_eq!(last(database).field("db.response.returned_rows"), Some("2"));

        connection
            .with_limit(Duration::from_secs(9))
            .execute("select pg_sleep(0.1) as statements", ())
            .await
            .unwrap();
        let slow = events(Level::WARN, "as statements");
        let [event] = &*slow else { panic!("one slow statement: {slow:?}") };
        assert_eq!(event["db.query.text"], "select pg_sleep(0.1) as statements");
        assert!(event["db.client.operation.duration"].parse::<f64>().unwrap() >= 0.06);

        // Values are told only where that was asked for.
        let mut all = String::new();
        write!(all, "{:?}", spans(database.name())).unwrap();
        assert!(!all.contains("1267") && !all.contains("4711"), "{all}");
        let telling = TraceOptions::new().parameters(true);
        let mut connection = Connection::connect(&config.with_tracing(telling)).await.unwrap();
        connection.query::<(String,)>("select $1 || $2::int4", ("a", 4711)).await.unwrap();
        let told = last(database);
        assert_eq!(told.field("db.query.parameters"), Some(r#"$1="a", $2=\x00001267"#));
    });
}

#[test]
fn a_batch_is_told_and_each_of_its_statements_in_it() {
    with_database(async |database| {
        let options = TraceOptions::new().slow(Duration::from_millis(60));
        let mut connection =
            Connection::connect(&config(database).with_tracing(options)).await.unwrap();
        let before = spans(database.name()).len();
        let mut batch = connection.batch().unwrap();
        batch.add("select $1 as a", (4711,)).unwrap();
        batch.add("select n from generate_series(1, 3) n", ()).unwrap();
        batch.add("select pg_sleep(0.1) as batched", ()).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(spans(database.name()).len(), before, "nothing has left yet");
        answers.one::<(i32,)>().await.unwrap();
        assert_eq!(answers.rows::<(i32,)>().await.unwrap().len(), 3);
        answers.end().await.unwrap();
        let told = spans(database.name()).split_off(before);
        let [(at, batch), statements @ ..] = &*told else { panic!("a batch: {told:?}") };
        assert_eq!(batch.name, "batch");
        let wanted = [
            ("otel.kind", "client"),
            ("otel.name", &*format!("BATCH {}", database.name())),
            ("db.system.name", "postgresql"),
            ("db.operation.name", "BATCH"),
            ("db.operation.batch.size", "3"),
            ("server.address", "127.0.0.1"),
        ];
        for (name, value) in wanted {
            assert_eq!(batch.field(name), Some(value), "{name}");
        }
        assert_eq!((batch.field("error.type"), batch.handles), (None, 0), "it is over");
        let rows = statements.iter().map(|(_, span)| {
            assert_eq!((span.name, span.parent, span.handles), ("query", Some(*at), 0));
            (span.field("db.query.text").unwrap(), span.field("db.response.returned_rows").unwrap())
        });
        let wanted = [
            ("select $1 as a", "1"),
            ("select n from generate_series(1, 3) n", "3"),
            ("select pg_sleep(0.1) as batched", "1"),
        ];
        assert_eq!(rows.collect::<Vec<_>>(), wanted);
        let slow = events(Level::WARN, "as batched");
        let [event] = &*slow else { panic!("one slow batch: {slow:?}") };
        let texts = "select $1 as a; select n from generate_series(1, 3) n; select pg_sleep(0.1) as batched";
        assert_eq!((&*event["db.query.text"], &*event["db.operation.batch.size"]), (texts, "3"));
        assert!(!format!("{told:?}").contains("1267"), "values are not told: {told:?}");

        // One alone is no batch.
        let mut batch = connection.batch().unwrap();
        batch.add("select 1 as alone", ()).unwrap();
        batch.send().unwrap().end().await.unwrap();
        let told = spans(database.name()).split_off(before + 4);
        let [(_, alone)] = &*told else { panic!("one statement: {told:?}") };
        assert_eq!((alone.name, alone.parent, alone.handles), ("query", None, 0));

        let telling = TraceOptions::new().parameters(true);
        let mut connection =
            Connection::connect(&config(database).with_tracing(telling)).await.unwrap();
        let mut batch = connection.batch().unwrap();
        batch.add("select 1", ()).unwrap().add("select $1", ("a",)).unwrap();
        batch.send().unwrap().end().await.unwrap();
        assert_eq!(last(database).field("db.query.parameters"), Some(r#"$1="a""#));
    });
}

#[test]
fn a_batch_that_fails_tells_why_and_what_of_it_ran() {
    with_database(async |database| {
        let mut connection = Connection::connect(&config(database)).await.unwrap();
        connection
            .simple("create table t (n int unique deferrable initially deferred)")
            .await
            .unwrap();
        let before = spans(database.name()).len();
        let mut batch = connection.batch().unwrap();
        batch.add("select 1 / 0", ()).unwrap().add("select 'skipped'", ()).unwrap();
        batch.sync().unwrap();
        batch.add("select 'run'", ()).unwrap();
        batch.send().unwrap().end().await.unwrap_err();
        let told = spans(database.name()).split_off(before);
        let [(_, batch), (_, failed), (_, ran)] = &*told else { panic!("two ran: {told:?}") };
        for span in [batch, failed] {
            assert_eq!(span.field("error.type"), Some("22012"));
            assert_eq!(span.field("db.response.status_code"), Some("22012"));
            assert_eq!(span.field("otel.status_code"), Some("ERROR"));
        }
        assert_eq!(batch.field("db.operation.batch.size"), Some("3"));
        assert_eq!(
            (ran.field("db.query.text"), ran.field("error.type")),
            (Some("select 'run'"), None)
        );
        assert!(told.iter().all(|(_, span)| span.handles == 0), "{told:?}");

        // What fails with the end of a group fails the batch.
        let mut batch = connection.batch().unwrap();
        batch.add("insert into t values (1)", ()).unwrap();
        batch.add("insert into t values (1)", ()).unwrap();
        batch.send().unwrap().end().await.unwrap_err();
        let told = spans(database.name()).split_off(before + 3);
        let [(_, batch), statements @ ..] = &*told else { panic!("a batch: {told:?}") };
        assert_eq!((batch.name, batch.field("error.type")), ("batch", Some("23505")));
        assert_eq!(statements.len(), 2);
        assert!(statements.iter().all(|(_, span)| span.field("error.type").is_none()));
        assert!(told.iter().all(|(_, span)| span.handles == 0), "{told:?}");

        // A batch that was given up does not reach into the next call.
        let mut batch = connection.batch().unwrap();
        batch.add("select 1", ()).unwrap().add("select 2", ()).unwrap();
        let mut answers = batch.send().unwrap();
        answers.count().await.unwrap();
        drop(answers);
        connection.execute("select 'next'", ()).await.unwrap();
        let next = last(database);
        assert_eq!((next.field("db.query.text"), next.parent), (Some("select 'next'"), None));
        let open = spans(database.name()).into_iter().filter(|(_, span)| span.handles > 0).count();
        assert_eq!(open, 0);
    });
}

#[test]
fn connecting_is_told_with_its_attempts_and_how_it_ended() {
    with_database(async |database| {
        let port = database.tcp().port();
        let good = config(database);
        drop(Connection::connect(&good).await.unwrap());
        let span = last(database);
        assert_eq!((span.name, span.handles), ("connect", 0));
        let wanted = [
            ("otel.kind", "client"),
            ("otel.name", &*format!("CONNECT {}", database.name())),
            ("db.system.name", "postgresql"),
            ("server.address", "127.0.0.1"),
            ("server.port", &*port.to_string()),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &*port.to_string()),
            ("tls.established", "false"),
            ("stellata.connect.attempts", "1"),
        ];
        for (name, value) in wanted {
            assert_eq!(span.field(name), Some(value), "{name}");
        }
        assert_eq!(span.field("error.type"), None);

        // Nobody listens at the first host, and nobody else gets its port.
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let free = bound.local_addr().unwrap().port();
        let two = |host: &str, port: u16| {
            Config::new("127.0.0.1", good.user())
                .with_port(free)
                .with_endpoint(stellata_client::Endpoint::new(host, port))
                .with_database(database.name())
                .with_tls(good.tls().clone())
        };
        drop(Connection::connect(&two("127.0.0.1", port)).await.unwrap());
        let span = last(database);
        assert_eq!(span.field("stellata.connect.attempts"), Some("2"));
        assert_eq!(span.field("server.port"), Some(&*port.to_string()));
        let failed = events(Level::DEBUG, &format!(":{free}"));
        let [event] = &*failed else { panic!("one attempt failed: {failed:?}") };
        assert_eq!(event["error.type"], "Connect");

        let error = Connection::connect(&two("127.0.0.1", free)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        let span = last(database);
        assert_eq!(span.field("error.type"), Some("Connect"));
        assert_eq!(span.field("otel.status_code"), Some("ERROR"));
        assert_eq!(span.field("stellata.connect.attempts"), Some("2"));

        let nowhere = format!("{}_gone", database.name());
        Connection::connect(&good.clone().with_database(&nowhere)).await.unwrap_err();
        let (_, span) = spans(&nowhere).pop().unwrap();
        assert_eq!(span.field("error.type"), Some("3D000"));
        assert_eq!(span.field("db.response.status_code"), Some("3D000"));
        assert_eq!((span.field("tls.established"), span.handles), (None, 0));
    });
}

#[test]
fn a_transaction_of_the_model_layer_is_told_with_its_commands() {
    with_database(async |database| {
        let db = Db::connect_with(config(database), PoolOptions::new().max(1)).await.unwrap();
        let before = spans(database.name()).len();
        let lent: stellata::Result<()> = db
            .transaction(async |tx| {
                tx.sql("create temp table t (n int)").exec().await?;
                tx.sql("insert into t values (1)").exec().await?;
                Ok(())
            })
            .await;
        lent.unwrap();
        let told = spans(database.name()).split_off(before);
        let shown: Vec<_> = told
            .iter()
            .map(|(_, span)| (span.name, span.field("db.query.text").unwrap_or_default()))
            .filter(|(_, text)| !text.starts_with("discard"))
            .collect();
        let wanted = [
            ("batch", ""),
            ("query", "begin"),
            ("query", "create temp table t (n int)"),
            ("query", "insert into t values (1)"),
            ("query", "commit"),
        ];
        assert_eq!(shown, wanted);
        let parents: Vec<_> = told.iter().take(5).map(|(_, span)| span.parent).collect();
        let batch = Some(told[0].0);
        assert_eq!(parents, [None, batch, batch, None, None]);
        assert!(told.iter().take(5).all(|(_, span)| span.handles == 0), "{told:?}");

        // Rows that are lent from the end of a flush are told as well. The first time the statement goes by itself, so that
        // its columns are known before it runs.
        for is_known in [false, true] {
            let before = spans(database.name()).len();
            let lent: stellata::Result<()> = db
                .transaction(async |tx| {
                    let mut rows = tx.sql("select n from generate_series(1, 2) n").lend().await?;
                    while rows.next::<(i32,)>().await?.is_some() {}
                    Ok(())
                })
                .await;
            lent.unwrap();
            let told = spans(database.name()).split_off(before);
            let lent = told.iter().find(|(_, span)| {
                span.field("db.query.text") == Some("select n from generate_series(1, 2) n")
            });
            let (_, lent) = lent.unwrap();
            assert_eq!((lent.field("db.response.returned_rows"), lent.handles), (Some("2"), 0));
            let in_batch = lent.parent.is_some_and(|batch| told.iter().any(|(at, _)| *at == batch));
            assert_eq!(in_batch, is_known);
        }
    });
}

/// The spans that came since, by their names and texts.
fn told_since(database: &Database, before: usize) -> Vec<(&'static str, String)> {
    let told = spans(database.name()).split_off(before);
    let open = told.iter().filter(|(_, span)| span.handles > 0).count();
    assert_eq!(open, 0, "all are over: {told:?}");
    let text = |span: &Span| span.field("db.query.text").unwrap_or_default().to_owned();
    told.iter().map(|(_, span)| (span.name, text(span))).collect()
}

fn as_told<'t>(told: &'t [(&'static str, String)]) -> Vec<(&'static str, &'t str)> {
    told.iter().map(|(name, text)| (*name, text.as_str())).collect()
}

#[test]
fn a_copy_is_told_from_its_start_to_its_end() {
    with_database(async |database| {
        let options = TraceOptions::new().slow(Duration::from_millis(60));
        let mut connection =
            Connection::connect(&config(database).with_tracing(options)).await.unwrap();
        connection.simple("create table t (n int check (n < 100))").await.unwrap();

        let before = spans(database.name()).len();
        connection.copy_in("t", &["n"]).rows([(1,), (2,)]).await.unwrap();
        let told = told_since(database, before);
        let [(_, asked), (_, copied)] = &told[..] else { panic!("its columns, and it: {told:?}") };
        assert!(asked.starts_with("prepare select"), "{asked}");
        assert!(copied.starts_with("copy \"t\" (\"n\") from stdin"), "{copied}");
        let span = last(database);
        let wanted = [
            ("otel.kind", "client"),
            ("otel.name", &*format!("COPY {}", database.name())),
            ("db.operation.name", "COPY"),
            ("db.response.returned_rows", "2"),
        ];
        for (name, value) in wanted {
            assert_eq!(span.field(name), Some(value), "{name}");
        }
        assert_eq!(span.field("error.type"), None);

        let mut rows = connection.copy_out_query("select n from t").rows::<(i32,)>().await.unwrap();
        assert_eq!(last(database).handles, 1, "it goes on");
        while rows.next().await.unwrap().is_some() {}
        drop(rows);
        let span = last(database);
        assert_eq!((span.field("db.response.returned_rows"), span.handles), (Some("2"), 0));
        assert!(span.field("db.query.text").unwrap().contains("select n from t"));

        // Others may have been slow on a busy machine.
        let before = events(Level::WARN, "copy \\\"t\\\"").len();
        let mut writer = connection.copy_in("t", &["n"]).writer().unwrap();
        writer.write(b"3\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(80)).await;
        writer.finish().await.unwrap();
        let slow = events(Level::WARN, "copy \\\"t\\\"");
        let [event] = &slow[before..] else { panic!("one slow COPY: {slow:?}") };
        assert!(event["db.client.operation.duration"].parse::<f64>().unwrap() >= 0.06);

        connection.copy_in("t", &["n"]).rows([(100,)]).await.unwrap_err();
        let span = last(database);
        assert_eq!((span.field("error.type"), span.handles), (Some("23514"), 0));
        connection.copy_out_sql("select 1").reader().await.unwrap_err();
        assert_eq!(last(database).field("error.type"), Some("Usage"));

        // What was given up is over with that.
        drop(connection.copy_out("t", &["n"]).reader().await.unwrap());
        drop(connection.copy_in("t", &["n"]).writer().unwrap());
        assert_eq!(last(database).handles, 0);
        connection.execute("select 1", ()).await.unwrap();
    });
}

#[test]
fn portals_and_what_is_prepared_ahead_are_told() {
    with_database(async |database| {
        let mut connection = Connection::connect(&config(database)).await.unwrap();
        let before = spans(database.name()).len();
        let statements = [("select $1::int4", &[][..]), ("select 'two'", &[])];
        connection.prepare(statements).await.unwrap();
        let told = told_since(database, before);
        assert_eq!(as_told(&told), [("query", "prepare select $1::int4; prepare select 'two'")]);
        assert_eq!(last(database).field("db.operation.name"), Some("PREPARE"));
        connection.prepare([("select nothing", &[][..])]).await.unwrap_err();
        assert_eq!(last(database).field("error.type"), Some("42703"));

        connection.execute("begin", ()).await.unwrap();
        let before = spans(database.name()).len();
        let sql = "select n from generate_series(1, $1) n";
        let mut portal = connection.portal(sql, (5,)).unwrap();
        while !portal.is_done() {
            portal.fetch::<(i32,)>(&mut connection, 2).await.unwrap();
        }
        let told = spans(database.name()).split_off(before);
        let rows = told.iter().map(|(_, span)| {
            assert_eq!(
                (span.name, span.field("db.query.text"), span.handles),
                ("query", Some(sql), 0)
            );
            span.field("db.response.returned_rows").unwrap()
        });
        assert_eq!(rows.collect::<Vec<_>>(), ["2", "2", "1"]);
        let mut portal = connection.portal("select 1 / 0", ()).unwrap();
        portal.fetch::<(i32,)>(&mut connection, 2).await.unwrap_err();
        assert_eq!(last(database).field("error.type"), Some("22012"));
        connection.execute("rollback", ()).await.unwrap();
    });
}

#[test]
fn large_objects_and_channels_are_told_by_their_statements() {
    with_database(async |database| {
        let mut connection = Connection::connect(&config(database)).await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        let before = spans(database.name()).len();
        let oid = connection.create_large_object().await.unwrap();
        let mut object =
            connection.open_large_object(oid, LargeObjectMode::ReadWrite).await.unwrap();
        object.write_all(b"all of it").await.unwrap();
        object.close().await.unwrap();
        let told = told_since(database, before);
        let functions = ["lo_create", "lo_open", "lowrite", "lo_close"];
        assert_eq!(told.len(), functions.len(), "{told:?}");
        for ((name, text), function) in told.iter().zip(functions) {
            assert_eq!(*name, "query");
            assert!(text.contains(function), "{text} is of {function}");
        }
        connection.execute("rollback", ()).await.unwrap();

        let mut listener = Listener::connect(&config(database)).await.unwrap();
        let before = spans(database.name()).len();
        listener.listen("news").await.unwrap();
        connection.notify("news", "one").await.unwrap();
        listener.next().await.unwrap();
        listener.unlisten("news").await.unwrap();
        let told = told_since(database, before);
        let texts = as_told(&told);
        for word in ["listen \"news\"", "select pg_catalog.pg_notify($1, $2)", "unlisten \"news\""]
        {
            let of_it = texts.iter().filter(|(_, text)| text.starts_with(word)).count();
            assert_eq!(of_it, 1, "{word}: {texts:?}");
        }
    });
}

#[test]
fn cancelling_is_told() {
    with_database(async |database| {
        let mut connection = Connection::connect(&config(database)).await.unwrap();
        let limit = Duration::from_millis(20);
        let sleeping = "select pg_sleep(60)";
        let (mut before, mut tries) = (0, 0);
        // A busy machine may take longer than the call waits to know of its cancellation.
        while spans(database.name()).get(before).and_then(|span| span.1.field("error.type"))
            != Some("57014")
        {
            assert!(tries < 20);
            tries += 1;
            before = spans(database.name()).len();
            connection.with_limit(limit).execute(sleeping, ()).await.unwrap_err();
            connection.drain(Duration::from_secs(20)).await.unwrap();
        }
        let told = told_since(database, before);
        assert_eq!(as_told(&told), [("query", sleeping), ("cancel", "")]);
        let span = last(database);
        let wanted = [
            ("otel.kind", "client"),
            ("otel.name", &*format!("CANCEL {}", database.name())),
            ("db.system.name", "postgresql"),
            ("db.operation.name", "CANCEL"),
            ("server.port", &*database.tcp().port().to_string()),
        ];
        for (name, value) in wanted {
            assert_eq!(span.field(name), Some(value), "{name}");
        }
        assert_eq!(span.field("error.type"), None);
        let (_, cancelled) = &spans(database.name())[before];
        assert_eq!(cancelled.field("error.type"), Some("57014"));

        // A session over a stream of the caller's own has no way to be cancelled by itself.
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", database.tcp().port())).await;
        let over = Connection::over(stream.unwrap(), &config(database)).await.unwrap();
        over.cancel_handle().cancel().await.unwrap_err();
        let (_, failed) = spans(database.name()).pop().unwrap();
        assert_eq!((failed.name, failed.field("error.type")), ("cancel", Some("Usage")));
    });
}

#[test]
fn the_start_of_replication_is_told() {
    let options = ServerOptions::new().setting("max_wal_senders", "4");
    let server = Server::start(options).unwrap();
    with_database_on(&server, async |database| {
        database.run("create publication everything for all tables").unwrap();
        let mut replication = ReplicationConnection::connect(&config(database)).await.unwrap();
        let before = spans(database.name()).len();
        replication.create_slot(&NewSlot::logical("told").temporary()).await.unwrap();
        let options = LogicalOptions::new("told", ["everything"]);
        drop(replication.start_logical(&options).await.unwrap());
        let told = told_since(database, before);
        let starts = ["CREATE_REPLICATION_SLOT", "START_REPLICATION"];
        for start in starts {
            let of_it = told.iter().filter(|(_, text)| text.to_uppercase().starts_with(start));
            assert_eq!(of_it.count(), 1, "{start}: {told:?}");
        }
        assert_eq!(last(database).field("db.operation.name"), Some("START_REPLICATION"));
        let none = LogicalOptions::new("none", ["everything"]);
        replication.start_logical(&none).await.map(drop).unwrap_err();
        assert_eq!(last(database).field("error.type"), Some("42704"));
    });
}
