//! What a client asks a database about its own types, how often, and what it makes of the answer.

use std::time::Duration;

use stellata::prelude::*;
use stellata::types::{ArrayRef, Range, RawBuf, TypeKind, TypeName};
use stellata_client::{Config, Connection, ErrorKind, Oid, Params};
use stellata_pool::{Pool, PoolOptions};
use stellata_protocol::quote;
use stellata_testkit::{
    Column, Database, Proxy, Reply, Script, ScriptedServer, with_database, within,
};

#[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
enum Mood {
    Sad,
    Happy,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
struct Pair {
    mood: Mood,
    count: i32,
}

const TYPES: &str =
    "create type mood as enum ('sad', 'happy'); create type pair as (mood mood, count int)";

fn behind(database: &Database) -> (Config, Proxy) {
    database.run(TYPES).unwrap();
    let proxy = Proxy::start(database.tcp()).unwrap();
    (Config::parse(&proxy.url(database.name())).unwrap(), proxy)
}

#[test]
fn a_type_is_asked_for_once_for_all_connections() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        let ask = "select row('sad', 1)::pair, array['happy']::mood[]";
        let want = (Pair { mood: Mood::Sad, count: 1 }, vec![Mood::Happy]);
        for flights in [vec!["PDBES", "PBES"], vec!["BES"], vec!["BES"]] {
            proxy.reset_counts();
            let found: (Pair, Vec<Mood>) = connection.query_one(ask, ()).await.unwrap();
            assert_eq!(found, want);
            assert_eq!(proxy.flights(), flights);
        }
        // Another connection of the same configuration, another statement, an array of what is known.
        let mut other = Connection::connect(&config.clone()).await.unwrap();
        proxy.reset_counts();
        let (found,): (Pair,) = other.query_one("select row('sad', 1)::pair", ()).await.unwrap();
        assert_eq!(found, want.0);
        assert_eq!(proxy.flights(), ["PDBES"]);
        // Built-in types are never asked for.
        proxy.reset_counts();
        let _: Vec<(i32, Range<i32>, Vec<String>)> =
            other.query("select 1, '[1,2)'::int4range, '{}'::text[]", ()).await.unwrap();
        assert_eq!(proxy.flights(), ["PDBES"]);
    });
}

#[test]
fn rows_that_wait_for_their_types_are_all_handed_on() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        proxy.reset_counts();
        let rows: Vec<(i32, Pair)> = connection
            .query("select n, row('sad', n)::pair from generate_series(1, 50000) n", ())
            .await
            .unwrap();
        assert_eq!(rows.len(), 50_000);
        assert!(
            rows.iter()
                .enumerate()
                .all(|(index, (n, pair))| { *n == index as i32 + 1 && pair.count == *n })
        );
        assert_eq!(proxy.flights(), ["PDBES", "PBES"]);
        // A write is not sent twice.
        database.run("create table pairs (pair pair)").unwrap();
        let fresh = Config::parse(&proxy.url(database.name())).unwrap();
        let mut connection = Connection::connect(&fresh).await.unwrap();
        let insert = "insert into pairs values (row('sad', 1)) returning pair";
        let (pair,): (Pair,) = connection.query_one(insert, ()).await.unwrap();
        assert_eq!(pair.count, 1);
        let (count,): (i64,) =
            connection.query_one("select count(*) from pairs", ()).await.unwrap();
        assert_eq!(count, 1);
    });
}

