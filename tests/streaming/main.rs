//! What a process holds while rows without number pass through it. A process of its own: whatever else ran in it would be
//! measured too.

#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use stellata::PgEnum;
use stellata_client::replication::{Event, LogicalOptions, NewSlot, ReplicationConnection};
use stellata_client::{Config, Connection, CopyOptions, ErrorKind, Oid};
use stellata_testkit::{
    Database, Reply, Script, ScriptedServer, Server, ServerOptions, run, run_within,
};

/// How much more may be held at the end and at any time than at the beginning, in bytes.
const GROWTH: u64 = 16 << 20;

/// How long a consumer rests when it has half of the rows.
const REST: Duration = Duration::from_secs(2);

#[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
enum Mood {
    Sad,
    Happy,
}

/// The memory of this process that is there.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Looks at the memory now and then, and is slow: it rests in the middle, so that all that lies between it and the server
/// is full by then.
struct Consumer {
    before: u64,
    most: u64,
    rows: u64,
    wanted: u64,
    rests: u64,
}

impl Consumer {
    fn of(wanted: u64) -> Self {
        Self { before: resident(), most: 0, rows: 0, wanted, rests: 0 }
    }

    async fn take(&mut self, n: i32, text: &str) {
        self.rows += 1;
        assert_eq!((u64::from(n.unsigned_abs()), text.len()), (self.rows, 200));
        if self.rows == self.wanted / 2 {
            tokio::time::sleep(REST).await;
            self.rests += 1;
            self.most = self.most.max(resident());
        } else if self.rows.is_multiple_of(20_000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.most = self.most.max(resident());
        }
    }

    #[allow(clippy::print_stdout, reason = "the figure is what the test is run for")]
    fn end(self, way: &str) {
        let rows = self.rows;
        assert_eq!((rows, self.rests), (self.wanted, 1), "{way}");
        let grown = self.most.saturating_sub(self.before);
        println!("{way}: {rows} rows, grown by {} KiB", grown / 1024);
        assert!(grown <= GROWTH, "{way}: grown by {grown} bytes");
    }
}

/// One test, so that nothing runs beside it.
#[test]
fn memory_does_not_grow_with_the_number_of_rows() {
    let rows: u64 = match std::env::var("STELLATA_LONG") {
        Ok(_) => 10_000_000,
        Err(_) => 250_000,
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(240 + rows / 5_000), async {
        let mut connection =
            Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap();
        let count = i32::try_from(rows).unwrap();
        let sql = "select n, repeat('x', 200) from generate_series(1, $1) n";
        connection.query_rows(sql, (1,)).await.unwrap();
        of_a_type_that_is_not_known_yet(&mut connection, &database, count).await;

        let mut consumer = Consumer::of(rows);
        let mut lent = connection.lend(sql, (count,)).unwrap();
        while let Some((n, text)) = lent.next::<(i32, &str)>().await.unwrap() {
            consumer.take(n, text).await;
        }
        consumer.end("lent");

        let mut consumer = Consumer::of(rows);
        let mut stream = connection.stream::<(i32, String)>(sql, (count,)).unwrap();
        while let Some(row) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            let (n, text) = row.unwrap();
            consumer.take(n, &text).await;
        }
        drop(stream);
        consumer.end("streamed");

        let mut consumer = Consumer::of(rows);
        connection.execute("begin", ()).await.unwrap();
        let mut portal = connection.portal(sql, (count,)).unwrap();
        while !portal.is_done() {
            for (n, text) in portal.fetch::<(i32, String)>(&mut connection, 5_000).await.unwrap() {
                consumer.take(n, &text).await;
            }
        }
        connection.execute("commit", ()).await.unwrap();
        consumer.end("fetched");
        // A trigger for each row takes its time.
        copied_in(&mut connection, rows.min(3_000_000)).await;
        copied_out(&mut connection, rows).await;
        assert!(connection.buffered() <= 1 << 20, "{}", connection.buffered());
    });
    replicated(rows.min(1_000_000));
    one_value_of_a_gigabyte_is_refused();
    one_value_of_a_gigabyte_is_refused_in_a_copy();
}

/// The first rows with a type of the database's own: what it is, is asked for while nobody takes any.
async fn of_a_type_that_is_not_known_yet(
    connection: &mut Connection,
    database: &Database,
    count: i32,
) {
    connection.execute("create type mood as enum ('sad', 'happy')", ()).await.unwrap();
    let sql = "select n, repeat('x', 200), 'happy'::mood from generate_series(1, $1) n";
    let rows = u64::from(count.unsigned_abs());
    // Each time a configuration of its own, which knows nothing.
    let fresh = async || Connection::connect(&Config::parse(&database.url()).unwrap()).await;

    let mut connection = fresh().await.unwrap();
    let mut consumer = Consumer::of(rows);
    let mut lent = connection.lend(sql, (count,)).unwrap();
    while let Some((n, text, mood)) = lent.next::<(i32, &str, Mood)>().await.unwrap() {
        assert_eq!(mood, Mood::Happy);
        consumer.take(n, text).await;
    }
    consumer.end("lent, with an enum");
    connection.close().await;

    let mut connection = fresh().await.unwrap();
    let mut consumer = Consumer::of(rows);
    let mut stream = connection.stream::<(i32, String, Mood)>(sql, (count,)).unwrap();
    while let Some(row) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
        let (n, text, mood) = row.unwrap();
        assert_eq!(mood, Mood::Happy);
        consumer.take(n, &text).await;
    }
    consumer.end("streamed, with an enum");
}

