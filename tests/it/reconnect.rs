//! Connections that are used without a pool for long.

use std::time::{Duration, Instant};

use stellata_client::{Backoff, Config, Connection, ErrorKind, Reconnecting};
use stellata_testkit::{
    Cut, Direction, Ending, Proxy, Server, ServerOptions, Shutdown, run, with_database,
};

use crate::dropped::poll_and_drop;

const KILL: &str = "select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()";

fn quick() -> Backoff {
    Backoff::new()
        .with_first(Duration::from_millis(5))
        .with_longest(Duration::from_millis(50))
        .with_patience(Some(Duration::from_secs(20)))
}

#[test]
fn the_end_of_a_session_is_noticed_while_it_is_idle() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        connection.simple("select 1").await.unwrap();
        let idle = tokio::time::timeout(Duration::from_millis(50), connection.idle()).await;
        assert!(idle.is_err(), "nothing came");
        connection.check().unwrap();
        let killed = async {
            database.run(KILL).unwrap();
        };
        let (ended, ()) = tokio::join!(connection.idle(), killed);
        let error = ended.unwrap_err();
        assert!(error.is_fatal());
        assert_eq!(error.sqlstate().unwrap().as_str(), "57P01");
        assert!(connection.is_closed());

        // A call that was given up is no hindrance.
        let mut connection = Connection::connect(&config).await.unwrap();
        let given_up = connection.query::<(i32,)>("select 1 from pg_sleep(0.1)", ());
        assert!(poll_and_drop(1, given_up).await.is_none());
        database.run("select pg_sleep(0.2)").unwrap();
        database.run(KILL).unwrap();
        assert!(connection.idle().await.unwrap_err().is_fatal());
    });
}

#[test]
fn notices_wait_to_be_taken() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        connection.simple("do $$ begin raise notice 'look'; end $$").await.unwrap();
        connection.idle().await.unwrap();
        // A goodbye behind them is seen all the same.
        database.run(KILL).unwrap();
        let mut checked = connection.check();
        let start = Instant::now();
        while checked.is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10), "the goodbye was not seen");
            tokio::time::sleep(Duration::from_millis(1)).await;
            checked = connection.check();
        }
        assert_eq!(checked.unwrap_err().sqlstate().unwrap().as_str(), "57P01");
        assert_eq!(connection.pop_notice().unwrap().message, "look".into());
    });
}

#[test]
fn a_lost_connection_is_replaced_and_its_end_is_known() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut lasting = Reconnecting::with_backoff(&config, quick());
        assert!(lasting.current().is_none());
        let first = lasting.get().await.unwrap().process_id();
        assert_eq!(lasting.get().await.unwrap().process_id(), first);
        assert_eq!((lasting.sessions(), lasting.loss().is_none()), (1, true));
        for sessions in 2..5 {
            database.run(KILL).unwrap();
            while lasting.current().is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let loss = lasting.loss().unwrap();
            assert_eq!(loss.sqlstate().unwrap().as_str(), "57P01");
            let connection = lasting.get().await.unwrap();
            assert_ne!(connection.process_id(), first);
            let (one,): (i32,) = connection.query_one("select 1", ()).await.unwrap();
            assert_eq!((one, lasting.sessions()), (1, sessions));
        }
    });
}

#[test]
fn a_statement_is_never_run_twice() {
    with_database(async |database| {
        database.run("create table done (n int)").unwrap();
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut lasting = Reconnecting::with_backoff(&config, quick());
        let (mut failed, mut ran) = (0, 0);
        for n in 0..40_i32 {
            let connection = lasting.get().await.unwrap();
            if n % 4 == 0 {
                // However fast the machine is, its answer does not come.
                proxy.cut(Cut::new(Direction::ToClient, 1, Ending::Reset));
            }
            let insert = connection.execute("insert into done values ($1)", (n,));
            let cut = async {
                if n % 4 == 2 {
                    tokio::time::sleep(Duration::from_micros(n as u64 * 40)).await;
                    proxy.sever(Ending::Reset);
                }
            };
            match tokio::join!(insert, cut).0 {
                Ok(_) => ran += 1,
                Err(error) => {
                    assert!(error.is_fatal(), "{error:?}");
                    failed += 1;
                }
            }
        }
        assert!(failed >= 10 && ran >= 20, "{failed} failed, {ran} ran");
        let twice = database.run("select n from done group by n having count(*) > 1").unwrap();
        assert!(twice.is_empty(), "{twice:?}");
    });
}

#[test]
fn a_refusal_is_told_at_once_and_an_absent_server_after_patience() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap().with_database("there_is_none");
        let mut lasting = Reconnecting::new(&config);
        let error = lasting.get().await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "3D000");
        let nowhere = Config::new("127.0.0.1", "me").with_port(1);
        let backoff = quick().with_patience(Some(Duration::from_millis(200)));
        let mut lasting = Reconnecting::with_backoff(&nowhere, backoff);
        let start = Instant::now();
        let error = lasting.get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(start.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let server = Server::start(ServerOptions::new()).unwrap();
    run(async {
        let config = Config::parse(&server.url("postgres")).unwrap();
        let mut lasting = Reconnecting::with_backoff(&config, quick());
        for how in [Shutdown::Fast, Shutdown::Immediate, Shutdown::Kill] {
            lasting.get().await.unwrap();
            server.restart(how).unwrap();
            let connection = lasting.get().await.unwrap();
            let answer = connection.query_one::<(i32,)>("select 1", ()).await;
            // What has not been noticed yet is told by the statement, and not hidden by running it again.
            if answer.is_err() {
                let connection = lasting.get().await.unwrap();
                assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
            }
        }
    });
}
