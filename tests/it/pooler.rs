//! PgBouncer in transaction mode, the real thing: many clients on one backend, with and without its tracking of prepared
//! statements.

use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, TransactionStatus};
use stellata_testkit::{
    Bouncer, BouncerOptions, Database, Proxy, Server, run_within, skip, with_database,
};

const CLIENTS: i32 = 24;
const ROUNDS: i32 = 40;

fn start(options: BouncerOptions) -> (Bouncer, Database) {
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    // One that could track prepared statements is not to.
    let options = match options.version() {
        (1, ..21) => options,
        _ => options.setting("max_prepared_statements", "0"),
    };
    (Bouncer::start(server, options).unwrap(), database)
}

fn config(bouncer: &Bouncer, database: &Database) -> Config {
    Config::parse(&bouncer.url(database.name())).unwrap()
}

/// Many clients, each with statements of its own and the same ones, which ask at the same time. Returns how many
/// statements failed inside a transaction; outside none may.
async fn traffic(config: &Config) -> u32 {
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let config = config.clone();
        clients.push(tokio::spawn(async move {
            let mut connection = Connection::connect(&config).await.unwrap();
            let mut failed = 0;
            for round in 0..ROUNDS {
                let question = client * 1000 + round;
                let (answer,): (i32,) =
                    connection.query_one("select $1 + 0", (question,)).await.unwrap();
                assert_eq!(answer, question);
                // The same text of other types, and texts that only some have.
                let (answer,): (String,) = connection
                    .query_one("select $1 || 'x'", (format!("{question}"),))
                    .await
                    .unwrap();
                assert_eq!(answer, format!("{question}x"));
                let own = format!("select $1 * {}", client % 5 + 2);
                let (answer,): (i32,) = connection.query_one(&own, (question,)).await.unwrap();
                assert_eq!(answer, question * (client % 5 + 2));
                if round % 8 == 0 {
                    failed += u32::from(!in_a_transaction(&mut connection, question).await);
                }
            }
            assert!(connection.is_quiet());
            failed
        }));
    }
    let mut failed = 0;
    for client in clients {
        failed += client.await.unwrap();
    }
    failed
}

/// Whether the session's number passes for that of a process, so that nothing shows the pooler: one in a thousand does.
fn looks_real(connection: &Connection) -> bool {
    (1..=1 << 22).contains(&connection.process_id().unwrap())
}

/// Whether a transaction went through. It may fail where names of statements turn out to be of no use, and nothing has
/// shown before that this may be.
async fn in_a_transaction(connection: &mut Connection, question: i32) -> bool {
    connection.execute("begin", ()).await.unwrap();
    let mut went = true;
    for n in 0..3 {
        let answer = connection.query_one::<(i32,)>("select $1 - 1", (question + n,)).await;
        match answer {
            Ok((answer,)) => assert_eq!(answer, question + n - 1),
            Err(error) => {
                assert!(
                    error.is_stale_statement() || connection.status() == TransactionStatus::Failed
                );
                assert!(looks_real(connection), "the pooler was to be suspected: {error}");
                went = false;
            }
        }
    }
    connection.execute("rollback", ()).await.unwrap();
    went
}

#[test]
fn told_of_the_pooler_many_clients_share_one_backend() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "1"));
    run_within(Duration::from_secs(60), async {
        let config = config(&bouncer, &database).with_transaction_pooler(true);
        assert_eq!(traffic(&config).await, 0, "nothing fails where it was said");
        let mut connection = Connection::connect(&config).await.unwrap();
        let names = connection.simple("select count(*) from pg_prepared_statements").await.unwrap();
        assert_eq!(names[0].rows[0][0].as_deref(), Some("0"));
    });
}

#[test]
fn not_told_of_the_pooler_no_answer_is_wrong() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "1"));
    run_within(Duration::from_secs(60), async {
        let failed = traffic(&config(&bouncer, &database)).await;
        println!("{failed} transactions failed until the pooler was suspected");
        assert!(failed <= 3, "hardly a client finds it out by a failure: {failed}");
    });
}

