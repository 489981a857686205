//! What one borrower leaves, the next does not find.

use std::time::Duration;

use stellata_client::TransactionStatus;
use stellata_testkit::with_database;

use super::{eventually, pool};

#[test]
fn an_open_transaction_is_rolled_back_at_once() {
    with_database(async |database| {
        database.run("create table t (n int4)").unwrap();
        let pool = pool(database, 2);
        let mut connection = pool.acquire().await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        connection.execute("insert into t values (1)", ()).await.unwrap();
        connection.execute("lock table t", ()).await.unwrap();
        drop(connection);
        // Nobody borrows from the pool, and yet the lock goes.
        eventually("it is back", || pool.status().idle == 1).await;
        database.run("set lock_timeout = '5s'; lock table t").unwrap();
        let (count,): (i64,) =
            pool.acquire().await.unwrap().query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(count, 0);
    });
}

#[test]
fn the_next_borrower_sees_nothing_of_the_last() {
    with_database(async |database| {
        database.run("create table t (n int4)").unwrap();
        let pool = pool(database, 1);
        for sql in [
            "set work_mem = '5MB'",
            "create temp table left_over (n int4)",
            "create temp table left_over as select 1 as n",
            "select 1 as n into temp left_over",
            "select 1; create temp table left_over as select 1 as n; select 2",
            "explain analyze create temp table left_over as select 1 as n",
            "do $$ begin create temp table left_over (n int4); end $$",
            "prepare left_over as select 1; execute left_over",
            "begin; declare left_over cursor with hold for select 1; fetch left_over; commit",
            "begin; declare left_over cursor with hold for values (1); move left_over; commit",
            "listen left_over",
            "prepare left_over as select 1",
            "begin; declare left_over cursor for select 1",
            "declare left_over cursor with hold for select 1",
            "begin",
            "begin; lock table t",
            "begin; select 1/0",
            "begin; savepoint s; select 1/0",
            "copy t from stdin",
            "copy t to stdout",
            "set role pg_monitor",
            "set session characteristics as transaction read only",
        ] {
            let mut connection = pool.acquire().await.unwrap();
            let _ = connection.simple(sql).await;
            drop(connection);
            nothing_is_left(&pool, sql).await;
        }
        assert_eq!(pool.metrics().opened, 1, "it was the same connection all the time");
    });
}

/// What has the tag of a `select` and is none, in every way in which a statement is asked for.
#[test]
fn a_temporary_table_that_a_select_has_made_goes() {
    with_database(async |database| {
        let pool = pool(database, 1);
        for sql in [
            "create temp table left_over as select 1 as n",
            "select 1 as n into temp left_over",
            "with one as (select 1 as n) select n into temp left_over from one",
            "create temp table left_over as values (1)",
        ] {
            for way in 0..6 {
                let what = format!("{sql}, way {way}");
                let mut connection = pool.acquire().await.unwrap();
                match way {
                    0 => assert_eq!(connection.execute(sql, ()).await.unwrap(), 1),
                    1 => {
                        let mut batch = connection.batch().unwrap();
                        batch.add("select 1", ()).unwrap().add(sql, ()).unwrap();
                        batch.add("select 2", ()).unwrap();
                        batch.send().unwrap().end().await.unwrap();
                    }
                    // Given up when its first answer is there.
                    2 => {
                        let mut batch = connection.batch().unwrap();
                        batch.add("select 1", ()).unwrap().add(sql, ()).unwrap();
                        batch.send().unwrap().count().await.unwrap();
                    }
                    3 => {
                        let mut rows = connection.lend(sql, ()).unwrap();
                        assert!(rows.next::<(i32,)>().await.unwrap().is_none());
                    }
                    4 => {
                        connection.execute("begin", ()).await.unwrap();
                        let mut portal = connection.portal(sql, ()).unwrap();
                        portal.fetch::<(i32,)>(&mut connection, 0).await.unwrap();
                        connection.execute("commit", ()).await.unwrap();
                    }
                    _ => {
                        let running = connection.execute(sql, ());
                        let _ = tokio::time::timeout(Duration::from_micros(200), running).await;
                    }
                }
                if way < 4 {
                    assert!(!connection.is_quiet() || connection.is_changed(), "{what}");
                }
                drop(connection);
                nothing_is_left(&pool, &what).await;
            }
        }
        // It is run by its name, too.
        let mut connection = pool.acquire().await.unwrap();
        for _ in 0..2 {
            connection.mark_clean();
            let made = "create temp table left_over as select 1 as n";
            connection.execute(made, ()).await.unwrap();
            assert!(connection.is_changed());
            connection.execute("drop table left_over", ()).await.unwrap();
        }
        drop(connection);
        nothing_is_left(&pool, "twice").await;
        assert_eq!(pool.metrics().opened, 1);
    });
}

