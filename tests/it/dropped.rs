//! Futures that are dropped before they end.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use stellata_client::{
    Config, Connection, Error, ErrorKind, Oid, Params, Plan, QueryOptions, SqlState,
    TransactionStatus,
};
use stellata_testkit::{Database, run_within, with_database};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// Polls a future `polls` times at the most, each time it wakes, and drops it. Returns whether it had ended.
pub(crate) async fn poll_and_drop<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let mut ended = false;
        let once = poll_fn(|cx: &mut Context<'_>| {
            ended = future.as_mut().poll(cx).is_ready();
            Poll::Ready(())
        });
        once.await;
        if ended {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[test]
fn an_answer_never_reaches_the_wrong_question() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let (mut dropped, mut question) = (0, 0_i64);
        for round in 0..400_usize {
            question += 1;
            let future = connection.query::<(i64, String)>(
                "select $1, repeat('x', 20000) from generate_series(1, 5)",
                (question,),
            );
            if !poll_and_drop(round % 7, future).await {
                dropped += 1;
            }
            question += 1;
            let (answer,): (i64,) =
                connection.query_one("select $1 + 0", (question,)).await.unwrap();
            assert_eq!(answer, question);
        }
        assert!(dropped > 100, "only {dropped} futures were dropped early");
        assert!(connection.is_quiet());
    });
}

#[test]
fn dropping_while_a_statement_is_prepared_keeps_the_cache_right() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for round in 0..60_usize {
            // Every round a statement that is not known yet, given up at another moment, then asked again.
            let sql = format!("select $1 + {round}");
            for polls in [round % 4, (round / 4) % 4] {
                poll_and_drop(polls, connection.query::<(i32,)>(&sql, (1_i32,))).await;
            }
            let (sum,): (i32,) = connection.query_one(&sql, (1_i32,)).await.unwrap();
            assert_eq!(sum, 1 + round as i32);
        }
    });
}

#[test]
fn a_dropped_failure_is_not_taken_for_the_next_ones() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        for round in 0..100_usize {
            poll_and_drop(round % 5, connection.execute("select 1/0", ())).await;
            poll_and_drop(round % 3, connection.simple("select 1; select 1/0; select 2")).await;
            assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
        }
    });
}

#[test]
fn draining_reads_what_is_owed() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        poll_and_drop(1, connection.execute("begin", ())).await;
        connection.drain(Duration::from_secs(10)).await.unwrap();
        assert!(connection.is_quiet());
        assert_eq!(connection.status(), TransactionStatus::InTransaction);
    });
}

#[test]
fn a_dropped_connect_leaves_no_session() {
    with_database(async |database| {
        let config =
            Config::parse(&database.url()).unwrap().with_setting("application_name", "dropped");
        for polls in 0..12 {
            poll_and_drop(polls, Connection::connect(&config)).await;
        }
        let gone = async {
            loop {
                let rows = database
                    .run("select pid from pg_stat_activity where application_name = 'dropped'")
                    .unwrap();
                if rows.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    });
}

/// A stream that gives one byte at a time, and makes whoever reads or writes wait before each: every byte of an answer is
/// a poll.
pub(crate) struct Reluctant {
    stream: TcpStream,
    /// Whether it is so now.
    is_slow: Arc<AtomicBool>,
    may_read: bool,
    may_write: bool,
}

impl Reluctant {
    pub(crate) async fn connect(database: &Database) -> Self {
        let address = (Ipv4Addr::LOCALHOST, database.tcp().port());
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, is_slow: Arc::new(AtomicBool::new(true)), may_read: false, may_write: false }
    }
}

impl AsyncRead for Reluctant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_slow.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        self.may_read = !self.may_read;
        if self.may_read {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut byte = [0];
        let mut piece = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        into.put_slice(piece.filled());
        read
    }
}

impl AsyncWrite for Reluctant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.is_slow.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        self.may_write = !self.may_write;
        if self.may_write {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let some = bytes.len().min(24);
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..some])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

type Running<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'c>>;

/// A use of public functions that wait, which is dropped at every poll.
pub(crate) struct Case {
    /// What it uses, as `room Type::function`.
    pub(crate) items: &'static [&'static str],
    work: for<'c> fn(&'c mut Connection) -> Running<'c>,
}

const ROWS: &str = "select n, repeat('x', n) from generate_series(1, 3) n";

fn options() -> QueryOptions {
    QueryOptions::new().limit(Duration::from_secs(50))
}

