//! Full buffers and slow consumers.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use stellata_client::{Config, Connection, CopyOptions, Error};
use stellata_testkit::{Database, Server, with_database};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpSocket;

use super::connect;

/// A connection over a stream of ours whose socket holds next to nothing, either way.
async fn narrow(database: &Database) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let port = Server::shared().unwrap().port();
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    Connection::over(stream, &Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// The client's own socket, whose buffers hold what the system gives them.
async fn wide(url: &str) -> Connection {
    Connection::connect(&Config::parse(url).unwrap()).await.unwrap()
}

/// As many notices as rows go the other way while the rows go in: whoever only writes waits for ever.
#[test]
fn notices_that_come_while_rows_go_in_block_nobody() {
    with_database(async |database| {
        database
            .run(
                "create unlogged table t (n int, s text);
                 create function tell() returns trigger language plpgsql as $$
                 begin raise notice 'row %, of which there is much to tell: %', new.n, new.s; return new; end $$;
                 create trigger tell before insert on t for each row execute function tell()",
            )
            .unwrap();
        notices_while_rows_go_in(narrow(database).await, 100_000, 30).await;
        // 20 MB either way.
        notices_while_rows_go_in(wide(&database.url()).await, 20_000, 1_000).await;
        notices_while_rows_go_in(wide(&database.tcp_url()).await, 20_000, 1_000).await;
    });
}

async fn notices_while_rows_go_in(mut connection: Connection, rows: u64, length: usize) {
    let text = "x".repeat(length);
    let copied = connection.copy_in("t", &["n", "s"]);
    let copied = copied.rows((0..i32::try_from(rows).unwrap()).map(|n| (n, &*text)));
    let copied = tokio::time::timeout(Duration::from_secs(120), copied).await;
    assert_eq!(copied.expect("both sides wait for each other").unwrap(), rows);
    let mut notices = 0;
    while connection.pop_notice().is_some() {
        notices += 1;
    }
    assert_eq!(notices, 256, "the newest are kept");
    assert!(connection.buffered() < 1 << 20, "{}", connection.buffered());
}

/// The same while rows come out, to a consumer that stops now and then, and while lines go in.
#[test]
fn notices_that_come_with_the_rows_block_nobody() {
    with_database(async |database| {
        database
            .run(
                "create function tell(n int, s text) returns int language plpgsql as $$
                 begin raise notice 'row %, of which there is much to tell: %', n, s; return n; end $$;
                 create unlogged table t (n int, s text);
                 create function tell() returns trigger language plpgsql as $$
                 begin raise notice 'row %: %', new.n, new.s; return new; end $$;
                 create trigger tell before insert on t for each row execute function tell()",
            )
            .unwrap();
        notices_with_the_rows(narrow(database).await, 100_000, 0).await;
        notices_with_the_rows(wide(&database.url()).await, 20_000, 1_000).await;
        notices_with_the_rows(wide(&database.tcp_url()).await, 20_000, 1_000).await;
    });
}

async fn notices_with_the_rows(mut connection: Connection, rows: i32, length: usize) {
    let text = "x".repeat(length);
    let both = async {
        let query =
            format!("select tell(n, repeat('x', {length})) from generate_series(1, {rows}) n");
        let mut copied = connection.copy_out_query(&query).rows::<(i32,)>().await.unwrap();
        for want in 1..=rows {
            assert_eq!(copied.next().await.unwrap(), Some((want,)));
            if want % 10_000 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(copied.next().await.unwrap(), None);
        let copy = connection.copy_in("t", &[]).options(CopyOptions::csv());
        let copied = copy.rows((0..rows).map(|n| (n, &*text))).await.unwrap();
        assert_eq!(copied, u64::from(rows.unsigned_abs()));
    };
    let done = tokio::time::timeout(Duration::from_secs(120), both).await;
    done.expect("both sides wait for each other");
    assert!(connection.buffered() < 1 << 20, "{}", connection.buffered());
}

/// Reads lines of one number each, without end, of which the sixth is the first that the table refuses.
struct Numbers<'c> {
    sent: &'c Cell<u64>,
}

impl AsyncRead for Numbers<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(self.sent.get() < MOST, "the error was not seen");
        let rows = into.remaining() / 2;
        into.put_slice("0\n0\n0\n0\n0\n5\n".as_bytes());
        for _ in 6..rows {
            into.put_slice(b"0\n");
        }
        self.sent.set(self.sent.get() + rows as u64);
        Poll::Ready(Ok(()))
    }
}

/// So many rows may be sent after the server has refused the sixth.
const MOST: u64 = 10_000_000;

/// What there is to send: 5 is refused, and no end is ever seen.
fn number(sent: &Cell<u64>) -> i32 {
    let n = sent.get();
    assert!(n < MOST, "the error was not seen");
    sent.set(n + 1);
    if n == 5 { 5 } else { 0 }
}

/// A stream without end.
struct Endless<F>(F);

impl<F: Fn() -> R + Unpin, R> Stream for Endless<F> {
    type Item = R;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<R>> {
        Poll::Ready(Some(self.0()))
    }
}

/// Copies without end, by each of the ways that there are.
async fn copy_for_ever(
    connection: &mut Connection,
    way: usize,
    sent: &Cell<u64>,
) -> Result<(), Error> {
    let copy = connection.copy_in("t", &["n"]);
    match way {
        0 => copy.rows(std::iter::repeat_with(|| (number(sent),))).await.map(drop),
        1 => copy.stream(|_| Poll::Ready(Some((number(sent),)))).await.map(drop),
        2 => {
            let mut writer = copy.row_writer().await?;
            loop {
                writer.write(&(number(sent),)).await?;
            }
        }
        3 => copy.read_from(Numbers { sent }).await.map(drop),
        4 => {
            let mut writer = copy.writer()?;
            loop {
                writer.write(format!("{}\n", number(sent)).as_bytes()).await?;
            }
        }
        5 => {
            let rows = Endless(|| (number(sent),));
            copy.from_stream(rows).await.map(drop)
        }
        6 => {
            let mut writer = copy.writer()?;
            loop {
                writer.row([Some(&*number(sent).to_string())]).await?;
            }
        }
        _ => {
            let mut writer = copy.writer()?;
            let copied = tokio::io::copy(&mut Numbers { sent }, &mut writer).await;
            let error = copied.unwrap_err().into_inner().unwrap();
            Err(*error.downcast::<Error>().unwrap())
        }
    }
}

#[test]
fn an_early_error_ends_a_long_copy_soon_and_others_run_beside_it() {
    with_database(async |database| {
        database.run("create table t (n int check (n <> 5))").unwrap();
        let mut connection = connect(database).await;
        for way in 0..8 {
            let turns = Arc::new(AtomicU64::new(0));
            let other = tokio::spawn({
                let turns = Arc::clone(&turns);
                async move {
                    loop {
                        turns.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                }
            });
            let sent = Cell::new(0);
            let error = copy_for_ever(&mut connection, way, &sent).await.unwrap_err();
            let turns = turns.load(Ordering::Relaxed);
            other.abort();
            assert_eq!(error.row(), Some(6), "{way}");
            // Pieces of 64 KB, of two bytes a row or more.
            let least = sent.get() * 2 / (64 * 1024 * 17);
            assert!(turns > least, "{way}: the other had {turns} turns during {} rows", sent.get());
            assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
        }
    });
}