#[test]
fn reading_and_writing_leave_nothing_to_clean() {
    with_database(async |database| {
        database.run("create table t (n int4)").unwrap();
        let pool = pool(database, 1);
        let mut connection = pool.acquire().await.unwrap();
        for _ in 0..2 {
            for sql in [
                "select 1",
                "select 1 where false",
                "values (1)",
                "table t",
                "insert into t values (1)",
                "insert into t values (1) returning n",
                "with one as (select 1 as n) insert into t select n from one",
                "update t set n = 2",
                "delete from t",
                "select n from t for update",
                "begin",
                "commit",
                "",
            ] {
                connection.execute(sql, ()).await.unwrap();
                assert!(!connection.is_changed(), "{sql}");
                connection.simple(sql).await.unwrap();
                assert!(!connection.is_changed(), "{sql}, simple");
            }
            let mut batch = connection.batch().unwrap();
            batch.add("select 1 where false", ()).unwrap().add("select 2", ()).unwrap();
            batch.send().unwrap().end().await.unwrap();
            connection.simple("select 1 where false; select 2; select").await.unwrap();
            assert!(!connection.is_changed());
        }
    });
}

#[test]
fn a_lock_that_a_function_took_goes_when_the_borrower_says_so() {
    with_database(async |database| {
        let pool = pool(database, 1);
        let mut connection = pool.acquire().await.unwrap();
        connection.simple("select pg_advisory_lock(7)").await.unwrap();
        connection.mark_changed();
        drop(connection);
        nothing_is_left(&pool, "an advisory lock").await;
    });
}

async fn nothing_is_left(pool: &stellata_pool::Pool, after: &str) {
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(connection.status(), TransactionStatus::Idle, "{after}");
    let (work_mem, role, read_only, left, locks): (String, bool, String, i64, i64) = connection
        .query_one(
            "select current_setting('work_mem'), current_user = session_user,
                current_setting('default_transaction_read_only'),
                (select count(*) from pg_class where relname = 'left_over')
                + (select count(*) from pg_listening_channels())
                + (select count(*) from pg_prepared_statements where name = 'left_over')
                + (select count(*) from pg_cursors where name = 'left_over'),
                (select count(*) from pg_locks where pid = pg_backend_pid()
                    and (locktype = 'advisory' or relation = to_regclass('t')))",
            (),
        )
        .await
        .unwrap();
    assert_ne!(work_mem, "5MB", "{after}");
    assert!(role, "{after}");
    assert_eq!(read_only, "off", "{after}");
    assert_eq!((left, locks), (0, 0), "{after}");
}

#[test]
fn a_statement_that_nobody_waits_for_is_cancelled_and_its_connection_lent_again() {
    with_database(async |database| {
        let options = stellata_pool::PoolOptions::new()
            .max(1)
            .acquire_timeout(Duration::from_secs(25))
            .clean_timeout(Duration::from_secs(4));
        let pool = stellata_pool::Pool::new(super::config(database), options);
        let mut connection = pool.acquire().await.unwrap();
        let process = connection.process_id();
        let sleep = connection.execute("select pg_sleep(30)", ());
        assert!(tokio::time::timeout(Duration::from_millis(20), sleep).await.is_err());
        drop(connection);
        // Long before the statement would have ended.
        assert_eq!(pool.acquire().await.unwrap().process_id(), process);
        assert_eq!(pool.metrics().closed.unclean, 0);
    });
}

/// Sends a signal to a process of the server.
fn signal(name: &str, process: i32) {
    let sent = std::process::Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.unwrap().success(), "{name}");
}

#[test]
fn a_connection_that_cant_be_cleaned_in_time_is_replaced() {
    with_database(async |database| {
        let options = stellata_pool::PoolOptions::new()
            .max(1)
            .acquire_timeout(Duration::from_secs(25))
            .clean_timeout(Duration::from_millis(200));
        let pool = stellata_pool::Pool::new(super::config(database), options);
        let mut connection = pool.acquire().await.unwrap();
        let process = connection.process_id().unwrap();
        let sleep = connection.execute("select pg_sleep(60)", ());
        assert!(tokio::time::timeout(Duration::from_millis(20), sleep).await.is_err());
        let asleep = format!(
            "select 1 from pg_stat_activity where pid = {process} and wait_event = 'PgSleep'"
        );
        eventually("it sleeps", || !database.run(&asleep).unwrap().is_empty()).await;
        // A process that is halted hears of no cancellation.
        signal("-STOP", process);
        drop(connection);
        let other = pool.acquire().await.map(|lent| lent.process_id());
        let unclean = pool.metrics().closed.unclean;
        signal("-CONT", process);
        assert_ne!(other.unwrap(), Some(process));
        assert_eq!(unclean, 1);
    });
}

#[test]
fn a_dropped_query_does_not_follow_the_connection() {
    with_database(async |database| {
        let pool = pool(database, 1);
        for n in 0..50_i32 {
            let mut connection = pool.acquire().await.unwrap();
            let limit = Duration::from_micros(50 * u64::from(n.unsigned_abs()));
            let _ = tokio::time::timeout(
                limit,
                connection.query::<(i32,)>("select -1 from pg_sleep(0.002)", ()),
            )
            .await;
            drop(connection);
            let mut connection = pool.acquire().await.unwrap();
            let (m,): (i32,) = connection.query_one("select $1", (n,)).await.unwrap();
            assert_eq!(m, n);
        }
    });
}
