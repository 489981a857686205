//! Cancelling what runs: by a handle, by a time limit, by dropping; and that no cancellation hits another statement.

use std::net::Ipv4Addr;
use std::time::Duration;

use stellata_client::{
    Config, Connection, Error, ErrorKind, Plan, ProtocolVersion, QueryOptions, SqlState,
    TransactionStatus,
};
use stellata_testkit::{Database, Ending, Proxy, skip, with_database};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

fn is_cancelled(error: &Error) -> bool {
    error.sqlstate() == Some(SqlState::QUERY_CANCELED)
}

async fn one(connection: &mut Connection, n: i64) {
    assert_eq!(connection.query_one::<(i64,)>("select $1 + 0", (n,)).await.unwrap(), (n,));
}

fn through(database: &Database, port: u16) -> Config {
    Config::parse(&database.tcp_url()).unwrap().with_port(port)
}

#[test]
fn a_handle_cancels_from_another_task() {
    with_database(async |database| {
        for url in [database.url(), database.tcp_url()] {
            let mut connection = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap();
            let handle = connection.cancel_handle();
            let other = handle.clone();
            let cancelling = tokio::spawn(async move {
                sleep(Duration::from_millis(20)).await;
                other.cancel().await
            });
            let error = connection.execute("select pg_sleep(60)", ()).await.unwrap_err();
            assert!(is_cancelled(&error), "{error}");
            cancelling.await.unwrap().unwrap();
            one(&mut connection, 1).await;
            // With nothing to cancel it is no harm.
            handle.cancel().await.unwrap();
            one(&mut connection, 2).await;
            let shown = format!("{handle:?}");
            assert!(shown.contains(&connection.process_id().unwrap().to_string()), "{shown}");
            connection.close().await;
            handle.cancel().await.unwrap();
        }
    });
}

#[test]
fn a_session_over_a_given_stream_is_cancelled_over_another() {
    with_database(async |database| {
        let address = (Ipv4Addr::LOCALHOST, database.tcp().port());
        let config = Config::parse(&database.tcp_url()).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut connection = Connection::over(stream, &config).await.unwrap();
        let handle = connection.cancel_handle();
        assert_eq!(handle.cancel().await.unwrap_err().kind(), ErrorKind::Usage);
        let cancelling = async {
            sleep(Duration::from_millis(20)).await;
            handle.cancel_over(TcpStream::connect(address).await.unwrap()).await
        };
        let (ran, cancelled) =
            tokio::join!(connection.execute("select pg_sleep(60)", ()), cancelling);
        assert!(is_cancelled(&ran.unwrap_err()));
        cancelled.unwrap();
        one(&mut connection, 3).await;
    });
}

#[test]
fn the_longer_keys_of_protocol_3_2_cancel_too() {
    with_database(async |database| {
        if database.version() < 18 {
            skip("servers before 18 speak protocol 3.0 alone");
            return;
        }
        let config = Config::parse(&database.url())
            .unwrap()
            .with_protocol_versions(ProtocolVersion::V3_0, ProtocolVersion::V3_2);
        let mut connection = Connection::connect(&config).await.unwrap();
        let limit = Duration::from_millis(20);
        let error =
            connection.with_limit(limit).execute("select pg_sleep(60)", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("was cancelled"), "{error}");
        one(&mut connection, 1).await;
    });
}

#[test]
fn a_statement_ends_at_its_limit_and_the_connection_goes_on() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let limit = Duration::from_millis(30);
        let error = connection
            .with_limit(limit)
            .query::<(i32,)>("select 1 from pg_sleep(60)", ())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "the statement took longer than 30ms, and was cancelled");
        assert_eq!(error.sql(), Some("select 1 from pg_sleep(60)"));
        assert!(!error.is_fatal());
        one(&mut connection, 1).await;
        assert!(connection.is_quiet());
        let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(60)%' \
                       and pid <> pg_backend_pid()";
        assert_eq!(connection.query_one::<(i64,)>(running, ()).await.unwrap(), (0,));

        // What is done in time is not disturbed, with all verbs.
        let mut with = connection.with_limit(Duration::from_secs(30));
        assert_eq!(with.query::<(i32,)>("values (1), (2)", ()).await.unwrap(), [(1,), (2,)]);
        assert_eq!(with.query_opt::<(i32,)>("select 1 where false", ()).await.unwrap(), None);
        assert_eq!(with.execute("select 1", ()).await.unwrap(), 1);
        assert_eq!(with.query_each("values (1), (2)", (), |_| Ok(())).await.unwrap(), 2);
        let error = with.query_one::<(i32,)>("select 1/0", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::from_text("22012"));

        // Inside a transaction the limit fails the transaction, as any error does.
        connection.execute("begin", ()).await.unwrap();
        let error =
            connection.with_limit(limit).execute("select pg_sleep(60)", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(connection.status(), TransactionStatus::Failed);
        connection.execute("rollback", ()).await.unwrap();
        one(&mut connection, 2).await;
    });
}