/// What every connection can do. Those functions that have none, or use it up, stand below.
pub(crate) const CASES: &[Case] = &[
    Case {
        items: &["client Connection::query"],
        work: |c| Box::pin(async { c.query::<(i32, String)>(ROWS, ()).await.map(drop) }),
    },
    Case {
        items: &["client Connection::query_one"],
        work: |c| Box::pin(async { c.query_one::<(i32,)>("select $1 + 1", (1,)).await.map(drop) }),
    },
    Case {
        items: &["client Connection::query_opt"],
        work: |c| {
            Box::pin(async { c.query_opt::<(i32,)>("select 1 where false", ()).await.map(drop) })
        },
    },
    Case {
        items: &["client Connection::query_each"],
        work: |c| Box::pin(async { c.query_each(ROWS, (), |_| Ok(())).await.map(drop) }),
    },
    Case {
        items: &["client Connection::query_rows"],
        work: |c| Box::pin(async { c.query_rows(ROWS, ()).await.map(drop) }),
    },
    Case {
        items: &["client Connection::execute"],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let failed = c.execute("select 1 / 0", ()).await;
                assert!(failed.is_err());
                c.execute("rollback", ()).await.map(drop)
            })
        },
    },
    Case {
        items: &["client Connection::run"],
        work: |c| {
            Box::pin(async {
                let none = Params::new();
                c.run("select 1", &none, |_| Ok(()), &mut |_| Ok(())).await.map(drop)
            })
        },
    },
    Case {
        items: &["client Connection::simple"],
        work: |c| Box::pin(async { c.simple("select 1; select 2").await.map(drop) }),
    },
    Case {
        items: &["client Connection::user_type"],
        work: |c| Box::pin(async { c.user_type(Oid(u32::MAX)).await.map(drop) }),
    },
    Case {
        items: &["client Connection::prepare"],
        work: |c| {
            Box::pin(async { c.prepare([("select $1 + 2", &[Oid::INT4][..]), (ROWS, &[])]).await })
        },
    },
    Case {
        items: &["client Connection::rows", "client Connection::ready"],
        work: |c| {
            Box::pin(async {
                c.begin_batch()?;
                let none = Params::new();
                let tickets = [c.submit(&ROWS, &none)?, c.submit(&"select 4", &none)?];
                c.sync()?;
                for ticket in tickets {
                    c.rows(ticket, |_| Ok(()), &mut |_| Ok(())).await?;
                }
                c.ready().await.map(drop)
            })
        },
    },
    Case {
        items: &["client Connection::drain"],
        work: |c| {
            Box::pin(async {
                let _ = poll_and_drop(3, c.query::<(i32, String)>(ROWS, ())).await;
                c.drain(Duration::from_secs(50)).await
            })
        },
    },
    Case {
        items: &["client Rows::next"],
        work: |c| {
            Box::pin(async {
                let mut rows = c.lend(ROWS, ())?;
                while rows.next::<(i32, &str)>().await?.is_some() {}
                Ok(())
            })
        },
    },
    Case {
        // The trait's function, which is no function of ours.
        items: &[],
        work: |c| {
            Box::pin(async {
                let mut rows = c.stream::<(i32, String)>(ROWS, ())?;
                while let Some(row) = poll_fn(|cx| Pin::new(&mut rows).poll_next(cx)).await {
                    row?;
                }
                Ok(())
            })
        },
    },
    Case {
        items: &["client Portal::fetch"],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let mut portal = c.portal(ROWS, ())?;
                while !portal.is_done() {
                    portal.fetch::<(i32, String)>(c, 2).await?;
                }
                portal.close(c)?;
                c.execute("commit", ()).await.map(drop)
            })
        },
    },
    Case {
        items: &[
            "client Answers::rows",
            "client Answers::one",
            "client Answers::opt",
            "client Answers::each",
            "client Answers::count",
            "client Answers::next",
            "client Answers::end",
        ],
        work: |c| {
            Box::pin(async {
                let mut batch = c.batch()?.limit(Duration::from_secs(50));
                batch.add(ROWS, ())?.sync()?;
                batch.add("select 1", ())?.add("select 2", ())?.sync()?;
                batch.add("select 1 / 0", ())?.sync()?;
                batch.add(ROWS, ())?.add("select 3", ())?.add("select 4", ())?;
                let mut answers = batch.send()?;
                answers.rows::<(i32, String)>().await?;
                answers.one::<(i32,)>().await?;
                answers.opt::<(i32,)>().await?;
                assert!(answers.count().await.is_err());
                answers.each(|_| Ok(())).await?;
                answers.next(|_| Ok(()), &mut |_| Ok(())).await?;
                answers.end().await
            })
        },
    },
    Case {
        items: &["client With::query"],
        work: |c| {
            Box::pin(async { c.with(options()).query::<(i32, String)>(ROWS, ()).await.map(drop) })
        },
    },
    Case {
        items: &["client With::query_one"],
        work: |c| {
            Box::pin(async {
                let planned = options().plan(Plan::Custom);
                c.with(planned).query_one::<(i32,)>("select $1 + 3", (1,)).await.map(drop)
            })
        },
    },
    Case {
        items: &["client With::query_opt"],
        work: |c| {
            Box::pin(async {
                let planned = QueryOptions::new().plan(Plan::Generic);
                c.with(planned).query_opt::<(i32,)>("select $1 + 3", (1,)).await.map(drop)
            })
        },
    },
    Case {
        items: &["client With::query_each"],
        work: |c| {
            Box::pin(async { c.with(options()).query_each(ROWS, (), |_| Ok(())).await.map(drop) })
        },
    },
    Case {
        items: &["client With::execute"],
        work: |c| Box::pin(async { c.with(options()).execute("select 1", ()).await.map(drop) }),
    },
    Case {
        items: &["client With::run"],
        work: |c| {
            Box::pin(async {
                let none = Params::new();
                c.with(options())
                    .run(&"select 1", &none, |_| Ok(()), &mut |_| Ok(()))
                    .await
                    .map(drop)
            })
        },
    },
    // Below is what `functions_without_a_connection_are_dropped_at_every_poll` drops.
    Case {
        items: &[
            "client Connection::connect",
            "client Connection::over",
            "client Connection::close",
            "client CancelHandle::cancel",
            "client CancelHandle::cancel_over",
        ],
        work: |_| Box::pin(async { Ok(()) }),
    },
];

