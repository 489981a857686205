//! Enums, composites, domains and ranges that users make.

use std::ops::Bound;

use stellata::prelude::*;
use stellata::types::{Multirange, Range, Raw, RawBuf};
use stellata::{ErrorKind, PgType, UserDefined};
use stellata_client::{Config, Connection, ErrorKind as ClientKind, Oid, TypeKind};
use stellata_testkit::{Database, with_database};

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

#[derive(PgEnum, Debug, Clone, Copy, PartialEq)]
#[pg(schema = "app", rename_all = "kebab-case")]
enum Mood {
    Sad,
    VeryHappy,
    #[pg(rename = "so 'so'")]
    Mixed,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
#[pg(schema = "app")]
struct Point {
    x: i32,
    y: Option<f64>,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
#[pg(schema = "app")]
struct Line {
    from: Point,
    to: Option<Point>,
    #[pg(sql_type = "varchar(20)")]
    label: String,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
#[pg(schema = "app")]
struct Shape {
    lines: Vec<Line>,
    mood: Mood,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
#[pg(schema = "app")]
struct Drawing {
    shapes: Vec<Option<Shape>>,
    moods: Moods,
}

#[derive(PgComposite, Debug, Clone, PartialEq)]
#[pg(schema = "app")]
struct Album {
    cover: Drawing,
    pages: Vec<Drawing>,
}

#[derive(PgDomain, Debug, Clone, PartialEq)]
#[pg(schema = "app", check = "cardinality(value) < 4")]
struct Moods(Vec<Mood>);

#[derive(PgDomain, Debug, Clone, PartialEq)]
#[pg(schema = "app", check = "value ~ '@'")]
struct Email(String);

#[derive(PgDomain, Debug, Clone, PartialEq)]
#[pg(transparent)]
struct Score(i32);

#[derive(PgDomain, Debug, Clone, PartialEq)]
#[pg(schema = "app", name = "floatrange")]
struct FloatRange(Range<f64>);

/// Makes the types, in the order in which they need each other.
fn create(database: &Database) {
    database.run("create schema app").unwrap();
    for statement in [
        Mood::create_sql(),
        Moods::create_sql(),
        Email::create_sql(),
        Point::create_sql(),
        Line::create_sql(),
        Shape::create_sql(),
        Drawing::create_sql(),
        Album::create_sql(),
        "create type app.floatrange as range (subtype = float8)".to_owned(),
    ] {
        database.run(&statement).unwrap();
    }
}

fn drawing() -> Drawing {
    let line = Line { from: Point { x: 1, y: Some(0.5) }, to: None, label: "a, \"b\"".into() };
    let other = Line { to: Some(Point { x: -1, y: None }), label: String::new(), ..line.clone() };
    let shape = Shape { lines: vec![line, other], mood: Mood::Mixed };
    Drawing {
        shapes: vec![Some(shape), None, Some(Shape { lines: vec![], mood: Mood::Sad })],
        moods: Moods(vec![Mood::VeryHappy, Mood::Mixed]),
    }
}

#[test]
fn enums_come_and_go() {
    with_database(async |database| {
        create(database);
        let mut connection = connect(database).await;
        let all = [Mood::Sad, Mood::VeryHappy, Mood::Mixed];
        let (labels,): (Vec<Mood>,) =
            connection.query_one("select enum_range(null::app.mood)", ()).await.unwrap();
        assert_eq!(labels, all);
        for mood in all {
            let back: (Mood, String) =
                connection.query_one("select $1::app.mood, $1::text", (mood,)).await.unwrap();
            assert_eq!(back.0, mood);
        }
        let back: (Vec<Option<Mood>>, String) = connection
            .query_one(
                "select $1::app.mood[], $1::app.mood[]::text",
                (vec![Some(Mood::Mixed), None],),
            )
            .await
            .unwrap();
        assert_eq!(back, (vec![Some(Mood::Mixed), None], "{\"so 'so'\",NULL}".to_owned()));
        // As text too, both ways.
        let (text,): (String,) =
            connection.query_one("select $1::app.mood", ("very-happy",)).await.unwrap();
        assert_eq!(text, "very-happy");
        let (texts,): (Vec<String>,) =
            connection.query_one("select array['sad']::app.mood[]", ()).await.unwrap();
        assert_eq!(texts, ["sad"]);
    });
}

#[test]
fn a_label_that_the_enum_does_not_have_is_named() {
    with_database(async |database| {
        create(database);
        database.run("alter type app.mood add value 'furious'").unwrap();
        let mut connection = connect(database).await;
        for (sql, column) in [
            ("select 'furious'::app.mood", "app.mood"),
            ("select array['sad', 'furious']::app.mood[]", "app._mood"),
            ("select row('{}', 'furious')::app.shape", "app.shape"),
        ] {
            let error = match column {
                "app.mood" => connection.query::<(Mood,)>(sql, ()).await.unwrap_err(),
                "app._mood" => connection.query::<(Vec<Mood>,)>(sql, ()).await.unwrap_err(),
                _ => connection.query::<(Shape,)>(sql, ()).await.unwrap_err(),
            };
            assert_eq!(error.kind(), ClientKind::Decode);
            let text = error.to_string();
            assert!(
                text.contains("a label of the enum \"app\".\"mood\" that `Mood` does not have"),
                "{text}"
            );
            assert!(text.ends_with(": `furious`") && text.contains(column), "{text}");
        }
        let error = connection.execute("select $1::app.mood", ("angry",)).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "22P02");
    });
}

#[test]
fn composites_five_levels_deep_come_and_go() {
    with_database(async |database| {
        create(database);
        let mut connection = connect(database).await;
        let album = Album { cover: drawing(), pages: vec![drawing(), drawing()] };
        let (back, printed): (Album, String) = connection
            .query_one("select $1::app.album, $1::app.album::text", (&album,))
            .await
            .unwrap();
        assert_eq!(back, album);
        // What the server prints, it reads back as the same.
        let (read,): (Album,) =
            connection.query_one("select $1::text::app.album", (&printed,)).await.unwrap();
        assert_eq!(read, album);
        let (back,): (Vec<Drawing>,) =
            connection.query_one("select $1::app.drawing[]", (vec![drawing()],)).await.unwrap();
        assert_eq!(back, [drawing()]);
        // By position, as a tuple.
        let ((x, y),): ((i32, Option<f64>),) =
            connection.query_one("select row(3, null)::app.point", ()).await.unwrap();
        assert_eq!((x, y), (3, None));
    });
}

#[test]
fn a_composite_that_differs_is_told_by_its_attributes() {
    with_database(async |database| {
        database.run("create schema app; create type app.point as (x int8, y float8)").unwrap();
        let mut connection = connect(database).await;
        let why = async |connection: &mut Connection| {
            let error = connection.query::<(Point,)>("select row(1, 2)::app.point", ()).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ClientKind::Decode);
            error.to_string()
        };
        let text = why(&mut connection).await;
        assert!(text.contains("the attribute `x` of `point` has another type"), "{text}");
        let sent = connection.execute("select $1::app.point", (Point { x: 1, y: None },)).await;
        assert_eq!(sent.unwrap_err().sqlstate().unwrap().as_str(), "42804");

        database.run("alter type app.point drop attribute x").unwrap();
        let error = connection.query::<(Point,)>("select row(1)::app.point", ()).await.unwrap_err();
        assert!(error.to_string().contains("`point` has no attribute `x`"), "{error}");
        database.run("alter type app.point add attribute z int, add attribute x int").unwrap();
        let sql = "select row(1, 2, 3)::app.point";
        let error = connection.query::<(Point,)>(sql, ()).await.unwrap_err();
        assert!(error.to_string().contains("has the attribute `z`"), "{error}");
        database.run("alter type app.point drop attribute z").unwrap();
        let error = connection.query::<(Point,)>("select row(1, 2)::app.point", ()).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains("the order differs"), "{error}");
    });
}

#[test]
fn domains_and_newtypes_come_and_go() {
    with_database(async |database| {
        create(database);
        database.run("create table app.people (email app.email, moods app.moods, emails app.email[], score int)").unwrap();
        let mut connection = connect(database).await;
        let email = Email("a@b".into());
        connection
            .execute(
                "insert into app.people values ($1, $2, $3, $4)",
                (&email, Moods(vec![Mood::Sad]), vec![email.clone()], Score(3)),
            )
            .await
            .unwrap();
        let row: (Email, Moods, Vec<Email>, Score) =
            connection.query_one("select * from app.people", ()).await.unwrap();
        assert_eq!(row, (email.clone(), Moods(vec![Mood::Sad]), vec![email], Score(3)));
        // A domain inside an array, as the type that it restricts.
        let (texts,): (Vec<String>,) =
            connection.query_one("select emails from app.people", ()).await.unwrap();
        assert_eq!(texts, ["a@b"]);
        let refused = connection
            .execute("insert into app.people (email) values ($1)", (Email("ab".into()),))
            .await;
        assert_eq!(refused.unwrap_err().sqlstate().unwrap().as_str(), "23514");
    });
}

#[test]
fn ranges_over_types_without_a_built_in_one_come_and_go() {
    with_database(async |database| {
        create(database);
        let mut connection = connect(database).await;
        let range = FloatRange(Range::new(Bound::Included(0.5), Bound::Excluded(1.5)));
        let (back, printed): (FloatRange, String) = connection
            .query_one("select $1::app.floatrange, $1::app.floatrange::text", (&range,))
            .await
            .unwrap();
        assert_eq!((back, printed.as_str()), (range, "[0.5,1.5)"));
        let (bare, many): (Range<f64>, Multirange<f64>) = connection
            .query_one("select '(,2]'::app.floatrange, '{[1,2),[3,4)}'::app.floatmultirange", ())
            .await
            .unwrap();
        assert_eq!(bare, Range::from(..=2.0));
        assert_eq!(many, Multirange::from_iter([Range::from(1.0..2.0), Range::from(3.0..4.0)]));
        // The bits of another subtype are not taken for this one's.
        database.run("create type app.bigrange as range (subtype = int8)").unwrap();
        let error = connection
            .query::<(Range<f64>,)>("select '[1,2)'::app.bigrange", ())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ClientKind::Decode);
    });
}