#[test]
fn types_of_lent_rows_are_asked_for_before_the_statement_runs() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        for flights in [vec!["PDS", "PBES", "BES"], vec!["BES"]] {
            proxy.reset_counts();
            let ask = "select n, 'happy'::mood from generate_series(1, 100) n";
            let mut rows = connection.lend(ask, ()).unwrap();
            let mut count = 0;
            while let Some((n, mood)) = rows.next::<(i32, Mood)>().await.unwrap() {
                count += 1;
                assert_eq!((n, mood), (count, Mood::Happy));
            }
            assert_eq!(count, 100);
            assert_eq!(proxy.flights(), flights);
        }
        // Another connection knows the type, and still has to see the columns.
        let mut other = Connection::connect(&config).await.unwrap();
        proxy.reset_counts();
        let mut rows = other.lend("select 'happy'::mood", ()).unwrap();
        assert_eq!(rows.next::<(Mood,)>().await.unwrap(), Some((Mood::Happy,)));
        assert_eq!(rows.next::<(Mood,)>().await.unwrap(), None);
        assert_eq!(proxy.flights(), ["PDS", "BES"]);
        assert_eq!(other.statements().sent, 1);
        assert_eq!(other.statements().reused, 0);
        // A statement that can't be prepared says why, and so does one whose columns are others.
        let error = other.lend("select nothing", ()).unwrap().next::<(Mood,)>().await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "42703");
        assert_eq!(error.sql(), Some("select nothing"));
        let error = other.lend("select 1", ()).unwrap().next::<(Mood,)>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(other.query_one::<(i32,)>("select 9", ()).await.unwrap(), (9,));
    });
}

#[test]
fn lent_rows_of_an_unknown_type_are_not_read_ahead() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        let sql = "select n, repeat('x', 1000), 'happy'::mood from generate_series(1, 1000000) n";
        let mut rows = connection.lend(sql, ()).unwrap();
        for wanted in 1..=10 {
            let (n, text, mood) = rows.next::<(i32, &str, Mood)>().await.unwrap().unwrap();
            assert_eq!((n, text.len(), mood), (wanted, 1000, Mood::Happy));
        }
        // What is under way settles, and comes to no more than the buffers between hold.
        let mut passed = proxy.counts().bytes_to_client;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = proxy.counts().bytes_to_client;
            if now == passed {
                break;
            }
            passed = now;
        }
        assert!(passed < 64 << 20, "{passed} bytes of a thousand million");
        drop(rows);
        connection.drain(Duration::from_secs(4)).await.unwrap();
        assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
    });
}

#[test]
fn a_dropped_look_ahead_is_begun_anew() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        proxy.set_delay(Duration::from_millis(20), Duration::ZERO);
        for polls in 1..12 {
            let mut rows = connection.lend("select row('sad', 1)::pair", ()).unwrap();
            for _ in 0..polls {
                let limit = Duration::from_millis(7);
                let _ = tokio::time::timeout(limit, rows.next::<(Pair,)>()).await;
            }
            drop(rows);
            assert_eq!(connection.query_one::<(i32,)>("select 7", ()).await.unwrap(), (7,));
        }
        let mut rows = connection.lend("select row('sad', 1)::pair", ()).unwrap();
        let pair = Pair { mood: Mood::Sad, count: 1 };
        assert_eq!(rows.next::<(Pair,)>().await.unwrap(), Some((pair,)));
    });
}

/// 72 MiB, of which 64 are held at most.
const TOO_MUCH: &str = "select repeat('x', 1 << 20), 'happy'::mood from generate_series(1, 72)";

#[test]
fn rows_that_are_too_many_to_wait_for_their_types_are_no_hindrance_to_the_next_try() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        proxy.reset_counts();
        let error = connection.query::<(String, Mood)>(TOO_MUCH, ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("can be run again"), "{error}");
        assert_eq!(error.sql(), Some(TOO_MUCH));
        assert!(connection.is_quiet() && !connection.is_closed());
        // It was not run twice; what it was run for is known.
        assert_eq!(proxy.flights(), ["PDBES", "PBES"]);
        proxy.reset_counts();
        let rows: Vec<(String, Mood)> = connection.query(TOO_MUCH, ()).await.unwrap();
        assert!(rows.len() == 72 && rows.iter().all(|row| row.1 == Mood::Happy));
        assert_eq!(proxy.flights(), ["BES"]);
    });
}