#[test]
fn while_a_cancellation_is_under_way_no_statement_is_sent() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, proxy.port())).await.unwrap();
        for held_up in 0..4 {
            // Everything is held up for longer than a call waits for its cancellation.
            proxy.set_delay(Duration::from_millis(150), Duration::ZERO);
            let limit = Duration::from_millis(20);
            let error =
                connection.with_limit(limit).execute("select pg_sleep(60)", ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert!(error.to_string().contains("not known"), "{error}");
            assert!(!connection.is_quiet());
            assert_eq!(connection.batch().unwrap_err().kind(), ErrorKind::Usage);
            // Whatever waits, waits for its end.
            match held_up {
                0 => one(&mut connection, 1).await,
                1 => drop(connection.simple("select 1").await.unwrap()),
                2 => drop(connection.query_rows("select 1", ()).await.unwrap()),
                _ => connection.drain(Duration::from_secs(20)).await.unwrap(),
            }
            proxy.set_delay(Duration::ZERO, Duration::ZERO);
            assert!(connection.is_quiet());
            one(&mut connection, 2).await;
        }
    });
}

#[test]
fn draining_cancels_what_does_not_end() {
    with_database(async |database| {
        let mut connection = connect(database).await;
        let sleeping = connection.execute("select pg_sleep(60)", ());
        assert!(tokio::time::timeout(Duration::from_millis(10), sleeping).await.is_err());
        connection.drain(Duration::from_secs(1)).await.unwrap();
        assert!(connection.is_quiet());
        assert_eq!(connection.status(), TransactionStatus::Idle);
        one(&mut connection, 1).await;

        // Rows without end are read away until the cancellation comes.
        let endless =
            connection.query::<(i32,)>("select n from generate_series(1, 2000000000) n", ());
        assert!(tokio::time::timeout(Duration::from_millis(10), endless).await.is_err());
        connection.drain(Duration::from_millis(400)).await.unwrap();
        one(&mut connection, 2).await;
    });
}

#[test]
fn on_a_silent_network_every_call_ends_at_its_limit() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        for silenced in 0..3 {
            let mut connection =
                Connection::connect(&through(database, proxy.port())).await.unwrap();
            one(&mut connection, 0).await;
            match silenced {
                // The session alone is cut off; the server can still be told to cancel.
                0 => proxy.sever(Ending::Silence),
                // Nothing passes at all.
                _ => proxy.pause(),
            }
            // Time stands still but for what is waited for, so that the limits are exact.
            tokio::time::pause();
            let limit = Duration::from_millis(200);
            let grace = Duration::from_millis(51);
            let start = Instant::now();
            let options = QueryOptions::new().limit(limit);
            let error = match silenced {
                0 => connection.with(options).query::<(i32,)>("select 1", ()).await.unwrap_err(),
                1 => connection.with(options).execute("select 2", ()).await.unwrap_err(),
                _ => {
                    let options = options.plan(Plan::Custom);
                    connection.with(options).query_one::<(i32,)>("select 3", ()).await.unwrap_err()
                }
            };
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            let took = start.elapsed();
            assert!(took >= limit && took <= limit + grace, "{took:?}");
            let start = Instant::now();
            let drained = connection.drain(limit).await.unwrap_err();
            let took = start.elapsed();
            assert!(took <= limit + Duration::from_millis(1), "{took:?}: {drained}");
            assert!(connection.is_closed());
            tokio::time::resume();
            let start = std::time::Instant::now();
            drop(connection);
            assert!(start.elapsed() < Duration::from_millis(500), "dropping waits for nothing");
            proxy.resume();
        }
    });
}

#[test]
fn plans_are_made_as_asked_in_one_trip() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut connection = Connection::connect(&through(database, proxy.port())).await.unwrap();
        connection
            .simple(
                "create table t (n int4 not null); insert into t select 1 from generate_series(1, 20000);
                 insert into t values (2); create index on t (n); analyze t",
            )
            .await
            .unwrap();
        // What the server says of the plans that it has made for the statement.
        let plans =
            "select custom_plans, generic_plans from pg_prepared_statements where statement = $1";
        let sql = "select count(*) from t where n = $1";
        for (plan, want) in
            [(Plan::Generic, (0, 3)), (Plan::Custom, (3, 3)), (Plan::Session, (4, 3))]
        {
            let rounds = if plan == Plan::Session { 1 } else { 3 };
            for _ in 0..rounds {
                proxy.reset_counts();
                let options = QueryOptions::new().plan(plan);
                let (count,): (i64,) =
                    connection.with(options).query_one(sql, (2_i32,)).await.unwrap();
                assert_eq!(count, 1);
                assert_eq!(proxy.flights().len(), 1);
            }
            let made: (i64, i64) = connection.query_one(plans, (sql,)).await.unwrap();
            assert_eq!(made, want, "{plan:?}");
        }
        // The setting is gone again, outside of a transaction and within.
        let mode = "select current_setting('plan_cache_mode')";
        assert_eq!(connection.query_one::<(String,)>(mode, ()).await.unwrap().0, "auto");
        connection.execute("begin", ()).await.unwrap();
        connection.execute("set local plan_cache_mode = force_generic_plan", ()).await.unwrap();
        let custom = QueryOptions::new().plan(Plan::Custom);
        let (during,): (String,) = connection.with(custom).query_one(mode, ()).await.unwrap();
        assert_eq!(during, "force_custom_plan");
        assert_eq!(
            connection.query_one::<(String,)>(mode, ()).await.unwrap().0,
            "force_generic_plan"
        );
        connection.execute("rollback", ()).await.unwrap();
    });
}
