//! Transactions and savepoints.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use stellata::prelude::*;
use stellata::{Config, Error, ErrorKind, PoolOptions};
use stellata_testkit::{Database, with_database};

use super::models::*;

async fn add(name: &str, on: &impl Executor) -> Result<Label, Error> {
    new!(Label { name }).insert(on).await
}

async fn names(on: &impl Executor) -> Vec<String> {
    Label::query().order_by(|l| l.id).all(on).await.unwrap().into_iter().map(|l| l.name).collect()
}

async fn narrow(database: &Database) -> Db {
    let db = empty(database).await;
    let config = Config::parse(&database.url()).unwrap();
    drop(db);
    Db::connect_with(config, PoolOptions::new().max(1)).await.unwrap()
}

#[test]
fn what_is_done_holds_and_what_fails_does_not() {
    with_database(async |database| {
        let db = narrow(database).await;
        let label = db.transaction(async |tx| add("kept", tx).await).await.unwrap();
        assert_eq!(label.name, "kept");
        let error = db
            .transaction(async |tx| {
                add("undone", tx).await?;
                assert_eq!(names(tx).await, ["kept", "undone"]);
                Err::<(), _>(Label::get(-1, tx).await.unwrap_err())
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(names(&db).await, ["kept"]);
        db.transaction(async |_| Ok::<_, Error>(())).await.unwrap();
    });
}

#[test]
fn a_failed_statement_that_is_passed_over_is_told_at_commit() {
    with_database(async |database| {
        let db = narrow(database).await;
        let error = db
            .transaction(async |tx| {
                add("x", tx).await?;
                let twice = new!(Artist { name: "a", label_id: -5 }).insert(tx).await;
                assert_eq!(twice.unwrap_err().kind(), ErrorKind::ForeignKey);
                assert_eq!(add("y", tx).await.unwrap_err().kind(), ErrorKind::Transaction);
                Ok::<_, Error>(())
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RolledBack);
        assert!(names(&db).await.is_empty());
    });
}

#[test]
fn a_savepoint_fails_alone() {
    with_database(async |database| {
        let db = narrow(database).await;
        db.transaction(async |tx| {
            add("a", tx).await?;
            let inner = tx
                .transaction(async |sp| {
                    add("b", sp).await?;
                    let deeper = sp
                        .transaction(async |deep| {
                            add("c", deep).await?;
                            Artist::get(-1, deep).await
                        })
                        .await;
                    assert_eq!(deeper.unwrap_err().kind(), ErrorKind::NotFound);
                    let failed = new!(Artist { name: "a", label_id: -5 }).insert(sp).await;
                    failed.map(drop)
                })
                .await;
            assert_eq!(inner.unwrap_err().kind(), ErrorKind::ForeignKey);
            add("d", tx).await?;
            tx.transaction(async |sp| add("e", sp).await).await?;
            tx.transaction(async |_| Ok::<_, Error>(())).await?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(names(&db).await, ["a", "d", "e"]);
    });
}

#[test]
fn a_failed_savepoint_may_be_the_last_thing_before_commit() {
    with_database(async |database| {
        let db = narrow(database).await;
        db.transaction(async |tx| {
            add("a", tx).await?;
            let inner = tx
                .transaction(async |sp| {
                    add("b", sp).await?;
                    new!(Artist { name: "a", label_id: -5 }).insert(sp).await
                })
                .await;
            assert!(inner.is_err());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
        assert_eq!(names(&db).await, ["a"]);
    });
}

#[test]
fn the_outer_transaction_is_closed_while_an_inner_is_open() {
    with_database(async |database| {
        let db = narrow(database).await;
        db.transaction(async |tx| {
            tx.transaction(async |_| {
                let error = add("x", tx).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Transaction);
                let second = tx.transaction(async |_| Ok::<_, Error>(())).await;
                assert_eq!(second.unwrap_err().kind(), ErrorKind::Transaction);
                Ok::<_, Error>(())
            })
            .await?;
            add("y", tx).await
        })
        .await
        .unwrap();
        assert_eq!(names(&db).await, ["y"]);
    });
}

#[test]
fn a_dropped_transaction_leaves_nothing() {
    with_database(async |database| {
        let db = narrow(database).await;
        let endless = db.transaction(async |tx| {
            add("x", tx).await?;
            std::future::pending::<Result<(), Error>>().await
        });
        assert!(tokio::time::timeout(Duration::from_millis(300), endless).await.is_err());
        // The only connection comes back clean.
        assert!(names(&db).await.is_empty());
        db.transaction(async |tx| {
            add("a", tx).await?;
            let endless = tx.transaction(async |sp| {
                add("b", sp).await?;
                std::future::pending::<Result<(), Error>>().await
            });
            assert!(tokio::time::timeout(Duration::from_millis(300), endless).await.is_err());
            add("c", tx).await
        })
        .await
        .unwrap();
        assert_eq!(names(&db).await, ["a", "c"]);
    });
}

#[test]
fn a_transaction_dropped_at_any_poll_leaves_a_clean_pool() {
    with_database(async |database| {
        let db = narrow(database).await;
        let mut finished = false;
        for polls in 0..200 {
            let mut polled = 0;
            let mut work = Box::pin(db.transaction(async |tx| {
                add("a", tx).await?;
                tx.transaction(async |sp| add("b", sp).await).await?;
                add("c", tx).await
            }));
            let done = std::future::poll_fn(|context| {
                polled += 1;
                match work.as_mut().poll(context) {
                    std::task::Poll::Pending if polled <= polls => std::task::Poll::Pending,
                    poll => std::task::Poll::Ready(poll.is_ready()),
                }
            })
            .await;
            drop(work);
            let count = names(&db).await.len();
            assert!(count == 0 || count == 3, "{count} rows after {polls} polls");
            Label::query().delete().all_rows().exec(&db).await.unwrap();
            if done {
                finished = true;
                break;
            }
        }
        assert!(finished);
    });
}

#[test]
fn a_panic_rolls_back() {
    with_database(async |database| {
        let db = narrow(database).await;
        let task = tokio::spawn({
            let db = db.clone();
            AssertUnwindSafe(async move {
                db.transaction(async |tx| {
                    add("x", tx).await?;
                    if names(tx).await.len() == 1 {
                        std::panic::resume_unwind(Box::new("as planned"));
                    }
                    Ok::<_, Error>(())
                })
                .await
            })
            .0
        });
        assert!(task.await.unwrap_err().is_panic());
        assert!(names(&db).await.is_empty());
    });
}

#[test]
fn statements_side_by_side_in_a_transaction_wait_for_each_other() {
    with_database(async |database| {
        let db = narrow(database).await;
        let spawned = tokio::spawn(async move {
            db.transaction(async |tx| {
                let (a, b, c) = tokio::join!(add("a", tx), add("b", tx), add("c", tx));
                a.and(b).and(c).map(drop)
            })
            .await?;
            Ok::<_, Error>(names(&db).await.len())
        });
        assert_eq!(spawned.await.unwrap().unwrap(), 3);
    });
}