#[test]
fn a_batch_goes_on_behind_rows_that_are_too_many_to_wait() {
    with_database(async |database| {
        database.run(TYPES).unwrap();
        // Too many are those whose type is not known, or those that come behind them.
        let plain = "select repeat('x', 1 << 20) from generate_series(1, 72)";
        for (first, second) in [(TOO_MUCH, "select 5::text"), ("select '', 'sad'::mood", plain)] {
            let fresh = Config::parse(&database.url()).unwrap();
            let mut connection = Connection::connect(&fresh).await.unwrap();
            for again in [false, true] {
                let mut batch = connection.batch().unwrap();
                batch.add("select 1", ()).unwrap().add(first, ()).unwrap();
                batch.add(second, ()).unwrap().sync().unwrap().add("select 3", ()).unwrap();
                let mut answers = batch.send().unwrap();
                assert_eq!(answers.one::<(i32,)>().await.unwrap(), (1,));
                let found = answers.rows::<(String, Mood)>().await;
                let texts = answers.rows::<(String,)>().await;
                assert_eq!(found.is_ok(), again || first != TOO_MUCH);
                assert_eq!(texts.is_ok(), again || second != plain);
                let failed = found.err().or(texts.err());
                assert!(failed.is_none_or(|error| error.kind() == ErrorKind::Decode));
                assert_eq!(answers.one::<(i32,)>().await.unwrap(), (3,));
                answers.end().await.unwrap();
            }
        }
    });
}

#[test]
fn statements_of_a_batch_wait_for_their_types_together() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        let none = Params::new();
        for _ in 0..2 {
            connection.begin_batch().unwrap();
            let number = connection.submit(&"select 7", &none).unwrap();
            let pairs = connection
                .submit(&"select row('sad', n)::pair from generate_series(1, 3) n", &none)
                .unwrap();
            let moods = connection.submit(&"select 'happy'::mood", &none).unwrap();
            let last = connection.submit(&"select 8", &none).unwrap();
            connection.sync().unwrap();
            let mut seen = Vec::new();
            let int = |columns: &mut stellata_client::Expect<'_>| columns.column::<i32>();
            connection
                .rows(number, int, &mut |columns| {
                    seen.push(columns.next::<i32>()?);
                    Ok(())
                })
                .await
                .unwrap();
            let read = connection
                .rows(pairs, |columns| columns.column::<Pair>(), &mut |columns| {
                    seen.push(columns.next::<Pair>()?.count);
                    Ok(())
                })
                .await
                .unwrap();
            assert_eq!(read.rows, 3);
            connection
                .rows(moods, |columns| columns.column::<Mood>(), &mut |columns| {
                    assert_eq!(columns.next::<Mood>()?, Mood::Happy);
                    Ok(())
                })
                .await
                .unwrap();
            connection
                .rows(last, int, &mut |columns| {
                    seen.push(columns.next::<i32>()?);
                    Ok(())
                })
                .await
                .unwrap();
            connection.ready().await.unwrap();
            assert_eq!(seen, [7, 1, 2, 3, 8]);
            assert!(connection.is_quiet());
        }
        assert_eq!(proxy.flights().iter().filter(|flight| flight.starts_with("PBES")).count(), 1);
        assert_eq!(connection.query_one::<(i32,)>("select 9", ()).await.unwrap(), (9,));
    });
}

#[test]
fn a_failed_statement_behind_rows_that_wait_is_still_told() {
    with_database(async |database| {
        let (config, _proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        let none = Params::new();
        connection.begin_batch().unwrap();
        let moods = connection.submit(&"select 'happy'::mood", &none).unwrap();
        let fails = connection.submit(&"select 1 / 0", &none).unwrap();
        connection.sync().unwrap();
        let mut found = None;
        connection
            .rows(moods, |columns| columns.column::<Mood>(), &mut |columns| {
                found = Some(columns.next::<Mood>()?);
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(found, Some(Mood::Happy));
        let error = connection.rows(fails, |_| Ok(()), &mut |_| Ok(())).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "22012");
        assert_eq!(error.sql(), Some("select 1 / 0"));
        assert_eq!(connection.query_one::<(i32,)>("select 9", ()).await.unwrap(), (9,));
    });
}

#[test]
fn a_dropped_future_leaves_no_rows_behind() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        proxy.set_delay(Duration::from_millis(30), Duration::ZERO);
        for wait in [10, 45, 75] {
            let asked = connection.query::<(Mood,)>("select 'happy'::mood", ());
            let _ = tokio::time::timeout(Duration::from_millis(wait), asked).await;
            let one: (i32,) = connection.query_one("select 1", ()).await.unwrap();
            assert_eq!(one, (1,));
        }
        let (mood,): (Mood,) = connection.query_one("select 'sad'::mood", ()).await.unwrap();
        assert_eq!(mood, Mood::Sad);
    });
}