#[test]
fn a_type_of_another_kind_or_name_is_refused() {
    with_database(async |database| {
        create(database);
        database
            .run("create type app.colour as enum ('sad'); create type app.pair as (a text)")
            .unwrap();
        let mut connection = connect(database).await;
        let error = connection.query::<(Mood,)>("select 'sad'::app.colour", ()).await.unwrap_err();
        assert!(error.to_string().contains("it is an enum `app.colour`"), "{error}");
        let error =
            connection.query::<(Mood,)>("select row('sad')::app.pair", ()).await.unwrap_err();
        assert!(error.to_string().contains("it is a composite type"), "{error}");
        for sql in ["select row('sad')::app.pair", "select 'empty'::app.floatrange"] {
            let error = connection.query::<(String,)>(sql, ()).await.unwrap_err();
            assert_eq!(error.kind(), ClientKind::Decode, "{sql}");
        }
        assert!(connection.query::<(i32,)>("select 'sad'::app.mood", ()).await.is_err());
        assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
    });
}

#[test]
fn types_that_nobody_knows_are_bytes_with_a_number() {
    with_database(async |database| {
        create(database);
        let mut connection = connect(database).await;
        let (raw,): (RawBuf,) =
            connection.query_one("select row(7, null)::app.point", ()).await.unwrap();
        assert_eq!(raw.bytes.len(), 4 + 4 + 4 + 4 + 4 + 4);
        let known = connection.user_type(raw.oid).await.unwrap().unwrap();
        assert_eq!((&*known.schema, &*known.name), ("app", "point"));
        assert!(
            matches!(&known.kind, TypeKind::Composite { attributes } if &*attributes[1].name == "y")
        );
        // The bytes are sent back as they came.
        let (x,): (i32,) =
            connection.query_one("select ($1::app.point).x", (raw.as_raw(),)).await.unwrap();
        assert_eq!(x, 7);
        assert_eq!(connection.user_type(Oid(4_000_000_000)).await.unwrap(), None);
        assert_eq!(connection.user_type(Oid::INT4).await.unwrap(), None);
        let mut int = None;
        connection
            .query_each("select 7", (), |columns| {
                int = Some(columns.next::<Raw<'_>>()?.get::<i32>());
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(int, Some(Ok(7)));
    });
}

#[derive(Model, Debug, Clone)]
struct Visit {
    #[model(key, identity)]
    id: Id<Visit>,
    mood: Mood,
    moods: Vec<Mood>,
    place: Option<Point>,
    email: Email,
    range: FloatRange,
    score: Score,
}

fn schema() -> Schema {
    Schema::new().user_type::<Mood>().user_type::<Email>().user_type::<Point>().model::<Visit>()
}

#[test]
fn columns_of_models_have_types_of_users() {
    with_database(async |database| {
        database
            .run("create schema app; create type app.floatrange as range (subtype = float8)")
            .unwrap();
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&schema()).await.unwrap();
        // The types are there already.
        db.create_missing(&schema()).await.unwrap();
        let range = || FloatRange(Range::from(0.5..));
        let new = |mood, place: Option<Point>| {
            new!(Visit {
                mood,
                moods: vec![mood, Mood::Sad],
                place,
                email: Email("a@b".into()),
                range: range(),
                score: Score(3),
            })
        };
        let here = Point { x: 1, y: Some(2.0) };
        let first = new(Mood::Mixed, Some(here.clone())).insert(&db).await.unwrap();
        assert_eq!((first.mood, &first.range, &first.score), (Mood::Mixed, &range(), &Score(3)));
        assert_eq!(first.place, Some(here.clone()));
        Visit::insert_many((0..50).map(|_| new(Mood::VeryHappy, None))).exec(&db).await.unwrap();

        let found = Visit::query().filter(|v| v.mood.eq(Mood::Mixed)).all(&db).await.unwrap();
        assert_eq!(found.len(), 1);
        let found = Visit::query().filter(|v| v.mood.is_in([Mood::VeryHappy, Mood::Sad]));
        assert_eq!(found.count(&db).await.unwrap(), 50);
        let found = Visit::query().filter(|v| v.place.eq(here.clone())).all(&db).await.unwrap();
        assert_eq!(found[0].id, first.id);
        let elsewhere = Point { x: 0, y: None };
        let found = Visit::query().filter(|v| v.place.is_in([here, elsewhere])).count(&db).await;
        assert_eq!(found.unwrap(), 1);
        let found = Visit::query().filter(|v| v.moods.eq(vec![Mood::Mixed, Mood::Sad])).count(&db);
        assert_eq!(found.await.unwrap(), 1);
        let found =
            Visit::query().filter(|v| v.range.eq(range()) & v.score.ge(Score(3))).count(&db);
        assert_eq!(found.await.unwrap(), 51);
        let found = Visit::query().filter(|v| v.email.eq(Email("a@b".into()))).count(&db).await;
        assert_eq!(found.unwrap(), 51);
        let changed = Visit::query()
            .filter(|v| v.id.eq(first.id))
            .update(|v| (v.mood.set(Mood::Sad), v.moods.set(vec![])))
            .exec(&db)
            .await
            .unwrap();
        assert_eq!(changed, 1);
        let again = Visit::get(first.id, &db).await.unwrap();
        assert_eq!((again.mood, again.moods), (Mood::Sad, vec![]));
        let refused = new!(Visit {
            mood: Mood::Sad,
            moods: vec![],
            email: Email("nobody".into()),
            range: range(),
            score: Score(0),
        })
        .insert(&db)
        .await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Check);
    });
}

#[test]
fn the_first_statement_of_a_transaction_may_read_types_of_users() {
    with_database(async |database| {
        database
            .run("create schema app; create type app.floatrange as range (subtype = float8)")
            .unwrap();
        Db::connect(&database.url()).await.unwrap().create_all(&schema()).await.unwrap();
        let db = Db::connect(&database.url()).await.unwrap();
        let visits = db
            .transaction(async |tx| {
                let new = new!(Visit {
                    mood: Mood::Sad,
                    moods: vec![],
                    email: Email("a@b".into()),
                    range: FloatRange(Range::empty()),
                    score: Score(1),
                });
                let first = new.insert(tx).await?;
                assert_eq!((first.mood, first.range), (Mood::Sad, FloatRange(Range::empty())));
                Visit::query().all(tx).await
            })
            .await
            .unwrap();
        assert_eq!(visits.len(), 1);
    });
}

#[test]
fn names_of_types_are_quoted_and_follow_the_rust_type() {
    assert_eq!(Mood::TYPE.name, "\"app\".\"mood\"");
    assert_eq!(<Vec<Mood>>::TYPE.name, "\"app\".\"mood\"[]");
    assert_eq!(Score::TYPE, i32::TYPE);
    assert_eq!(
        Mood::create_sql(),
        "create type \"app\".\"mood\" as enum ('sad', 'very-happy', 'so ''so''')"
    );
    assert_eq!(
        Line::create_sql(),
        "create type \"app\".\"line\" as (\"from\" \"app\".\"point\", \"to\" \"app\".\"point\", \
         \"label\" varchar(20))"
    );
    assert_eq!(Email::create_sql(), "create domain \"app\".\"email\" as text check (value ~ '@')");
}