/// A connection through a proxy and the pooler which the number of its session gives away.
async fn suspecting(proxy: &Proxy, database: &Database) -> Connection {
    let config = Config::parse(&proxy.url(database.name())).unwrap();
    loop {
        let connection = Connection::connect(&config).await.unwrap();
        if !looks_real(&connection) {
            return connection;
        }
    }
}

#[test]
fn a_pooler_is_suspected_before_anything_fails() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "1"));
    run_within(Duration::from_secs(60), async {
        let proxy = Proxy::start(bouncer.tcp()).unwrap();
        let mut connection = suspecting(&proxy, &database).await;
        let mut other = suspecting(&proxy, &database).await;
        let add = "select $1 + 1";
        proxy.reset_counts();
        for n in 0..2 {
            let answer: (i32,) = connection.query_one(add, (n,)).await.unwrap();
            assert_eq!(answer, (n + 1,));
        }
        assert_eq!(proxy.flights(), ["CPDBES", "BES"], "by itself it has its name");

        // Another client prepares the same, by the same name on the same backend.
        assert_eq!(other.query_one::<(i32,)>(add, (7,)).await.unwrap(), (8,));

        // What the server has by names is gone, or another's, when a transaction begins.
        let mut told = Connection::connect(&config(&bouncer, &database)).await.unwrap();
        told.simple("deallocate all").await.unwrap();
        proxy.reset_counts();
        connection.execute("begin", ()).await.unwrap();
        for n in 0..2 {
            let answer: (i32,) = connection.query_one(add, (n,)).await.unwrap();
            assert_eq!(answer, (n + 1,));
        }
        connection.execute("commit", ()).await.unwrap();
        assert_eq!(proxy.flights(), ["CPDBES", "CPDBES", "CPDBES", "CPDBES"], "one trip each");

        told.simple("deallocate all").await.unwrap();
        proxy.reset_counts();
        let mut batch = connection.batch().unwrap();
        for n in 0..2 {
            batch.add(add, (n,)).unwrap();
        }
        batch.sync().unwrap();
        batch.add(add, (2,)).unwrap();
        let mut answers = batch.send().unwrap();
        for n in 0..3 {
            assert_eq!(answers.one::<(i32,)>().await.unwrap(), (n + 1,));
        }
        answers.end().await.unwrap();
        assert_eq!(proxy.flights(), ["CPDBEBESCPDBES"], "once in each group");

        // By itself it is run again.
        told.simple("deallocate all").await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>(add, (1,)).await.unwrap(), (2,));
    });
}

#[test]
fn no_pooler_is_suspected_where_there_is_none() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        assert!(looks_real(&connection));
        connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        proxy.reset_counts();
        connection.query_one::<(i32,)>("select $1 + 1", (1,)).await.unwrap();
        assert_eq!(proxy.flights(), ["BES"]);
    });
}

#[test]
fn a_pooler_that_tracks_statements_takes_their_names() {
    let Some(options) = BouncerOptions::find_tracking() else {
        skip("there is no PgBouncer that tracks prepared statements");
        return;
    };
    let server = Server::shared().unwrap();
    let database = Database::create(server).unwrap();
    let options =
        options.setting("default_pool_size", "1").setting("max_prepared_statements", "100");
    let bouncer = Bouncer::start(server, options).unwrap();
    run_within(Duration::from_secs(60), async {
        let config = config(&bouncer, &database).with_statement_cache(4);
        assert_eq!(traffic(&config).await, 0);
    });
}

#[test]
fn a_cancellation_finds_its_way_through_the_pooler() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "2"));
    run_within(Duration::from_secs(60), async {
        let config = config(&bouncer, &database).with_transaction_pooler(true);
        let mut connection = Connection::connect(&config).await.unwrap();
        let mut other = Connection::connect(&config).await.unwrap();
        for n in 0..20 {
            let sleeping = connection
                .with_limit(Duration::from_millis(15))
                .execute("select pg_sleep(30)", ())
                .await;
            assert_eq!(sleeping.unwrap_err().kind(), ErrorKind::Timeout);
            connection.drain(Duration::from_secs(10)).await.unwrap();
            for connection in [&mut connection, &mut other] {
                let (answer,): (i32,) = connection.query_one("select $1 + 0", (n,)).await.unwrap();
                assert_eq!(answer, n);
            }
        }
    });
}