#[test]
fn types_of_a_transaction_are_known_to_it() {
    with_database(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        connection.execute("begin", ()).await.unwrap();
        connection.execute("create type mood as enum ('sad', 'happy')", ()).await.unwrap();
        let (mood,): (Mood,) = connection.query_one("select 'sad'::mood", ()).await.unwrap();
        assert_eq!(mood, Mood::Sad);
        connection.execute("rollback", ()).await.unwrap();
        // The type is gone, and another of its name has another number.
        connection.execute("create type mood as enum ('happy', 'sad')", ()).await.unwrap();
        let (mood,): (Mood,) = connection.query_one("select 'happy'::mood", ()).await.unwrap();
        assert_eq!(mood, Mood::Happy);
    });
}

#[test]
fn a_type_that_is_dropped_and_made_again_is_noticed() {
    with_database(async |database| {
        database.run(TYPES).unwrap();
        database.run("create table days (n int, mood mood)").unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let pool = Pool::new(config, PoolOptions::new().max(2));
        let read = "select mood from days order by n";
        let write = "insert into days values ($1, $2)";
        for round in 0..3 {
            connection.execute(write, (round, Mood::Happy)).await.unwrap();
            let mut lease = pool.acquire().await.unwrap();
            lease.execute(write, (round, Mood::Sad)).await.unwrap();
            let direct: Vec<(Mood,)> = connection.query(read, ()).await.unwrap();
            let pooled: Vec<(Mood,)> = lease.query(read, ()).await.unwrap();
            assert_eq!(direct, [(Mood::Happy,), (Mood::Sad,)]);
            assert_eq!(pooled, direct);
            drop(lease);
            database.run("drop table days; drop type pair; drop type mood").unwrap();
            database.run(TYPES).unwrap();
            database.run("create table days (n int, mood mood)").unwrap();
        }
        // A parameter alone, without a table whose change would tell.
        for _ in 0..2 {
            let (text,): (String,) =
                connection.query_one("select ($1::mood)::text", (Mood::Sad,)).await.unwrap();
            assert_eq!(text, "sad");
            database.run("drop type pair; drop type mood").ok();
            database.run("drop table days cascade; drop type pair; drop type mood").ok();
            database.run(TYPES).unwrap();
        }
    });
}

#[test]
fn a_type_that_is_renamed_or_changed_is_noticed() {
    with_database(async |database| {
        database.run("create type feeling as enum ('sad', 'happy')").unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let error = connection.query::<(Mood,)>("select 'sad'::feeling", ()).await.unwrap_err();
        assert!(error.to_string().contains("`public.feeling`"), "{error}");
        database.run("alter type feeling rename to mood").unwrap();
        let (mood,): (Mood,) = connection.query_one("select 'sad'::mood", ()).await.unwrap();
        assert_eq!(mood, Mood::Sad);

        database
            .run("create type pair as (mood mood, count int); create table pairs (pair pair)")
            .unwrap();
        database.run("insert into pairs values (row('sad', 1))").unwrap();
        let ask = "select pair from pairs";
        let (pair,): (Pair,) = connection.query_one(ask, ()).await.unwrap();
        assert_eq!(pair.count, 1);
        database.run("alter type pair add attribute note text").unwrap();
        // First the value does not fit, then the reason is known.
        connection.query::<(Pair,)>(ask, ()).await.unwrap_err();
        let error = connection.query::<(Pair,)>(ask, ()).await.unwrap_err();
        assert!(error.to_string().contains("has the attribute `note`"), "{error}");
        database.run("alter type pair drop attribute note").unwrap();
        let (pair,): (Pair,) = connection.query_one(ask, ()).await.unwrap();
        assert_eq!(pair.count, 1);
    });
}

