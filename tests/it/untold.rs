//! Values of parameters and rows are told to nobody: neither a tracer that hears everything nor whoever prints an error is
//! given them.
//!
//! The calls here are the typical ones, with a value that stands nowhere else. What a tracer hears of them is looked at
//! where the tests keep a journal: see `cargo xtask rel R30`.

use std::error::Error;

use stellata::prelude::*;
use stellata_client::{Config, Connection, Listener};
use stellata_testkit::{Database, MARKER, with_database};

#[derive(Model, Clone, Debug)]
#[model(table = "untold")]
struct Untold {
    #[model(key, identity)]
    id: i64,
    #[model(unique)]
    secret: String,
}

#[track_caller]
fn is_silent(text: &str) {
    let numbers = MARKER.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let digits: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    for form in [MARKER, &numbers, &digits] {
        assert!(!text.contains(form), "{text}");
    }
}

/// Nothing that is printed of an error shows the value, nor of what caused it.
#[track_caller]
fn is_silent_error(error: &(dyn Error + 'static)) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        is_silent(&format!("{error}|{error:?}|{error:#?}"));
        cause = error.source();
    }
}

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.tcp_url()).unwrap()).await.unwrap()
}

#[test]
fn no_value_of_a_call_of_a_connection_is_told() {
    with_database(async |database| {
        database.run("create table untold (id int4, secret text unique)").unwrap();
        let mut connection = connect(database).await;
        let insert = "insert into untold values ($1, $2)";
        for _ in 0..2 {
            let told: (String,) = connection.query_one("select $1::text", (MARKER,)).await.unwrap();
            assert_eq!(told.0, MARKER);
        }
        connection.execute(insert, (1, MARKER)).await.unwrap();
        is_silent_error(&connection.execute(insert, (2, MARKER)).await.unwrap_err());
        is_silent_error(
            &connection.query_one::<(i32,)>("select $1::text", (MARKER,)).await.unwrap_err(),
        );
        is_silent_error(
            &connection.execute("select 1 / $2::int4, $1::text", (MARKER, 0)).await.unwrap_err(),
        );

        let mut rows = connection.lend("select secret from untold", ()).unwrap();
        while let Some((text,)) = rows.next::<(&str,)>().await.unwrap() {
            assert_eq!(text, MARKER);
        }
        drop(rows);

        let mut batch = connection.batch().unwrap();
        batch.add("select $1::text", (MARKER,)).unwrap();
        batch.add(insert, (3, MARKER)).unwrap();
        let mut answers = batch.send().unwrap();
        assert_eq!(answers.one::<(String,)>().await.unwrap().0, MARKER);
        is_silent_error(&answers.count().await.unwrap_err());
        drop(answers);

        let rows = [(4, MARKER)];
        is_silent_error(
            &connection.copy_in("untold", &["id", "secret"]).rows(rows).await.unwrap_err(),
        );
        let copied = connection.copy_out("untold", &["id", "secret"]);
        let mut rows = copied.rows::<(i32, String)>().await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().1, MARKER);
        drop(rows);
        is_silent(&format!("{connection:?}|{connection:#?}"));
    });
}

#[test]
fn no_payload_of_a_notification_is_told() {
    with_database(async |database| {
        let config = Config::parse(&database.tcp_url()).unwrap();
        let mut listener = Listener::connect(&config).await.unwrap();
        listener.listen("untold").await.unwrap();
        connect(database).await.notify("untold", MARKER).await.unwrap();
        let notification = listener.next().await.unwrap();
        assert!(format!("{notification:?}").contains("untold"));
        is_silent(&format!("{listener:?}"));
    });
}

#[test]
fn no_value_of_a_model_is_told() {
    with_database(async |database| {
        let db = Db::connect(&database.tcp_url()).await.unwrap();
        db.create_all(&Schema::new().model::<Untold>()).await.unwrap();
        let row = new!(Untold { secret: MARKER }).insert(&db).await.unwrap();
        let twice = new!(Untold { secret: MARKER }).insert(&db).await.unwrap_err();
        is_silent_error(&twice);
        let found = Untold::query().filter(|u| u.secret.eq(MARKER)).one(&db).await.unwrap();
        assert_eq!((found.id, &*found.secret), (row.id, MARKER));
        let changed = Untold::query().filter(|u| u.secret.eq(MARKER));
        let changed = changed.update(|u| u.secret.set(format!("{MARKER}!"))).exec(&db).await;
        assert_eq!(changed.unwrap(), 1);
        let failed = db
            .transaction(async |tx| {
                new!(Untold { secret: MARKER }).insert(tx).await?;
                new!(Untold { secret: MARKER }).insert(tx).await
            })
            .await
            .unwrap_err();
        is_silent_error(&failed);
        let none = Untold::query().filter(|u| u.secret.eq(MARKER)).one(&db).await.unwrap_err();
        is_silent_error(&none);
        is_silent(&format!("{db:?}"));
    });
}
