//! Names: of tables by rule and as told, of columns that are not their fields', and of things that need quotes.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::{Database, with_database};

/// Every column is named otherwise than its field, and every name means something else where it is not quoted.
#[derive(Model, Debug, Clone)]
#[model(table = "from.where", unique(name, kind))]
struct Place {
    #[model(key, column = "select")]
    id: i64,
    #[model(column = "$1 ; -- 'x' /*")]
    name: String,
    #[model(column = "ключ \"\\ ")]
    kind: Option<String>,
    #[model(column = "null", default_sql = "7", index)]
    rank: i32,
    #[model(has_many = Stop::place_id, order = at)]
    stops: HasMany<Stop>,
}

#[derive(Model, Debug, Clone)]
#[model(schema = "a.b", table = "order by \"1.5\"; --", key(line, place_id))]
struct Stop {
    #[model(column = "group")]
    line: String,
    #[model(column = "x.y")]
    place_id: i64,
    #[model(column = "%s {} ?")]
    at: Option<i32>,
    #[model(belongs_to = place_id, on_delete = cascade)]
    place: BelongsTo<Place>,
}

#[derive(Model, Debug, Clone)]
struct HTTPServer {
    #[model(key)]
    id: i64,
}

/// The columns of a table as the server knows them.
fn columns(database: &Database, table: &str) -> Vec<String> {
    let sql = format!(
        "select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relname = '{}' \
         and a.attnum > 0 order by a.attnum",
        table.replace('\'', "''")
    );
    let rows = database.run(&sql).unwrap();
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

async fn filled(database: &Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Place>()).await.unwrap();
    new!(Place { id: 1, name: "Linz", kind: "town" }).insert(&db).await.unwrap();
    Place::insert_many([
        new!(Place { id: 2, name: "Graz", kind: "town", rank: 2 }),
        new!(Place { id: 3, name: "Wels", kind: None, rank: 3 }),
    ])
    .exec(&db)
    .await
    .unwrap();
    Stop::insert_many([
        new!(Stop { line: "S1", place_id: 1, at: 20 }),
        new!(Stop { line: "S2", place_id: 1, at: 10 }),
        new!(Stop { line: "S1", place_id: 2 }),
    ])
    .exec(&db)
    .await
    .unwrap();
    db
}

#[test]
fn a_table_is_named_after_its_struct_or_as_told() {
    with_database(async |database| {
        let db = filled(database).await;
        db.create_all(&Schema::new().model::<HTTPServer>()).await.unwrap();
        let tables = database
            .run("select schemaname, tablename from pg_tables where schemaname in ('public', 'from', 'a.b') order by 1, 2")
            .unwrap();
        let tables: Vec<_> = tables
            .iter()
            .map(|row| (row[0].as_deref().unwrap(), row[1].as_deref().unwrap()))
            .collect();
        assert_eq!(
            tables,
            [("a.b", "order by \"1.5\"; --"), ("from", "where"), ("public", "http_server")]
        );
        let server = new!(HTTPServer { id: 5 }).insert(&db).await.unwrap();
        assert_eq!(HTTPServer::get(5, &db).await.unwrap().id, server.id);
    });
}

#[test]
fn rows_are_written_under_the_names_of_their_columns() {
    with_database(async |database| {
        let db = filled(database).await;
        assert_eq!(columns(database, "where"), ["select", "$1 ; -- 'x' /*", "ключ \"\\ ", "null"]);
        assert_eq!(columns(database, "order by \"1.5\"; --"), ["group", "x.y", "%s {} ?"]);

        // A list of values, an upsert of every kind, a save, a change of one row, of many, and by a related column.
        let mut fifth = new!(Place { id: 5, name: "Enns", kind: "town" });
        fifth.rank = stellata::Field::Set(5);
        let fourth = new!(Place { id: 4, name: "Steyr" });
        let both = Place::insert_many([fourth, fifth]).all(&db).await.unwrap();
        assert_eq!((both[0].rank, both[1].rank), (7, 5));
        let again = || new!(Place { id: 9, name: "Linz", kind: "town", rank: 70 });
        let linz = Place::upsert(again())
            .on(|key| key.name_kind)
            .update(|old, new| old.rank.set(old.rank + new.rank))
            .one(&db)
            .await
            .unwrap();
        assert!(!linz.inserted && linz.row.rank == 77 && linz.row.id == 1);
        let same = || new!(Place { id: 1, name: "Linz", kind: "town", rank: 70 });
        let linz = Place::upsert(same()).on(|key| key.id).update_all().one(&db).await;
        assert_eq!(linz.unwrap().row.rank, 70);
        assert!(
            Place::upsert(same()).on(|key| key.id).do_nothing().one(&db).await.unwrap().is_none()
        );
        let mut graz = Place::get(2, &db).await.unwrap();
        graz.rank = 20;
        graz.save(&db).await.unwrap();
        graz.update(|p| (p.rank.set(p.rank + 1), p.kind.set("city")), &db).await.unwrap();
        assert_eq!((graz.rank, graz.kind.as_deref()), (21, Some("city")));
        let towns = Place::query().filter(|p| p.kind.eq("town")).update(|p| p.rank.set(0));
        assert_eq!(towns.all(&db).await.unwrap().len(), 2);
        let late = Stop::query().filter(|s| s.place().name.eq("Linz"));
        let moved = late.update(|s| s.at.set(s.place().rank)).exec(&db).await.unwrap();
        assert_eq!(moved, 2);
        graz.reload(&db).await.unwrap();
        assert_eq!(graz.rank, 21);
        let gone = Stop::query().filter(|s| s.place().kind.eq("city")).delete();
        assert_eq!(gone.exec(&db).await.unwrap(), 1);
        Stop::get(("S1".to_owned(), 1), &db).await.unwrap().delete(&db).await.unwrap();
        assert_eq!(Stop::query().count(&db).await.unwrap(), 1);
    });
}