#[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
#[pg(schema = "a \"b\".c; drop table x; --", name = "ü'$1\\😀 \"mood\"[]")]
enum Odd {
    #[pg(rename = "it's \"so\", {\\} (x)")]
    Quoted,
    #[pg(rename = "ääääääääääääääääääääääääääääääa")]
    Long,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
#[pg(name = "select")]
struct Select {
    #[pg(rename = "select \"*\"")]
    odd: Odd,
    r#type: Vec<Odd>,
}

#[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
#[pg(name = "sixty_three_bytes_of_a_name_are_the_most_that_postgresql_keeps_")]
enum Longest {
    A,
}

#[derive(Model, Debug, Clone)]
struct Oddity {
    #[model(key, identity)]
    id: Id<Oddity>,
    odd: Odd,
    select: Select,
    longest: Vec<Longest>,
}

#[test]
fn types_with_hostile_names_are_types_like_any_other() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        let schema = Schema::new()
            .user_type::<Odd>()
            .user_type::<Select>()
            .user_type::<Longest>()
            .model::<Oddity>();
        db.create_all(&schema).await.unwrap();
        let select = Select { odd: Odd::Long, r#type: vec![Odd::Quoted, Odd::Long] };
        let new =
            || new!(Oddity { odd: Odd::Quoted, select: select.clone(), longest: vec![Longest::A] });
        let row = new().insert(&db).await.unwrap();
        assert_eq!((row.odd, &row.select), (Odd::Quoted, &select));
        Oddity::insert_many((0..3).map(|_| new())).exec(&db).await.unwrap();
        let found =
            Oddity::query().filter(|o| o.odd.is_in([Odd::Quoted, Odd::Long])).all(&db).await;
        let found = found.unwrap();
        assert!(found.len() == 4 && found.iter().all(|row| row.longest == [Longest::A]));
    });
}

/// 500 names that are hostile in one way or another, of up to 63 bytes.
fn hostile_names() -> impl Iterator<Item = String> {
    const PARTS: [&str; 20] = [
        "\"",
        "'",
        "\\",
        "; drop table canary; --",
        "/*",
        "$$",
        "$1",
        "%s",
        "[]",
        ".",
        "\n",
        " ",
        "ü",
        "😀",
        "\u{202e}",
        "pg_catalog",
        "select",
        "NULL",
        "\u{1}",
        "E'\\'",
    ];
    (0..500_usize).map(|n| {
        // The server keeps names that begin with `pg_` for its own schemas.
        let mut name = String::from(if n % 20 == 15 { "-" } else { "" });
        for part in [n % 20, (n / 20) % 20, (n * 7 + 3) % 20, n % 20] {
            if name.len() + PARTS[part].len() < 59 {
                name.push_str(PARTS[part]);
            }
        }
        // Unique, and every tenth as long as names may be.
        name.push_str(&n.to_string());
        while n % 10 == 0 && name.len() < 63 {
            name.push('x');
        }
        name
    })
}

