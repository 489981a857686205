//! Settings of the server for one statement of a connection.

use std::time::Duration;

use stellata_client::{
    Config, Connection, ErrorKind, Plan, QueryOptions, Settings, TransactionStatus,
};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{
    Bouncer, BouncerOptions, Database, Proxy, Server, run_within, skip, with_database,
};

use crate::dropped::poll_and_drop;

/// What a statement sees.
const SEEN: &str = "select current_setting('work_mem'), current_setting('app.user', true)";

fn options() -> QueryOptions {
    QueryOptions::new().settings(Settings::new().set("work_mem", "7MB").set("app.user", "anna"))
}

async fn seen(connection: &mut Connection) -> (String, Option<String>) {
    connection.query_one(SEEN, ()).await.unwrap()
}

/// Of a setting of one's own nothing is left but that it is known.
fn is_as_before((work_mem, user): (String, Option<String>), wanted: &str) -> bool {
    work_mem == wanted && user.unwrap_or_default().is_empty()
}

#[test]
fn settings_ride_along_with_their_statement_and_leave_nothing() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let (before, _) = seen(&mut connection).await;
        for round in 0..3 {
            proxy.reset_counts();
            let during: (String, String) =
                connection.with(options()).query_one(SEEN, ()).await.unwrap();
            assert_eq!(during, ("7MB".into(), "anna".into()));
            assert_eq!(proxy.counts().round_trips, 1, "round {round}: {:?}", proxy.flights());
            assert_eq!(proxy.counts().writes_to_server, 1, "round {round}");
            assert_eq!(connection.status(), TransactionStatus::Idle);
            assert!(is_as_before(seen(&mut connection).await, &before));
        }
        assert!(!connection.is_changed(), "there is nothing to clean");
        // A statement that fails leaves as little.
        let failed = connection.with(options()).execute("select 1 / 0", ()).await.unwrap_err();
        assert_eq!(failed.sqlstate().unwrap().as_str(), "22012");
        assert!(is_as_before(seen(&mut connection).await, &before));
        // The other kinds of calls, and the planner's mode and a limit with them.
        let all = options().plan(Plan::Custom).limit(Duration::from_secs(50));
        let mode = "select current_setting('plan_cache_mode'), current_setting('work_mem')";
        let rows: Vec<(String, String)> =
            connection.with(all.clone()).query(mode, ()).await.unwrap();
        assert_eq!(rows, [("force_custom_plan".into(), "7MB".into())]);
        let mut each = Vec::new();
        let mut with = connection.with(all);
        with.query_each(mode, (), |columns| {
            each.push((columns.next::<String>()?, columns.next::<String>()?));
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(each, rows);
        assert!(with.query_opt::<(i32,)>("select 1 where false", ()).await.unwrap().is_none());
    });
}

#[test]
fn in_a_transaction_the_next_statement_sees_what_was_before() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let (before, _) = seen(&mut connection).await;
        connection.execute("begin", ()).await.unwrap();
        connection.execute("set local work_mem = '3MB'", ()).await.unwrap();
        connection.execute("set local app.\"user\" = 'berta'", ()).await.unwrap();
        for _ in 0..2 {
            proxy.reset_counts();
            let during: (String, String) =
                connection.with(options()).query_one(SEEN, ()).await.unwrap();
            assert_eq!(during, ("7MB".into(), "anna".into()));
            assert_eq!(proxy.counts().round_trips, 1, "{:?}", proxy.flights());
            assert_eq!(seen(&mut connection).await, ("3MB".into(), Some("berta".into())));
        }
        // After an error, by the rollback that has to come.
        connection.execute("savepoint s", ()).await.unwrap();
        connection.with(options()).execute("select 1 / 0", ()).await.unwrap_err();
        connection.execute("rollback to savepoint s", ()).await.unwrap();
        assert_eq!(seen(&mut connection).await, ("3MB".into(), Some("berta".into())));
        let refused = QueryOptions::new().settings(Settings::new().set("work_mem", "much"));
        connection.with(refused).execute("select 1", ()).await.unwrap_err();
        connection.execute("rollback to savepoint s", ()).await.unwrap();
        // A future that is dropped while its statement runs.
        for polls in 1..4 {
            let mut with = connection.with(options());
            let asked = with.query_one::<(String, String)>(SEEN, ());
            poll_and_drop(polls, asked).await;
            assert_eq!(seen(&mut connection).await, ("3MB".into(), Some("berta".into())));
        }
        connection.execute("commit", ()).await.unwrap();
        assert!(is_as_before(seen(&mut connection).await, &before));
        // What a dropped future has begun is a transaction, though nobody has read so.
        let begun = connection.execute("begin", ());
        assert!(poll_and_drop(1, begun).await.is_none());
        let during: (String, String) =
            connection.with(options()).query_one(SEEN, ()).await.unwrap();
        assert_eq!(during, ("7MB".into(), "anna".into()));
        assert_eq!(connection.status(), TransactionStatus::InTransaction);
        assert!(is_as_before(seen(&mut connection).await, &before));
    });
}