/// COPY both ways by many clients at a time, each with a table of its own whose types no other has, and between them what else
/// uses the backends.
async fn copies(config: &Config, database: &Database) {
    for (client, kind) in ["int", "bigint", "text", "float8", "bool", "smallint"].iter().enumerate()
    {
        database.run(&format!("create table t{client} (n int, v {kind})")).unwrap();
    }
    let mut clients = Vec::new();
    for client in 0..6 {
        let config = config.clone();
        clients.push(tokio::spawn(async move {
            let mut connection = Connection::connect(&config).await.unwrap();
            let table = format!("t{client}");
            for round in 1..=20_u64 {
                let copy = connection.copy_in(&table, &["n", "v"]);
                let numbers = 0..10_i32;
                let copied = match client {
                    0 => copy.rows(numbers.map(|n| (n, n))).await,
                    1 => copy.rows(numbers.map(|n| (n, i64::from(n)))).await,
                    2 => copy.rows(numbers.map(|n| (n, n.to_string()))).await,
                    3 => copy.rows(numbers.map(|n| (n, f64::from(n)))).await,
                    4 => copy.rows(numbers.map(|n| (n, n > 5))).await,
                    _ => copy.rows(numbers.map(|n| (n, 5_i16))).await,
                };
                assert_eq!(copied.unwrap(), 10, "{table}");
                connection.simple("select 1").await.unwrap();
                tokio::task::yield_now().await;
                let copy = connection.copy_out(&table, &["n"]);
                let mut rows = copy.rows::<(i32,)>().await.unwrap();
                let mut count = 0;
                while let Some((n,)) = rows.next().await.unwrap() {
                    assert!((0..10).contains(&n));
                    count += 1;
                }
                assert_eq!(count, round * 10, "{table}");
                let count = format!("select count(*) from {table}");
                let (stored,): (i64,) = connection.query_one(&count, ()).await.unwrap();
                assert_eq!(u64::try_from(stored).unwrap(), round * 10);
            }
            assert!(connection.is_quiet());
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

#[test]
fn told_of_the_pooler_copies_find_their_columns_on_any_backend() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "2"));
    run_within(Duration::from_secs(60), async {
        copies(&config(&bouncer, &database).with_transaction_pooler(true), &database).await;
    });
}

#[test]
fn not_told_of_the_pooler_copies_find_their_columns_on_any_backend() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "2"));
    run_within(Duration::from_secs(60), async {
        let config = config(&bouncer, &database);
        let proxy = Proxy::start(bouncer.tcp()).unwrap();
        drop(suspecting(&proxy, &database).await);
        copies(&config, &database).await;
    });
}

/// Two connections of one pool of two backends: what the first asked on one of them, it goes on with on the other, while the
/// second holds the one.
#[test]
fn a_copy_whose_columns_were_asked_for_on_another_backend_goes_on() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "2"));
    run_within(Duration::from_secs(60), async {
        database.run("create table t (n int, s text)").unwrap();
        let proxy = Proxy::start(bouncer.tcp()).unwrap();
        let told = config(&bouncer, &database).with_transaction_pooler(true);
        let suspected = suspecting(&proxy, &database).await;
        let mut other = suspecting(&proxy, &database).await;
        for mut connection in [Connection::connect(&told).await.unwrap(), suspected] {
            for round in 0..3 {
                let mut writer = connection.copy_in("t", &["n", "s"]).row_writer().await.unwrap();
                other.execute("begin", ()).await.unwrap();
                writer.write(&(round, "one")).await.unwrap();
                assert_eq!(writer.finish().await.unwrap(), 1);
                other.execute("rollback", ()).await.unwrap();

                let read = async |connection: &mut Connection| {
                    let copy = connection.copy_out("t", &[]);
                    copy.each(|columns| {
                        columns.next::<i32>()?;
                        assert_eq!(columns.next::<&str>()?, "one");
                        Ok(())
                    })
                    .await
                    .unwrap()
                };
                let before = read(&mut connection).await;
                other.execute("begin", ()).await.unwrap();
                assert_eq!(read(&mut connection).await, before);
                other.execute("rollback", ()).await.unwrap();
            }
        }
    });
}