/// The question that only one answer fits, on a connection where something was dropped.
async fn is_whole(connection: &mut Connection, question: i64) {
    // A transaction that was left open may have failed; whoever ends it finds the connection whole.
    let ended = connection.execute("rollback", ()).await;
    ended.unwrap();
    let (answer,): (i64,) = connection.query_one("select $1 + 0", (question,)).await.unwrap();
    assert_eq!(answer, question);
    assert!(connection.is_quiet());
    assert_eq!(connection.status(), TransactionStatus::Idle);
}

#[test]
fn every_call_is_dropped_at_every_poll() {
    let server = stellata_testkit::Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    run_within(Duration::from_secs(600), async {
        let config = Config::parse(&database.tcp_url()).unwrap();
        // In the short form not every one of the later polls, most of which wait for one more byte of a row.
        let every_one = std::env::var("STELLATA_LONG").is_ok();
        let mut question = 0;
        let mut drops = 0;
        for case in CASES {
            let mut polls = 0;
            loop {
                // Small, so that statements are prepared, known and let go by turns.
                let config = config.clone().with_statement_cache(1 + polls % 3);
                let stream = Reluctant::connect(&database).await;
                let is_slow = Arc::clone(&stream.is_slow);
                is_slow.store(false, Ordering::Relaxed);
                let mut connection = Connection::over(stream, &config).await.unwrap();
                if polls % 2 == 1 {
                    (case.work)(&mut connection).await.unwrap();
                }
                is_slow.store(true, Ordering::Relaxed);
                let ended = poll_and_drop(polls, (case.work)(&mut connection)).await;
                is_slow.store(polls % 5 == 0, Ordering::Relaxed);
                question += 1;
                is_whole(&mut connection, question).await;
                // And once more on the same connection: nothing of it is in the way.
                (case.work)(&mut connection).await.unwrap();
                drops += 1;
                if ended {
                    break;
                }
                polls += if every_one { 1 } else { 1 + polls / 10 };
            }
        }
        println!("{drops} drops of {} uses", CASES.len());
        assert!(drops > 500, "{drops}");
    });
}

#[test]
fn functions_without_a_connection_are_dropped_at_every_poll() {
    let server = stellata_testkit::Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    run_within(Duration::from_secs(120), async {
        let name = "dropped_all";
        let config =
            Config::parse(&database.tcp_url()).unwrap().with_setting("application_name", name);
        for polls in (0..600).step_by(7) {
            let stream = Reluctant::connect(&database).await;
            poll_and_drop(polls, Connection::over(stream, &config)).await;
        }
        for polls in 0..30 {
            poll_and_drop(polls, Connection::connect(&config)).await;
            let stream = Reluctant::connect(&database).await;
            let connection = Connection::over(stream, &config).await.unwrap();
            poll_and_drop(polls, connection.close()).await;

            let mut connection = Connection::connect(&config).await.unwrap();
            let handle = connection.cancel_handle();
            poll_and_drop(polls, handle.cancel()).await;
            poll_and_drop(polls, handle.cancel_over(Reluctant::connect(&database).await)).await;
            // What was dropped may still reach the server, as is written there; then all is as it was.
            let mut cancelled = 0;
            while let Err(error) = connection.execute("select pg_sleep(0.1)", ()).await {
                assert_eq!(error.kind(), ErrorKind::Server);
                assert_eq!(error.sqlstate(), Some(SqlState::QUERY_CANCELED));
                cancelled += 1;
                // Two were dropped, and a postmaster signals the session and its process group for each.
                assert!(cancelled <= 4, "{cancelled}");
            }
            handle.cancel().await.unwrap();
            is_whole(&mut connection, 1).await;
        }
        let gone = async {
            let sessions =
                format!("select pid from pg_stat_activity where application_name = '{name}'");
            while !database.run(&sessions).unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    });
}