#[test]
fn limits_of_the_server_hold_for_the_one_statement() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let mut holder = database.session().unwrap();
        holder.run("create table t (n int); insert into t values (1)").unwrap();
        holder.run("begin; lock table t in access exclusive mode").unwrap();
        let short = Duration::from_millis(30);
        for is_open in [false, true] {
            if is_open {
                connection.execute("begin", ()).await.unwrap();
            }
            let limit = QueryOptions::new().settings(Settings::new().statement_timeout(short));
            let error =
                connection.with(limit).execute("select pg_sleep(60)", ()).await.unwrap_err();
            assert_eq!(error.sqlstate().unwrap().as_str(), "57014", "{error}");
            if is_open {
                connection.execute("rollback", ()).await.unwrap();
            }
            connection.execute("select pg_sleep(0.1)", ()).await.unwrap();
            let limit = QueryOptions::new().settings(Settings::new().lock_timeout(short));
            let error = connection.with(limit).execute("select n from t", ()).await.unwrap_err();
            assert_eq!(error.sqlstate().unwrap().as_str(), "55P03", "{error}");
        }
    });
}

#[test]
fn a_setting_that_is_refused_is_named_and_nothing_is_done() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let cases = [
            ("no_such_setting", "1", "42704"),
            ("work_mem", "much", "22023"),
            ("statement_timeout", "-5", "22023"),
            ("max_connections", "5", "55P02"),
            ("transaction_isolation", "nonsense", "22023"),
            ("role", "nobody_of_this_name", "22023"),
            ("search_path; drop table t", "x", "42704"),
        ];
        for (name, value, code) in cases {
            let settings = Settings::new().set("app.user", "anna").set(name, value);
            let with = QueryOptions::new().settings(settings);
            let error = connection.with(with).execute("insert into t values (1)", ()).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server);
            let said = error.to_string();
            assert!(said.contains(name), "{said}");
            assert!(said.contains("was refused"), "{said}");
            // Versions differ in how they call it.
            let known = [code, "42602", "25001", "0A000"];
            assert!(known.contains(&error.sqlstate().unwrap().as_str()), "{name}: {error:#}");
        }
        let (rows,): (i64,) = connection.query_one("select count(*) from t", ()).await.unwrap();
        assert_eq!(rows, 0);
        let none = Settings::new().set("CLIENT_ENCODING", "LATIN1");
        let with = QueryOptions::new().settings(none);
        let error = connection.with(with).execute("select 1", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("client_encoding"), "{error}");
        assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
    });
}

#[test]
fn what_can_not_run_in_a_transaction_is_refused_or_runs_without() {
    with_database(async |database| {
        database.run("create table t (n int)").unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let ran = connection.with(options()).execute("vacuum t", ()).await;
        println!("vacuum with settings: {ran:?}");
        if let Err(error) = ran {
            assert_eq!(error.sqlstate().unwrap().as_str(), "25001", "{error}");
        }
        assert_eq!(connection.status(), TransactionStatus::Idle);
        let (before,): (String,) =
            connection.query_one("select current_setting('work_mem')", ()).await.unwrap();
        assert_ne!(before, "7MB");
    });
}

