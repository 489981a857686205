//! Values on their way there and back: defaults, what is left unset, numbers that do not fit, JSON.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use stellata::prelude::*;
use stellata::{ErrorKind, Field};
use stellata_testkit::with_database;

static NEXT: AtomicI64 = AtomicI64::new(1);

fn next() -> i64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[derive(Model, Debug, Clone)]
struct Parcel {
    #[model(key, identity)]
    id: Id<Parcel>,
    #[model(default = next())]
    ticket: i64,
    #[model(default = "unknown".to_owned())]
    sender: String,
    #[model(default_sql = "'parcel ' || currval('parcel_id_seq')")]
    label: String,
    #[model(default_sql = "5")]
    weight: Option<i32>,
    note: Option<String>,
}

#[test]
fn defaults_of_the_client_run_for_each_row_and_those_of_the_server_come_back() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Parcel>()).await.unwrap();
        let one = new!(Parcel {}).insert(&db).await.unwrap();
        assert_eq!((one.sender.as_str(), one.weight), ("unknown", Some(5)));
        assert_eq!(one.label, format!("parcel {}", one.id));

        let many = Parcel::insert_many((0..50).map(|_| new!(Parcel {}))).all(&db).await.unwrap();
        assert!(many.windows(2).all(|pair| pair[0].ticket < pair[1].ticket), "one for each row");
        assert!(many[0].ticket > one.ticket);
        assert!(many.iter().all(|row| row.label == format!("parcel {}", row.id)));

        let given = new!(Parcel { ticket: -1, sender: "me", label: "x", weight: 9 });
        let given = given.insert(&db).await.unwrap();
        assert_eq!((given.ticket, given.sender.as_str(), given.label.as_str()), (-1, "me", "x"));
        assert_eq!(given.weight, Some(9));
    });
}

#[test]
fn unset_is_not_null() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Parcel>()).await.unwrap();
        let unset = || new!(Parcel { weight: Field::Unset });
        let null = || new!(Parcel { weight: None });
        assert!(!unset().weight.is_set() && null().weight.is_set());
        assert_eq!(unset().insert(&db).await.unwrap().weight, Some(5));
        assert_eq!(null().insert(&db).await.unwrap().weight, None);
        let both = Parcel::insert_many([unset(), null()]).all(&db).await.unwrap();
        assert_eq!((both[0].weight, both[1].weight), (Some(5), None));
        let alike = Parcel::insert_many([null(), null()]).all(&db).await.unwrap();
        assert_eq!((alike[0].weight, alike[1].weight), (None, None));

        // A change leaves alone what it does not name.
        let mut row = new!(Parcel { weight: 3, note: "fragile" }).insert(&db).await.unwrap();
        row.update(|p| p.sender.set("a"), &db).await.unwrap();
        assert_eq!((row.weight, row.note.as_deref()), (Some(3), Some("fragile")));
        row.update(|p| p.note.set(None), &db).await.unwrap();
        assert_eq!((row.weight, row.note.as_deref()), (Some(3), None));
        let nothing = None::<i32>.map(|weight| Parcel::query().update(|p| p.weight.set(weight)));
        assert!(nothing.is_none());
        let one = Parcel::query().filter(|p| p.id.eq(row.id));
        let some = one.clone().update(|p| (None::<i32>.map(|w| p.weight.set(w)), p.note.set("x")));
        assert_eq!(some.all(&db).await.unwrap()[0].weight, Some(3));
        let null = one.update(|p| p.weight.set(None)).all(&db).await.unwrap();
        assert_eq!(null[0].weight, None);

        // So does an upsert of all columns: those of the new row that are set.
        let again = new!(Parcel { id: row.id, note: None });
        let kept = Parcel::upsert(again).on(|key| key.id).update_all().one(&db).await.unwrap();
        assert_eq!((kept.row.weight, kept.row.note), (None, None));
        let again = new!(Parcel { id: row.id, weight: 8 });
        let set = Parcel::upsert(again).on(|key| key.id).update_all().one(&db).await.unwrap();
        assert_eq!((set.row.weight, set.row.note), (Some(8), None));
    });
}

#[derive(Model, Debug, Clone)]
struct Reading {
    #[model(key)]
    id: i64,
    value: Decimal,
}

#[test]
fn numbers_that_a_decimal_can_not_hold_are_refused_and_never_changed() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Reading>()).await.unwrap();
        let odd = [
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "79228162514264337593543950336",
            "1234567890123456789012345678901234567890",
            "0.12345678901234567890123456789",
            "-1e-29",
        ];
        for value in odd {
            database.run(&format!("insert into reading values (1, {value})")).unwrap();
            let error = Reading::get(1, &db).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.model()),
                (ErrorKind::Decode, Some("Reading")),
                "{value}"
            );
            let text = error.to_string();
            assert!(text.contains("`value`") && text.contains("numeric"), "{text}");
            assert_eq!(Reading::query().delete().all_rows().exec(&db).await.unwrap(), 1);
        }
        for value in [
            "79228162514264337593543950335",
            "-79228162514264337593543950335",
            "0.0000000000000000000000000001",
            "7922816251426433759354395.0335",
            "1.10",
            "0",
        ] {
            let decimal: Decimal = value.parse().unwrap();
            let written = new!(Reading { id: 1, value: decimal }).insert(&db).await.unwrap();
            let kept = database.run("select value from reading").unwrap();
            assert_eq!(kept[0][0].as_deref(), Some(value));
            assert_eq!(written.value.to_string(), value);
            Reading::query().delete().all_rows().exec(&db).await.unwrap();
        }
    });
}

