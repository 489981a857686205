//! What is asked on a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use stellata_client::{Connection, Error, ErrorKind, LargeObjectMode, LockMode, Oid, Params, Plan};
use stellata_testkit::with_database;
use tokio::time::{Instant, timeout};

use super::{LIMIT, Network, drop_at_once, given_up, options};
use crate::dropped::poll_and_drop;

type Asking<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'c>>;

/// A call, and what comes before the network falls silent.
type Call = for<'c> fn(&'c mut Connection, &'c Network) -> Asking<'c>;

/// Rows that are more than all buffers hold.
fn much() -> impl Iterator<Item = (i32, String)> {
    (0..400).map(|n| (n, "x".repeat(100_000)))
}

macro_rules! calls {
    ($($name:literal: |$c:ident, $net:ident| $body:block)*) => {
        [$(($name, (|$c, $net| Box::pin(async move $body)) as Call)),*]
    };
}

#[test]
fn on_a_silent_network_calls_with_a_limit_end_at_it() {
    let calls = calls! {
        "With::query": |c, net| {
            net.fall_silent();
            c.with(options()).query::<(i32,)>("select 1", ()).await.map(drop)
        }
        "With::query_one": |c, net| {
            net.fall_silent();
            c.with(options()).query_one::<(i32,)>("select 1", ()).await.map(drop)
        }
        "With::query_opt": |c, net| {
            net.fall_silent();
            let planned = options().plan(Plan::Generic);
            c.with(planned).query_opt::<(i32,)>("select 1", ()).await.map(drop)
        }
        "With::query_each": |c, net| {
            net.fall_silent();
            c.with(options()).query_each("select 1", (), |_| Ok(())).await.map(drop)
        }
        "With::execute": |c, net| {
            net.fall_silent();
            c.with(options()).execute("select 1", ()).await.map(drop)
        }
        "With::run": |c, net| {
            net.fall_silent();
            let none = Params::new();
            c.with(options()).run(&"select 1", &none, |_| Ok(()), &mut |_| Ok(())).await.map(drop)
        }
        "With::query_rows": |c, net| {
            net.fall_silent();
            c.with(options()).query_rows("select 1", ()).await.map(drop)
        }
        "With::execute with a plan": |c, net| {
            net.fall_silent();
            c.with(options().plan(Plan::Custom)).execute("select 1", ()).await.map(drop)
        }
        "With::execute, commit": |c, net| {
            net.fall_silent();
            let ended = c.with(options()).execute("commit", ()).await;
            match ended.unwrap_err() {
                lost if lost.kind() == ErrorKind::OutcomeUnknown => {
                    Err(Error::new(ErrorKind::Timeout, lost.to_string()))
                }
                other => panic!("{other:?}"),
            }
        }
        "LimitedRows::next": |c, net| {
            let mut rows = c.with(options()).lend("select n from generate_series(1, 1000000) n", ())?;
            rows.next::<(i32,)>().await?;
            net.fall_silent();
            let lost = loop {
                match rows.next::<(i32,)>().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("they end"),
                    Err(error) => break error,
                }
            };
            assert_eq!(rows.next::<(i32,)>().await.unwrap_err().kind(), ErrorKind::Usage);
            Err(lost)
        }
        "RowStream with a limit": |c, net| {
            let sql = "select n from generate_series(1, 1000000) n";
            let mut rows = c.with(options()).stream::<(i32,)>(sql, ())?;
            let mut next = async || poll_fn(|cx| Pin::new(&mut rows).poll_next(cx)).await;
            next().await.unwrap()?;
            net.fall_silent();
            let lost = loop {
                match next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error,
                    None => panic!("they end"),
                }
            };
            assert!(next().await.is_none());
            Err(lost)
        }
        "Answers": |c, net| {
            let mut batch = c.batch()?.limit(LIMIT);
            batch.add("select 1", ())?.sync()?.add("select 2", ())?;
            let mut answers = batch.send()?;
            answers.one::<(i32,)>().await?;
            // The limit counts from the first answer that was asked for; no time worth naming has gone by.
            net.fall_silent();
            while answers.remaining() > 0 {
                answers.count().await?;
            }
            // What has come before the silence was no more than the first answer, or all of it.
            tokio::time::sleep(LIMIT).await;
            Err(Error::new(ErrorKind::Timeout, "all had come"))
        }
        "drain": |c, net| {
            net.fall_silent();
            assert!(poll_and_drop(1, c.execute("select 1", ())).await.is_none());
            c.drain(LIMIT).await
        }
        "lock": |c, net| {
            net.fall_silent();
            c.lock(1, LockMode::Exclusive, LIMIT).await.map(drop)
        }
        "transaction_lock": |c, net| {
            c.execute("begin", ()).await?;
            net.fall_silent();
            c.transaction_lock(1, LockMode::Exclusive, LIMIT).await
        }
    };
    run_all(&calls);
    println!("{} calls of a connection ended at a limit of their own", calls.len());
}