#[test]
fn five_hundred_hostile_names_of_types_schemas_attributes_and_labels_come_back() {
    with_database(async |database| {
        let mut session = database.session().unwrap();
        session.run("create table canary (n int); insert into canary values (7)").unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        let quoted = |name: &str| quote::identifier(name).unwrap();
        let mut made = 0;
        for (index, name) in hostile_names().enumerate() {
            let schema = hostile_names().nth(index / 20).unwrap();
            let (label, name_in_schema) =
                (quote::literal(&name).unwrap(), format!("{}.{}", quoted(&schema), quoted(&name)));
            session.run(&format!("create schema if not exists {}", quoted(&schema))).unwrap();
            let body = match index % 2 {
                0 => format!("enum ({label})"),
                _ => format!("({} text)", quoted(&name)),
            };
            session.run(&format!("create type {name_in_schema} as {body}")).unwrap();
            made += 1;
            let value = match index % 2 {
                0 => label,
                _ => "row('x')".to_owned(),
            };
            let ask = format!("select {value}::{name_in_schema}");
            let (raw,): (RawBuf,) = connection.query_one(&ask, ()).await.unwrap();
            let found = connection.user_type(raw.oid).await.unwrap().unwrap();
            assert_eq!((&*found.schema, &*found.name), (&*schema, &*name));
            match &found.kind {
                TypeKind::Enum { labels } => {
                    assert_eq!(&*labels[0], &*name);
                    assert_eq!(raw.bytes, name.as_bytes());
                    assert_eq!(connection.query_one::<(String,)>(&ask, ()).await.unwrap().0, name);
                }
                TypeKind::Composite { attributes } => {
                    assert_eq!(&*attributes[0].name, &*name);
                    let ((text,),): ((String,),) = connection.query_one(&ask, ()).await.unwrap();
                    assert_eq!(text, "x");
                }
                other => panic!("{other:?}"),
            }
            // The name of a Rust type that is derived names this type and no other.
            let parsed = TypeName::parse(&name_in_schema).unwrap();
            assert!(parsed.names(&found.schema, &found.name) && !parsed.is_array);
        }
        assert_eq!(made, 500);
        assert_eq!(session.run("select n from canary").unwrap(), [[Some("7".to_owned())]]);
    });
}

