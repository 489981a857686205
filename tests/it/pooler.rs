//! PgBouncer in transaction mode, the real thing: many clients on one backend, with and without its tracking of prepared
//! statements.

use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, TransactionStatus};
use stellata_testkit::{Bouncer, BouncerOptions, Database, Server, run_within, skip};

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

/// Whether a transaction went through. It may fail where names of statements turn out to be of no use.
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
        assert!(failed <= CLIENTS as u32, "each client finds it out once: {failed}");
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