#[test]
fn rows_are_found_and_loaded_under_the_names_of_their_columns() {
    with_database(async |database| {
        let db = filled(database).await;
        let names = async |query: Query<Place>| -> Vec<String> {
            let rows = query.order_by(|p| p.name.desc()).all(&db).await.unwrap();
            rows.into_iter().map(|place| place.name).collect()
        };
        let all = Place::query;
        assert_eq!(
            names(all().filter(|p| p.name.istartswith("w") | p.id.eq(1))).await,
            ["Wels", "Linz"]
        );
        assert_eq!(names(all().filter(|p| p.id.is_in([2, 3]))).await, ["Wels", "Graz"]);
        assert_eq!(names(all().exclude(|p| p.kind.eq("town"))).await, ["Wels"]);
        assert_eq!(names(all().filter(|p| p.rank.between(3, 9))).await, ["Wels", "Linz"]);
        assert_eq!(names(all().filter(|p| p.stops().any(|s| s.at.gt(10)))).await, ["Linz"]);
        assert_eq!(names(all().filter(|p| p.stops().count().eq(0))).await, ["Wels"]);
        assert!(all().filter(|p| p.stops().none(|s| s.line.eq("S9"))).exists(&db).await.unwrap());
        assert_eq!(Place::find(77, &db).await.unwrap().map(|place| place.id), None);

        let places = all()
            .order_by(|p| p.id)
            .include(|p| p.stops().include(|s| s.place()))
            .all(&db)
            .await
            .unwrap();
        let lines: Vec<Vec<&str>> = places
            .iter()
            .map(|p| p.stops.get().unwrap().iter().map(|s| s.line.as_str()).collect())
            .collect();
        assert_eq!(lines, [vec!["S2", "S1"], vec!["S1"], vec![]]);
        assert_eq!(places[0].stops.get().unwrap()[0].place.get().unwrap().name, "Linz");
        let first = all().filter(|p| p.id.eq(1)).include(|p| p.stops().limit(1)).one(&db).await;
        assert_eq!(first.unwrap().stops.get().unwrap().len(), 1);
        let by_place = Stop::query().order_by(|s| (s.place().rank.desc(), s.at)).all(&db).await;
        assert_eq!(by_place.unwrap()[0].line, "S2");
    });
}

#[test]
fn errors_lead_from_the_names_of_constraints_to_the_fields() {
    with_database(async |database| {
        let db = filled(database).await;
        let twice =
            new!(Place { id: 8, name: "Linz", kind: "town" }).insert(&db).await.unwrap_err();
        assert_eq!((twice.kind(), twice.model()), (ErrorKind::Unique, Some("Place")));
        assert!(twice.fields().eq(["name", "kind"]), "{twice}");
        let key = new!(Place { id: 1, name: "x" }).insert(&db).await.unwrap_err();
        assert!(key.is::<Place, _>(|p| p.id), "{key}");
        let lost = new!(Stop { line: "S1", place_id: 99 }).insert(&db).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::ForeignKey);
        assert!(lost.is::<Stop, _>(|s| s.place_id), "{lost}");
        let part = new!(Stop { line: "S1", place_id: 1 }).insert(&db).await.unwrap_err();
        assert!(part.fields().eq(["line", "place_id"]), "{part}");
    });
}