/// Everything in the search path that the question about types could be led astray by.
const SHADOWS: &str = "\
create schema evil;
create table evil.pg_type (oid oid, typname name, typtype \"char\");
create table evil.pg_attribute (attrelid oid);
create table evil.pg_range (rngtypid oid);
create table evil.pg_enum (enumtypid oid);
create table evil.pg_namespace (oid oid, nspname name);
create table evil.pg_proc (oid oid);
create domain evil.oid as int8; create domain evil.text as int8; create domain evil.\"char\" as int8;
create function evil.fail() returns boolean language plpgsql as 'begin raise exception ''led astray''; end';
create function evil.eq(oid, oid) returns boolean language plpgsql as 'begin return evil.fail(); end';
create function evil.eqc(\"char\", \"char\") returns boolean language plpgsql as 'begin return evil.fail(); end';
create function evil.eqt(text, text) returns boolean language plpgsql as 'begin return evil.fail(); end';
create function evil.gt(int2, int4) returns boolean language plpgsql as 'begin return evil.fail(); end';
create operator evil.= (leftarg = oid, rightarg = oid, function = evil.eq);
create operator evil.>= (leftarg = oid, rightarg = oid, function = evil.eq);
create operator evil.= (leftarg = \"char\", rightarg = \"char\", function = evil.eqc);
create operator evil.= (leftarg = text, rightarg = text, function = evil.eqt);
create operator evil.> (leftarg = int2, rightarg = int4, function = evil.gt);
create function evil.unnest(oid[]) returns setof oid language plpgsql as 'begin perform evil.fail(); end';
";

#[test]
fn cve_2025_12819_names_in_the_search_path_do_not_lead_the_question_astray() {
    with_database(async |database| {
        database.run(TYPES).unwrap();
        database.run(SHADOWS).unwrap();
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        connection.execute("set search_path = evil, public, pg_catalog", ()).await.unwrap();
        // The trap works.
        let error =
            connection.query::<(bool,)>("select 1::pg_catalog.oid = 1::pg_catalog.oid", ()).await;
        assert!(error.unwrap_err().to_string().contains("led astray"));
        let (pair, moods): (Pair, Vec<Mood>) = connection
            .query_one("select row('sad', 1)::pair, array['happy']::mood[]", ())
            .await
            .unwrap();
        assert_eq!((pair.mood, moods), (Mood::Sad, vec![Mood::Happy]));
    });
}

const MOOD: u32 = 20_000;

/// A row of the catalogue.
fn catalogue(rows: &[(u32, &str, u8, u32, &[u32])]) -> Reply {
    let oid = |oid: u32| oid.to_be_bytes().to_vec();
    let head = |element: u32, count: usize| {
        let words = [u32::from(count > 0), 0, element];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        if count > 0 {
            bytes.extend([count as u32, 1].iter().flat_map(|word| word.to_be_bytes()));
        }
        bytes
    };
    let mut reply = Reply::new().parse_complete().bind_complete();
    for (number, name, kind, part, parts) in rows {
        let mut names = head(25, parts.len());
        let mut oids = head(26, parts.len());
        for part in *parts {
            names.extend([0, 0, 0, 1, b'a']);
            oids.extend([0, 0, 0, 4]);
            oids.extend(part.to_be_bytes());
        }
        reply = reply.row(&[
            Some(&oid(*number)),
            Some(b"public"),
            Some(name.as_bytes()),
            Some(&[*kind]),
            Some(&oid(*part)),
            Some(&[0]),
            Some(&head(25, 0)),
            Some(&names),
            Some(&oids),
        ]);
    }
    reply.complete("SELECT 1").ready('I')
}

/// What a client makes of a value of the type 20000, when this is what the catalogue answers.
async fn told(value: &[u8], answer: Reply, read: Read) -> String {
    let columns = [Column::new("c", MOOD)];
    let asked = Script::new()
        .trust_login()
        .expect("PDBES")
        .send(Reply::rows(&columns, &[&[Some(value)]]).ready('I'))
        .expect("PBES")
        .send(answer)
        .serve();
    let server = ScriptedServer::start([asked]).unwrap();
    let config = Config::parse(&server.url()).unwrap();
    let mut connection = Connection::connect(&config).await.unwrap();
    let told = match within(Duration::from_secs(5), read(&mut connection)).await {
        Ok(value) => value,
        Err(error) => format!("{:?}", error.kind()),
    };
    let after = match connection.is_closed() {
        true => "closed".to_owned(),
        false => match connection.query::<(i32,)>("select 70001", ()).await {
            Ok(rows) if rows == [(70_001,)] => "usable".to_owned(),
            other => format!("WRONG {other:?}"),
        },
    };
    drop(connection);
    server.finish();
    format!("{told} {after}")
}

type Read = for<'c> fn(
    &'c mut Connection,
) -> std::pin::Pin<
    Box<dyn Future<Output = Result<String, stellata_client::Error>> + 'c>,
>;

fn reading<T: for<'r> stellata_protocol::Decode<'r> + std::fmt::Debug + Send>(
    connection: &mut Connection,
) -> std::pin::Pin<Box<dyn Future<Output = Result<String, stellata_client::Error>> + '_>> {
    Box::pin(async move {
        let rows: Vec<(T,)> = connection.query("select hostile", ()).await?;
        Ok(format!("{rows:?}"))
    })
}

#[test]
fn a_hostile_catalogue_is_survived() {
    let mood = |rows: &[(u32, &str, u8, u32, &[u32])]| catalogue(rows);
    let many: Vec<(u32, &str, u8, u32, &[u32])> =
        (0..6000).map(|n| (20_000 + n, "mood", b'd', 20_001 + n, &[][..])).collect();
    let wide = vec![25_u32; 5000];
    let garbage = Reply::new().parse_complete().bind_complete();
    let cases: Vec<(&str, Read, Reply, &str)> = vec![
        ("an enum", reading::<Mood>, mood(&[(MOOD, "mood", b'e', 0, &[])]), "[(Sad,)] usable"),
        ("nothing", reading::<Mood>, mood(&[]), "Decode usable"),
        (
            "another type",
            reading::<Mood>,
            mood(&[(MOOD + 1, "mood", b'e', 0, &[])]),
            "Decode usable",
        ),
        ("another name", reading::<Mood>, mood(&[(MOOD, "x", b'e', 0, &[])]), "Decode usable"),
        (
            "an unknown kind",
            reading::<Mood>,
            mood(&[(MOOD, "mood", b'?', 0, &[])]),
            "Decode usable",
        ),
        ("a high kind", reading::<Mood>, mood(&[(MOOD, "mood", 0xff, 0, &[])]), "Decode usable"),
        (
            "a domain over itself",
            reading::<Mood>,
            mood(&[(MOOD, "mood", b'd', MOOD, &[])]),
            "[(Sad,)] usable",
        ),
        (
            "an array of itself",
            reading::<Vec<Mood>>,
            mood(&[(MOOD, "mood", b'a', MOOD, &[])]),
            "Decode usable",
        ),
        (
            "a composite of itself",
            reading::<Pair>,
            mood(&[(MOOD, "pair", b'c', 0, &[MOOD, MOOD])]),
            "Decode usable",
        ),
        (
            "a range of itself",
            reading::<Range<f64>>,
            mood(&[(MOOD, "r", b'r', MOOD, &[])]),
            "Decode usable",
        ),
        (
            "a multirange of nothing",
            reading::<Range<f64>>,
            mood(&[(MOOD, "r", b'm', 0, &[])]),
            "Decode usable",
        ),
        ("a chain of domains", reading::<Mood>, mood(&many), "Decode usable"),
        ("a built-in type", reading::<Mood>, mood(&[(23, "mood", b'e', 0, &[])]), "Decode usable"),
        (
            "too many attributes",
            reading::<Pair>,
            mood(&[(MOOD, "pair", b'c', 0, &wide)]),
            "Decode usable",
        ),
        (
            "text of an enum",
            reading::<String>,
            mood(&[(MOOD, "x", b'e', 0, &[])]),
            "[(\"sad\",)] usable",
        ),
        (
            "text of a base type",
            reading::<String>,
            mood(&[(MOOD, "x", b'b', 0, &[])]),
            "Decode usable",
        ),
        (
            "an error",
            reading::<Mood>,
            Reply::new().error("ERROR", "42501", "no").ready('I'),
            "Server usable",
        ),
        (
            "a fatal error",
            reading::<Mood>,
            Reply::new().error("FATAL", "57P01", "bye"),
            "Server closed",
        ),
        (
            "no columns",
            reading::<Mood>,
            garbage.clone().row(&[]).complete("SELECT 1").ready('I'),
            "Decode usable",
        ),
        (
            "nulls",
            reading::<Mood>,
            garbage.clone().row(&[None; 9]).complete("SELECT 1").ready('I'),
            "Decode usable",
        ),
        (
            "an error behind the rows",
            reading::<Mood>,
            garbage.then(Reply::new().error("ERROR", "57014", "stop").ready('I')),
            "Server usable",
        ),
    ];
    stellata_testkit::run(async {
        for (name, read, answer, want) in cases {
            assert_eq!(told(b"sad", answer, read).await, want, "{name}");
        }
    });
}

#[test]
fn an_unknown_number_in_a_row_is_an_error_and_not_a_loop() {
    with_database(async |database| {
        let (config, proxy) = behind(database);
        let mut connection = Connection::connect(&config).await.unwrap();
        assert_eq!(connection.user_type(Oid(3_999_999_999)).await.unwrap(), None);
        proxy.reset_counts();
        let error = connection.query::<(i32,)>("select 'sad'::mood", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        // A Rust type that stands for a built-in type asks nothing.
        assert_eq!(proxy.flights(), ["PDBES"]);
        let mut places = 0;
        connection
            .query_each("select array['sad', 'happy']::mood[]", (), |columns| {
                let moods: ArrayRef<'_, Mood> = columns.next()?;
                places += moods.iter().filter(|mood| *mood == Ok(Mood::Happy)).count();
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(places, 1);
    });
}
