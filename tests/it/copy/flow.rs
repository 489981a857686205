//! Full buffers and slow consumers.

use std::time::Duration;

use stellata_client::{Config, Connection, CopyOptions};
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

/// The same while rows come out, to a consumer that stops now and then, and while lines go in.
#[test]
fn notices_that_come_with_the_rows_block_nobody() {
    with_database(async |database| {
        database
            .run(
                "create function tell(n int) returns int language plpgsql as $$
                 begin raise notice 'row %, of which there is much to tell', n; return n; end $$;
                 create table t (n int);
                 create function tell() returns trigger language plpgsql as $$
                 begin raise notice 'row %', new.n; return new; end $$;
                 create trigger tell before insert on t for each row execute function tell()",
            )
            .unwrap();
        let mut connection = narrow(database).await;
        let both = async {
            let copy =
                connection.copy_out_query("select tell(n) from generate_series(1, 100000) n");
            let mut rows = copy.rows::<(i32,)>().await.unwrap();
            for want in 1..=100_000 {
                assert_eq!(rows.next().await.unwrap(), Some((want,)));
                if want % 10_000 == 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            assert_eq!(rows.next().await.unwrap(), None);
            let copy = connection.copy_in("t", &[]).options(CopyOptions::csv());
            assert_eq!(copy.rows((0..100_000).map(|n| (n,))).await.unwrap(), 100_000);
        };
        let done = tokio::time::timeout(Duration::from_secs(120), both).await;
        done.expect("both sides wait for each other");
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
