//! What a process holds while rows without number pass through it. A process of its own: whatever else ran in it would be
//! measured too.

#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use stellata_client::{Config, Connection, ErrorKind};
use stellata_testkit::{Database, Reply, Script, ScriptedServer, Server, run, run_within};

/// How much more may be held at the end and at any time than at the beginning, in bytes.
const GROWTH: u64 = 16 << 20;

/// The memory of this process that is there.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Looks at the memory now and then, and is slow.
struct Consumer {
    before: u64,
    most: u64,
    rows: u64,
}

impl Consumer {
    fn new() -> Self {
        Self { before: resident(), most: 0, rows: 0 }
    }

    async fn take(&mut self, n: i32, text: &str) {
        self.rows += 1;
        assert_eq!((u64::from(n.unsigned_abs()), text.len()), (self.rows, 200));
        if self.rows.is_multiple_of(20_000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.most = self.most.max(resident());
        }
    }

    #[allow(clippy::print_stdout, reason = "the figure is what the test is run for")]
    fn end(self, way: &str, rows: u64) {
        assert_eq!(self.rows, rows);
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
        Err(_) => 500_000,
    };
    let database = Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(120 + rows / 20_000), async {
        let mut connection =
            Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap();
        let count = i32::try_from(rows).unwrap();
        let sql = "select n, repeat('x', 200) from generate_series(1, $1) n";
        connection.query_rows(sql, (1,)).await.unwrap();

        let mut consumer = Consumer::new();
        let mut lent = connection.lend(sql, (count,)).unwrap();
        while let Some((n, text)) = lent.next::<(i32, &str)>().await.unwrap() {
            consumer.take(n, text).await;
        }
        consumer.end("lent", rows);

        let mut consumer = Consumer::new();
        let mut stream = connection.stream::<(i32, String)>(sql, (count,)).unwrap();
        while let Some(row) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            let (n, text) = row.unwrap();
            consumer.take(n, &text).await;
        }
        drop(stream);
        consumer.end("streamed", rows);

        let mut consumer = Consumer::new();
        connection.execute("begin", ()).await.unwrap();
        let mut portal = connection.portal(sql, (count,)).unwrap();
        while !portal.is_done() {
            for (n, text) in portal.fetch::<(i32, String)>(&mut connection, 5_000).await.unwrap() {
                consumer.take(n, &text).await;
            }
        }
        connection.execute("commit", ()).await.unwrap();
        consumer.end("fetched", rows);
        assert!(connection.buffered() <= 1 << 20, "{}", connection.buffered());
    });
    one_value_of_a_gigabyte_is_refused();
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