/// From a source that is slow, as values and as lines, into a table of which nothing is kept.
async fn copied_in(connection: &mut Connection, rows: u64) {
    connection
        .simple(
            "create table sink (n int, s text);
             create function forget() returns trigger language plpgsql as 'begin return null; end';
             create trigger forget before insert on sink for each row execute function forget()",
        )
        .await
        .unwrap();
    let text = "x".repeat(200);
    for (way, options) in [
        ("copied in", CopyOptions::new()),
        ("copied in as text", CopyOptions::text()),
        ("copied in as CSV", CopyOptions::csv()),
    ] {
        let mut source = Consumer::of(rows);
        let mut writer =
            connection.copy_in("sink", &["n", "s"]).options(options).row_writer().await.unwrap();
        for n in 1..=i32::try_from(rows).unwrap() {
            writer.write(&(n, &text)).await.unwrap();
            source.take(n, &text).await;
        }
        // The trigger has kept none.
        assert_eq!(writer.finish().await.unwrap(), 0);
        source.end(way);
    }
}

/// To a consumer that is slow, as values, as lines and as bytes.
async fn copied_out(connection: &mut Connection, rows: u64) {
    let query = format!("select n, repeat('x', 200) from generate_series(1, {rows}) n");
    for (way, options) in [
        ("copied out", CopyOptions::new()),
        ("copied out as text", CopyOptions::text()),
        ("copied out as CSV", CopyOptions::csv()),
    ] {
        let mut consumer = Consumer::of(rows);
        let copy = connection.copy_out_query(&query).options(options);
        let mut copied = copy.rows::<(i32, String)>().await.unwrap();
        while let Some((n, text)) = copied.next().await.unwrap() {
            consumer.take(n, &text).await;
        }
        consumer.end(way);
    }
    let mut consumer = Consumer::of(rows);
    let mut reader = connection.copy_out_query(&query).reader().await.unwrap();
    while let Some(piece) = reader.piece().await.unwrap() {
        let line = std::str::from_utf8(piece).unwrap().trim_end();
        let (n, text) = line.split_once('\t').unwrap();
        consumer.take(n.parse().unwrap(), text).await;
    }
    consumer.end("copied out as bytes");
}

/// One transaction of so many rows, followed by somebody slow.
fn replicated(rows: u64) {
    let options = ServerOptions::new()
        .setting("synchronous_commit", "on")
        .setting("logical_decoding_work_mem", "64kB");
    let server = Server::start(options).unwrap();
    run_within(Duration::from_secs(120 + rows / 5_000), async {
        let config = Config::parse(&server.url("postgres")).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let table =
            "create table rows (n int, s text); create publication everything for table rows";
        connection.simple(table).await.unwrap();
        let mut replication = ReplicationConnection::connect(&config).await.unwrap();
        replication.create_slot(&NewSlot::logical("followed")).await.unwrap();
        let fill = "insert into rows select n, repeat('x', 200) from generate_series(1, $1) n";
        connection.execute(fill, (i32::try_from(rows).unwrap(),)).await.unwrap();
        let mut consumer = Consumer::of(rows);
        let options = LogicalOptions::new("followed", ["everything"]);
        let mut stream = replication.start_logical(&options).await.unwrap();
        loop {
            match stream.next().await.unwrap().unwrap().event {
                Event::Insert(insert) => {
                    let (n, text) = (insert.new.get("n").unwrap(), insert.new.get("s").unwrap());
                    consumer.take(n, text).await;
                }
                Event::Commit(_) => break,
                _ => {}
            }
        }
        consumer.end("replicated");
        drop(stream);
        assert!(replication.buffered() <= 1 << 20, "{}", replication.buffered());
    });
}

/// By its length alone: none of it is waited for, and nothing is set aside for it.
fn one_value_of_a_gigabyte_is_refused() {
    let head = Reply::new().parse_complete().lying('D', 1 << 30, &[0, 1, 0x3f, 0xff, 0xff, 0xf0]);
    let script = Script::new().trust_login().expect("PDBES").send(head).read_to_end();
    let server = ScriptedServer::start([script]).unwrap();
    run(async {
        let config = Config::parse(&server.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let before = resident();
        let error = connection.query::<(String,)>("select 'large'", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(connection.is_closed());
        assert!(resident().saturating_sub(before) <= GROWTH);
    });
}

/// The same of a row that is copied, as values and as bytes.
fn one_value_of_a_gigabyte_is_refused_in_a_copy() {
    for typed in [true, false] {
        let head = Reply::new().parse_complete().bind_complete().copy('H', 1).lying(
            'd',
            1 << 30,
            b"PGCOPY",
        );
        let script = Script::new().trust_login().expect("PBES").send(head).read_to_end();
        let server = ScriptedServer::start([script]).unwrap();
        run(async {
            let config = Config::parse(&server.url()).unwrap();
            let mut connection = Connection::connect(&config).await.unwrap();
            let before = resident();
            let copy = connection.copy_out_sql("copy t to stdout (format binary)");
            let error = if typed {
                copy.types([Oid::TEXT]).each(|_| Ok(())).await.unwrap_err()
            } else {
                copy.reader().await.unwrap().piece().await.map(drop).unwrap_err()
            };
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            assert!(connection.is_closed());
            assert!(resident().saturating_sub(before) <= GROWTH);
        });
    }
}