#[test]
fn statements_that_are_gone_are_prepared_anew() {
    with_database(async |database| {
        database.run("create table t (n int); insert into t values (1)").unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        for change in ["alter table t alter n type int8", "alter table t alter n type numeric"] {
            connection.with(options()).query_each("select n from t", (), |_| Ok(())).await.unwrap();
            database.run(change).unwrap();
        }
        let rows = connection.with(options()).execute("select n from t", ()).await.unwrap();
        assert_eq!(rows, 1);
        // All at once, and in a way that the client can't see.
        connection.execute("do $$ begin execute 'deallocate all'; end $$", ()).await.unwrap();
        let during: (String, String) =
            connection.with(options()).query_one(SEEN, ()).await.unwrap();
        assert_eq!(during, ("7MB".into(), "anna".into()));
    });
}

#[test]
fn a_group_of_a_batch_has_settings_and_the_next_has_not() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let settings = Settings::new().set("work_mem", "7MB");
        let mode = "select current_setting('work_mem')";
        let mut batch = connection.batch().unwrap();
        batch.set(&settings).unwrap().add(mode, ()).unwrap().sync().unwrap();
        batch.add(mode, ()).unwrap();
        assert_eq!(batch.set(&Settings::new()).unwrap_err().kind(), ErrorKind::Usage);
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.count().await.unwrap(), 1);
        assert_eq!(answers.one::<(String,)>().await.unwrap().0, "7MB");
        assert_ne!(answers.one::<(String,)>().await.unwrap().0, "7MB");
        answers.end().await.unwrap();
    });
}

#[test]
fn the_next_borrower_of_a_connection_sees_nothing() {
    with_database(async |database| {
        let pool = Pool::new(Config::parse(&database.url()).unwrap(), PoolOptions::new().max(1));
        let mut lease = pool.acquire().await.unwrap();
        let process = lease.process_id();
        let (before, _) = seen(&mut lease).await;
        lease.with(options()).query_one::<(String, String)>(SEEN, ()).await.unwrap();
        drop(lease);
        let mut lease = pool.try_acquire().expect("it was lent again at once, for it was clean");
        assert_eq!(lease.process_id(), process);
        assert!(is_as_before(seen(&mut lease).await, &before));
    });
}

#[test]
fn behind_a_transaction_pooler_clients_see_their_own_settings_alone() {
    let Some(bouncer) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    // Two backends for twelve clients.
    let bouncer = Bouncer::start(server, bouncer.setting("default_pool_size", "2")).unwrap();
    run_within(Duration::from_secs(60), async {
        let config =
            Config::parse(&bouncer.url(database.name())).unwrap().with_transaction_pooler(true);
        let mut clients = Vec::new();
        for client in 0..12_i32 {
            let config = config.clone();
            clients.push(tokio::spawn(async move {
                let mut connection = Connection::connect(&config).await.unwrap();
                for round in 0..30 {
                    let work_mem = format!("{}MB", 100 + client);
                    let user = format!("client {client} in round {round}");
                    let settings =
                        Settings::new().set("work_mem", &*work_mem).set("app.user", &*user);
                    let with = QueryOptions::new().settings(settings);
                    if client % 3 == 0 {
                        let (work_mem, user) = seen(&mut connection).await;
                        assert_eq!(work_mem, "4MB");
                        assert!(user.unwrap_or_default().is_empty());
                        continue;
                    }
                    let own: (String, String) =
                        connection.with(with.clone()).query_one(SEEN, ()).await.unwrap();
                    assert_eq!(own, (work_mem.clone(), user.clone()));
                    if client % 3 == 1 {
                        connection.execute("begin", ()).await.unwrap();
                        let own: (String, String) =
                            connection.with(with).query_one(SEEN, ()).await.unwrap();
                        assert_eq!(own, (work_mem, user));
                        assert!(is_as_before(seen(&mut connection).await, "4MB"));
                        connection.execute("commit", ()).await.unwrap();
                    }
                }
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
    });
}