#[test]
fn behind_a_pooler_columns_that_have_changed_since_are_found_out_before_a_row_is_sent() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "2"));
    run_within(Duration::from_secs(60), async {
        let proxy = Proxy::start(bouncer.tcp()).unwrap();
        let told = config(&bouncer, &database).with_transaction_pooler(true);
        let suspected = suspecting(&proxy, &database).await;
        for mut connection in [Connection::connect(&told).await.unwrap(), suspected] {
            database.run("drop table if exists t").unwrap();
            database.run("create table t (a int, b int)").unwrap();
            let copy = connection.copy_in("t", &[]);
            assert_eq!(copy.rows([(1, 2)]).await.unwrap(), 1);
            // As many bytes as before, and another meaning.
            database.run("alter table t drop column a; alter table t add column a int").unwrap();
            let error = connection.copy_in("t", &[]).rows([(1, 2)]).await.unwrap_err();
            assert!(error.to_string().contains("the columns have changed"), "{error}");
            assert!(!error.is_fatal() && connection.is_quiet());
            let count = "select count(*) from t";
            assert_eq!(connection.query_one::<(i64,)>(count, ()).await.unwrap(), (1,));
            assert_eq!(connection.copy_in("t", &[]).rows([(3, 4)]).await.unwrap(), 1);

            // On the way out nothing is lost by asking again.
            let copy = connection.copy_out("t", &[]);
            let mut rows = copy.rows::<(i32, Option<i32>)>().await.unwrap();
            assert_eq!(rows.next().await.unwrap(), Some((2, None)));
            assert_eq!(rows.next().await.unwrap(), Some((3, Some(4))));
            drop(rows);
            database.run("alter table t alter column b type text").unwrap();
            let mut rows =
                connection.copy_out("t", &[]).rows::<(String, Option<i32>)>().await.unwrap();
            assert_eq!(rows.next().await.unwrap(), Some(("2".to_owned(), None)));
            drop(rows);
            assert_eq!(connection.query_one::<(i32,)>("select 5", ()).await.unwrap(), (5,));
        }
    });
}

#[test]
fn a_copy_that_nobody_knew_to_be_behind_a_pooler_says_so_and_the_next_one_goes() {
    let Some(options) = BouncerOptions::find() else {
        skip("there is no PgBouncer");
        return;
    };
    let (bouncer, database) = start(options.setting("default_pool_size", "2"));
    run_within(Duration::from_secs(60), async {
        database.run("create table t (n int)").unwrap();
        let config = config(&bouncer, &database);
        let mut connection =
            Connection::connect(&config.clone().with_transaction_pooler(false)).await.unwrap();
        let mut other = Connection::connect(&config.with_transaction_pooler(true)).await.unwrap();
        let mut writer = connection.copy_in("t", &[]).row_writer().await.unwrap();
        other.execute("begin", ()).await.unwrap();
        writer.write(&(1,)).await.unwrap();
        let error = writer.finish().await.unwrap_err();
        assert!(error.is_stale_statement(), "{error}");
        assert!(error.to_string().contains("on another backend"), "{error}");
        // From here on it is known.
        let mut writer = connection.copy_in("t", &[]).row_writer().await.unwrap();
        other.execute("rollback", ()).await.unwrap();
        writer.write(&(1,)).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), 1);
        let mut rows = connection.copy_out("t", &[]).rows::<(i32,)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap(), Some((1,)));
    });
}