#[derive(serde::Serialize, serde::Deserialize, Debug, Clone, PartialEq)]
struct Size {
    width: u32,
    tags: Vec<String>,
    depth: Option<u32>,
}

#[derive(Model, Debug, Clone)]
struct Item {
    #[model(key, identity)]
    id: Id<Item>,
    size: Json<Size>,
    free: Option<Json<serde_json::Value>>,
    #[model(sql_type = "json")]
    raw: Option<Json<serde_json::Value>>,
    list: Vec<Json<serde_json::Value>>,
}

#[test]
fn a_json_null_is_a_value_and_an_sql_null_is_none() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Item>()).await.unwrap();
        let size = Size { width: 3, tags: vec!["a\"ü".to_owned()], depth: None };
        let new = |free: Option<serde_json::Value>| {
            let list = vec![Json(json!(null)), Json(json!([1]))];
            new!(Item {
                size: Json(size.clone()),
                free: free.clone().map(Json),
                raw: free.map(Json),
                list
            })
        };
        let none = new(None).insert(&db).await.unwrap();
        let null = new(Some(json!(null))).insert(&db).await.unwrap();
        let value = json!({"a": [1, null, "x"], "b": {"c": 1.5}});
        let some = new(Some(value.clone())).insert(&db).await.unwrap();
        assert_eq!(some.size.0, size);
        assert_eq!((none.free, none.raw), (None, None));
        assert_eq!((null.free, null.raw), (Some(Json(json!(null))), Some(Json(json!(null)))));
        assert_eq!((some.free, some.raw), (Some(Json(value.clone())), Some(Json(value.clone()))));
        assert_eq!(some.list[0].0, json!(null));
        let told = database
            .run("select free is null, free::text, raw is null, raw::text from item order by id")
            .unwrap();
        let told: Vec<Vec<Option<&str>>> =
            told.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
        assert_eq!(told[0], [Some("t"), None, Some("t"), None]);
        assert_eq!(told[1], [Some("f"), Some("null"), Some("f"), Some("null")]);

        let count = async |query: Query<Item>| query.count(&db).await.unwrap();
        assert_eq!(count(Item::query().filter(|i| i.free.is_null())).await, 1);
        assert_eq!(count(Item::query().filter(|i| i.free.eq(None))).await, 1);
        assert_eq!(count(Item::query().filter(|i| i.free.eq(Json(json!(null))))).await, 1);
        assert_eq!(count(Item::query().filter(|i| i.free.eq(Json(value.clone())))).await, 1);
        let set =
            Item::query().filter(|i| i.id.eq(none.id)).update(|i| i.free.set(Json(json!(null))));
        assert_eq!(set.all(&db).await.unwrap()[0].free, Some(Json(json!(null))));
        let set = Item::query().filter(|i| i.id.eq(none.id)).update(|i| i.free.set(None));
        assert_eq!(set.all(&db).await.unwrap()[0].free, None);

        // A value of another shape is an error that names its column, not a default.
        database.run("update item set size = '{\"width\": -1}'").unwrap();
        let error = Item::get(some.id, &db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("`size`"), "{error}");
    });
}

#[derive(Model, Debug, Clone)]
struct Board {
    #[model(key, identity)]
    id: Id<Board>,
    cells: Vec<Vec<Option<i32>>>,
    names: Option<Vec<Vec<Vec<String>>>>,
}

#[test]
fn arrays_of_several_dimensions_are_fields() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Board>()).await.unwrap();
        let cells = vec![vec![Some(1), None], vec![Some(3), Some(4)]];
        let names = vec![vec![vec!["a".to_owned(), "ü".to_owned()]]];
        let one = new!(Board { cells: cells.clone(), names: names.clone() });
        let one = one.insert(&db).await.unwrap();
        assert_eq!((&one.cells, one.names.as_ref()), (&cells, Some(&names)));
        let many = (1..=300).map(|n| new!(Board { cells: vec![vec![Some(n)]; 2], names: None }));
        let many = Board::insert_many(many).all(&db).await.unwrap();
        assert_eq!(many[299].cells, [[Some(300)], [Some(300)]]);
        let same = Board::query().filter(|b| b.cells.eq(cells.clone()));
        assert_eq!(same.one(&db).await.unwrap().id, one.id);
        let told = database.run("select cells, names from board order by id limit 1").unwrap();
        let told: Vec<_> = told[0].iter().map(Option::as_deref).collect();
        assert_eq!(told, [Some("{{1,NULL},{3,4}}"), Some("{{{a,ü}}}")]);
        let empty = Board::query()
            .filter(|b| b.id.eq(one.id))
            .update(|b| b.cells.set(Vec::<Vec<Option<i32>>>::new()));
        assert!(empty.all(&db).await.unwrap()[0].cells.is_empty());
        // No array is so.
        let ragged = new!(Board { cells: vec![vec![Some(1)], vec![]], names: None });
        let error = ragged.insert(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("not of one length"), "{error}");
        assert_eq!(Board::query().count(&db).await.unwrap(), 301);
    });
}
