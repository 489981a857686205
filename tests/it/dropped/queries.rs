//! Statements, batches, portals.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use stellata_client::{Oid, Params, Plan, QueryOptions, Settings};

use super::{Case, Subject, poll_and_drop};

const ROWS: &str = "select n, repeat('x', n) from generate_series(1, 3) n";

fn options() -> QueryOptions {
    QueryOptions::new().limit(Duration::from_secs(50))
}

pub(super) const SUBJECT: Subject = Subject { cases: CASES, always: &[] };

const CASES: &[Case] = &[
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
        items: &["client Connection::settle"],
        work: |c| {
            Box::pin(async {
                poll_and_drop(1, c.query::<(i32, String)>(ROWS, ())).await;
                c.settle().await?;
                assert!(c.is_quiet());
                Ok(())
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
                let settings = Settings::new().set("app.user", "anna");
                let planned = options().plan(Plan::Custom).settings(settings);
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
        items: &["client With::query_rows"],
        work: |c| Box::pin(async { c.with(options()).query_rows(ROWS, ()).await.map(drop) }),
    },
    Case {
        items: &["client LimitedRows::next"],
        work: |c| {
            Box::pin(async {
                let mut rows = c.with(options()).lend(ROWS, ())?;
                while rows.next::<(i32, &str)>().await?.is_some() {}
                Ok(())
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
];