#[test]
fn on_a_silent_network_calls_without_a_limit_are_given_up_at_will() {
    let calls = calls! {
        "query": |c, net| { net.fall_silent(); given_up(c.query::<(i32,)>("select 1", ())).await }
        "query_one": |c, net| {
            net.fall_silent();
            given_up(c.query_one::<(i32,)>("select 1", ())).await
        }
        "query_each": |c, net| {
            net.fall_silent();
            given_up(c.query_each("select 1", (), |_| Ok(()))).await
        }
        "query_rows": |c, net| { net.fall_silent(); given_up(c.query_rows("select 1", ())).await }
        "execute": |c, net| { net.fall_silent(); given_up(c.execute("commit", ())).await }
        "simple": |c, net| { net.fall_silent(); given_up(c.simple("select 1")).await }
        "prepare": |c, net| {
            net.fall_silent();
            given_up(c.prepare([("select $1 + 1", &[Oid::INT4][..])])).await
        }
        "user_type": |c, net| { net.fall_silent(); given_up(c.user_type(Oid(999_999_999))).await }
        "much that is asked": |c, net| {
            net.fall_silent();
            given_up(c.query::<(i32,)>("select length($1)", ("x".repeat(50_000_000),))).await
        }
        "Rows::next": |c, net| {
            let mut rows = c.lend("select n from generate_series(1, 1000000) n", ())?;
            rows.next::<(i32,)>().await?;
            net.fall_silent();
            given_up(async { while rows.next::<(i32,)>().await?.is_some() {} Ok(()) }).await
        }
        "Portal::fetch": |c, net| {
            c.execute("begin", ()).await?;
            let mut portal = c.portal("select n from generate_series(1, 9) n", ())?;
            portal.fetch::<(i32,)>(c, 3).await?;
            net.fall_silent();
            given_up(portal.fetch::<(i32,)>(c, 3)).await
        }
        "Answers without a limit": |c, net| {
            net.fall_silent();
            let mut batch = c.batch()?;
            batch.add("select 1", ())?;
            given_up(batch.send()?.end()).await
        }
        "CopyIn::rows": |c, net| {
            c.execute("create temp table t (n int4, s text)", ()).await?;
            net.fall_silent();
            given_up(c.copy_in("t", &[]).rows(much())).await
        }
        "CopyIn::rows, known columns": |c, net| {
            c.execute("create temp table t (n int4, s text)", ()).await?;
            c.copy_in("t", &[]).rows([(1, "one")]).await?;
            net.fall_silent();
            given_up(c.copy_in("t", &[]).rows(much())).await
        }
        "CopyIn::stream": |c, net| {
            c.execute("create temp table t (n int4, s text)", ()).await?;
            c.copy_in("t", &[]).rows([(1, "one")]).await?;
            net.fall_silent();
            let stream = |_: &mut std::task::Context<'_>| {
                std::task::Poll::<Option<(i32, String)>>::Pending
            };
            given_up(c.copy_in("t", &[]).stream(stream)).await
        }
        "CopyWriter": |c, net| {
            c.execute("create temp table t (n int4, s text)", ()).await?;
            let mut writer = c.copy_in("t", &[]).writer()?;
            writer.write(b"1\tone\n").await?;
            net.fall_silent();
            given_up(async {
                for (n, s) in much() {
                    writer.row([Some(n.to_string().as_str()), Some(s.as_str())]).await?;
                }
                writer.finish().await
            })
            .await
        }
        "CopyWriter::finish": |c, net| {
            c.execute("create temp table t (n int4, s text)", ()).await?;
            let mut writer = c.copy_in("t", &[]).writer()?;
            writer.write(b"1\tone\n").await?;
            net.fall_silent();
            given_up(writer.finish()).await
        }
        "CopyWriter::abort": |c, net| {
            c.execute("create temp table t (n int4, s text)", ()).await?;
            let mut writer = c.copy_in("t", &[]).writer()?;
            writer.write(b"1\tone\n").await?;
            net.fall_silent();
            given_up(writer.abort()).await
        }
        "CopyRows::next": |c, net| {
            let copy = c.copy_out_query("select n from generate_series(1, 1000000) n");
            let mut rows = copy.rows::<(i32,)>().await?;
            rows.next().await?;
            net.fall_silent();
            given_up(async { while rows.next().await?.is_some() {} Ok(()) }).await
        }
        "CopyOut::write_to": |c, net| {
            net.fall_silent();
            given_up(c.copy_out_query("select 1").write_to(Vec::new())).await
        }
        "CopyOut::reader": |c, net| {
            net.fall_silent();
            given_up(c.copy_out_query("select 1").reader()).await
        }
        "LargeObject::read": |c, net| {
            c.execute("begin", ()).await?;
            let oid = c.create_large_object().await?;
            let mut object = c.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
            net.fall_silent();
            given_up(object.read(&mut [0; 9])).await
        }
        "LargeObject::write": |c, net| {
            c.execute("begin", ()).await?;
            let oid = c.create_large_object().await?;
            let mut object = c.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
            net.fall_silent();
            given_up(object.write_all(&vec![7; 20_000_000])).await
        }
        "try_lock": |c, net| {
            net.fall_silent();
            given_up(c.try_lock(1, LockMode::Shared)).await
        }
        "AdvisoryLock::release": |c, net| {
            let lock = c.try_lock(1, LockMode::Shared).await?.unwrap();
            net.fall_silent();
            given_up(lock.release()).await
        }
        "notify": |c, net| { net.fall_silent(); given_up(c.notify("c", "p")).await }
        "notification": |c, net| {
            c.simple("listen c").await?;
            net.fall_silent();
            given_up(c.notification()).await
        }
        "idle": |c, net| { net.fall_silent(); given_up(c.idle()).await }
        "a cancellation that is waited for": |c, net| {
            net.fall_silent();
            let short = Duration::from_millis(10);
            let ran = c.with_limit(short).execute("select 1", ()).await;
            assert_eq!(ran.unwrap_err().kind(), ErrorKind::Timeout);
            let left = LIMIT - net.silent_for();
            let waited = timeout(left, c.simple("select 2")).await;
            assert!(waited.is_err(), "what is cancelled is not known to have ended");
            Err(Error::new(ErrorKind::Timeout, "given up"))
        }
    };
    run_all(&calls);
    println!("{} calls without a limit were given up by their caller", calls.len());
}

fn run_all(calls: &[(&str, Call)]) {
    with_database(async |database| {
        for (name, call) in calls {
            let network = Network::to(database);
            let config = network.config(database);
            let mut connection = Connection::connect(&config).await.unwrap();
            let error = call(&mut connection, &network).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{name}: {error:?}");
            network.took(LIMIT, name);
            // What is still owed is waited for no longer than is said, and the connection is closed then.
            if !connection.is_quiet() && !connection.is_closed() {
                let start = Instant::now();
                connection.drain(LIMIT).await.unwrap_err();
                let took = start.elapsed();
                assert!(took <= LIMIT + Duration::from_millis(2), "{name}: draining took {took:?}");
                assert!(connection.is_closed(), "{name}");
            }
            drop_at_once(connection, name);
            network.recover();
        }
    });
}
