//! Full buffers and slow consumers.

use std::task::Poll;
use std::time::Duration;

use stellata_client::{Config, Connection};
use stellata_testkit::{Server, with_database};
use tokio::net::TcpSocket;

use super::connect;

/// A connection whose socket holds next to nothing, either way.
async fn narrow(database: &stellata_testkit::Database) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let port = Server::shared().unwrap().port();
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    Connection::over(stream, &Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// As many notices as rows go the other way while the rows go in: whoever only writes waits for ever.
#[test]
fn notices_that_come_while_rows_go_in_block_nobody() {
    with_database(async |database| {
        database
            .run(
                "create table t (n int, s text);
                 create function tell() returns trigger language plpgsql as $$
                 begin raise notice 'row %, of which there is much to tell', new.n; return new; end $$;
                 create trigger tell before insert on t for each row execute function tell()",
            )
            .unwrap();
        let mut connection = narrow(database).await;
        let rows = (0..100_000).map(|n| (n, "some text that takes its place"));
        let copied = connection.copy_in("t", &["n", "s"]).rows(rows);
        let copied = tokio::time::timeout(Duration::from_secs(120), copied).await;
        assert_eq!(copied.expect("both sides wait for each other").unwrap(), 100_000);
        let mut notices = 0;
        while connection.pop_notice().is_some() {
            notices += 1;
        }
        assert_eq!(notices, 256, "the newest are kept");
        assert!(connection.buffered() < 1 << 20, "{}", connection.buffered());
    });
}

#[test]
fn an_early_error_ends_a_long_copy_soon() {
    with_database(async |database| {
        database.run("create table t (n int check (n <> 5))").unwrap();
        let mut connection = connect(database).await;
        let mut sent = 0_u64;
        let rows = (0..100_000_000_i32).map(|n| {
            sent += 1;
            (n,)
        });
        let error = connection.copy_in("t", &["n"]).rows(rows).await.unwrap_err();
        assert_eq!(error.row(), Some(6));
        assert!(sent < 10_000_000, "{sent} rows were sent after the sixth had failed");
        assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
    });
}

/// Memory of the process, in bytes: what is resident now.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// What the connection holds is counted too: the process runs other tests beside this one.
#[cfg(target_os = "linux")]
#[test]
fn a_million_rows_take_no_more_memory_than_a_few() {
    const ROWS: i32 = 1_000_000;
    with_database(async |database| {
        database.run("create unlogged table t (n int, s text)").unwrap();
        let mut connection = connect(database).await;
        let text = "some text of a usual length, as it is found in tables".repeat(2);
        let (mut growth, mut before) = (Vec::new(), resident());
        let mut n = 0;
        // A source that is slow now and then.
        let copy = connection.copy_in("t", &["n", "s"]);
        let copied = copy
            .stream(|cx| {
                n += 1;
                if n % 100_000 == 0 {
                    growth.push(resident().saturating_sub(before));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready((n <= ROWS).then_some((n, text.as_str())))
            })
            .await
            .unwrap();
        assert!(copied > 900_000);
        assert!(connection.buffered() < 1 << 20, "{}", connection.buffered());

        before = resident();
        let mut rows = connection.copy_out("t", &["n", "s"]).rows::<(i32, String)>().await.unwrap();
        let mut count = 0;
        while let Some((_, text)) = rows.next().await.unwrap() {
            count += u64::from(!text.is_empty());
            if count % 50_000 == 0 {
                // The server has time to fill every buffer there is.
                tokio::time::sleep(Duration::from_millis(10)).await;
                growth.push(resident().saturating_sub(before));
            }
        }
        drop(rows);
        assert_eq!(count, copied);
        assert!(connection.buffered() < 1 << 20, "{}", connection.buffered());
        // Half of all samples: other tests come and go meanwhile.
        growth.sort_unstable();
        assert!(growth[growth.len() / 2] <= 16 << 20, "{growth:?}");
    });
}
