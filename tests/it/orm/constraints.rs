//! Constraints and indexes as the server keeps them, and what becomes of rows that others refer to.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::{Database, with_database};

#[derive(Model, Debug, Clone)]
#[allow(clippy::duplicated_attributes, reason = "two keys may share a column")]
#[model(
    unique(city, street),
    unique(city, plot, name = "one plot"),
    index(street, city),
    index(plot, name = "by plot")
)]
struct House {
    #[model(key, identity)]
    id: Id<House>,
    #[model(unique)]
    code: String,
    #[model(index)]
    city: String,
    street: String,
    plot: Option<i32>,
}

/// What the server says of the indexes of a table: name, whether it is unique, columns.
fn indexes(database: &Database, table: &str) -> Vec<String> {
    let sql = format!(
        "select c.relname || case when i.indisunique then ' unique ' else ' ' end || \
         (select string_agg(a.attname, ',' order by k.n) from unnest(i.indkey) with ordinality k(attnum, n) \
          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum) \
         from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid \
         where t.relname = '{table}' order by c.relname collate \"C\""
    );
    let rows = database.run(&sql).unwrap();
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[test]
fn unique_keys_and_indexes_are_made_over_one_column_and_over_several() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<House>()).await.unwrap();
        assert_eq!(
            indexes(database, "house"),
            [
                "by plot plot",
                "house_city_idx city",
                "house_city_street_key unique city,street",
                "house_code_key unique code",
                "house_pkey unique id",
                "house_street_city_idx street,city",
                "one plot unique city,plot",
            ]
        );
        let new = |code: &str, street: &str, plot: Option<i32>| {
            new!(House { code, city: "Wien", street, plot })
        };
        new("a", "Ring", Some(1)).insert(&db).await.unwrap();
        let code = new("a", "Gasse", None).insert(&db).await.unwrap_err();
        assert_eq!(code.kind(), ErrorKind::Unique);
        assert!(code.fields().eq(["code"]), "{code}");
        let street = new("b", "Ring", None).insert(&db).await.unwrap_err();
        assert!(street.fields().eq(["city", "street"]), "{street}");
        let plot = new("c", "Gasse", Some(1)).insert(&db).await.unwrap_err();
        assert!(plot.fields().eq(["city", "plot"]), "by the name that was given: {plot}");
        new("d", "Gasse", None).insert(&db).await.unwrap();
        new("e", "Platz", None).insert(&db).await.unwrap();
    });
}

#[derive(Model, Debug, Clone)]
#[model(
    table = "a_table_with_a_name_that_is_nearly_as_long_as_a_name_can_be",
    unique(the_first_of_two_columns, the_second_of_two_columns),
    index(the_first_of_two_columns)
)]
struct Long {
    #[model(key, identity)]
    id: Id<Long>,
    #[model(unique)]
    the_first_of_two_columns: i32,
    #[model(unique)]
    the_second_of_two_columns: i32,
    other_id: Option<Id<Long>>,
    another_id: Option<Id<Long>>,
    #[model(belongs_to = other_id)]
    other: BelongsTo<Long>,
    #[model(belongs_to = another_id)]
    another: BelongsTo<Long>,
}

#[test]
fn long_names_stay_apart_and_lead_back_to_their_fields() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        let schema = || Schema::new().model::<Long>();
        db.create_all(&schema()).await.unwrap();
        assert_eq!(schema().create_sql(), schema().create_sql());
        // Made again they find each other by name: what is cut, is cut here and not by the server.
        db.create_missing(&schema()).await.unwrap();
        let names = database
            .run(
                "select conname from pg_constraint where conrelid = \
                 'a_table_with_a_name_that_is_nearly_as_long_as_a_name_can_be'::regclass and contype <> 'n' \
                 union select relname from pg_class where relkind = 'i' and relname like 'a\\_table%'",
            )
            .unwrap();
        let names: Vec<&str> = names.iter().map(|row| row[0].as_deref().unwrap()).collect();
        assert_eq!(names.len(), 7, "{names:?}");
        let text = schema().create_sql().unwrap().concat();
        for name in names {
            assert!(name.len() <= 63 && text.contains(&format!("\"{name}\"")), "{name}");
        }

        let new = |first: i32, second: i32| {
            new!(Long { the_first_of_two_columns: first, the_second_of_two_columns: second })
        };
        new(1, 1).insert(&db).await.unwrap();
        let first = new(1, 2).insert(&db).await.unwrap_err();
        assert!(first.fields().eq(["the_first_of_two_columns"]), "{first}");
        let second = new(2, 1).insert(&db).await.unwrap_err();
        assert!(second.fields().eq(["the_second_of_two_columns"]), "{second}");
        let mut lost = new(3, 3);
        lost.another_id = stellata::Field::Set(Some(Id::new(77)));
        let lost = lost.insert(&db).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::ForeignKey);
        assert!(lost.fields().eq(["another_id"]), "{lost}");
    });
}

#[derive(Model, Debug, Clone)]
struct Owner {
    #[model(key)]
    id: i64,
}

/// A row for each thing that can happen to it.
#[derive(Model, Debug, Clone)]
struct Held {
    #[model(key)]
    id: i64,
    refused: Option<i64>,
    restricted: Option<i64>,
    followed: Option<i64>,
    emptied: Option<i64>,
    #[model(default_sql = "1")]
    reset: i64,
    #[model(belongs_to = refused)]
    a: BelongsTo<Owner>,
    #[model(belongs_to = restricted, on_delete = restrict, on_update = restrict)]
    b: BelongsTo<Owner>,
    #[model(belongs_to = followed, on_delete = cascade, on_update = cascade)]
    c: BelongsTo<Owner>,
    #[model(belongs_to = emptied, on_delete = set_null, on_update = set_null)]
    d: BelongsTo<Owner>,
    #[model(belongs_to = reset, on_delete = set_default, on_update = set_default)]
    e: BelongsTo<Owner>,
}

async fn held(database: &Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Held>()).await.unwrap();
    Owner::insert_many((1..=9).map(|id| new!(Owner { id }))).exec(&db).await.unwrap();
    Held::insert_many([
        new!(Held { id: 1, refused: 2 }),
        new!(Held { id: 2, restricted: 3 }),
        new!(Held { id: 3, followed: 4 }),
        new!(Held { id: 4, emptied: 5 }),
        new!(Held { id: 5, reset: 6 }),
    ])
    .exec(&db)
    .await
    .unwrap();
    db
}

#[test]
fn a_foreign_key_does_on_delete_what_was_declared() {
    with_database(async |database| {
        let db = held(database).await;
        let delete =
            async |id: i64| Owner::query().filter(|o| o.id.eq(id)).delete().exec(&db).await;
        for (id, field) in [(2, "refused"), (3, "restricted")] {
            let error = delete(id).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ForeignKey, "{error}");
            assert_eq!(error.sqlstate().unwrap().class(), "23");
            assert!(error.to_string().contains(field), "{error}");
        }
        for id in [4, 5, 6] {
            assert_eq!(delete(id).await.unwrap(), 1);
        }
        assert!(Held::find(3, &db).await.unwrap().is_none(), "cascade");
        assert_eq!(Held::get(4, &db).await.unwrap().emptied, None, "set null");
        assert_eq!(Held::get(5, &db).await.unwrap().reset, 1, "set default");
        assert_eq!(Owner::query().count(&db).await.unwrap(), 6);
    });
}

#[test]
fn a_foreign_key_does_on_update_what_was_declared() {
    with_database(async |database| {
        let db = held(database).await;
        let rename = async |id: i64| {
            let owner = Owner::query().filter(|o| o.id.eq(id));
            owner.update(|o| o.id.set(id + 100)).exec(&db).await
        };
        for id in [2, 3] {
            assert_eq!(rename(id).await.unwrap_err().kind(), ErrorKind::ForeignKey);
        }
        for id in [4, 5, 6] {
            assert_eq!(rename(id).await.unwrap(), 1);
        }
        assert_eq!(Held::get(3, &db).await.unwrap().followed, Some(104), "cascade");
        assert_eq!(Held::get(4, &db).await.unwrap().emptied, None, "set null");
        assert_eq!(Held::get(5, &db).await.unwrap().reset, 1, "set default");
    });
}

#[derive(Model, Debug, Clone)]
struct Node {
    #[model(key)]
    id: i64,
    parent_id: Option<i64>,
    #[model(belongs_to = parent_id, on_delete = cascade)]
    parent: BelongsTo<Node>,
    #[model(has_many = Self::parent_id)]
    children: HasMany<Node>,
    #[model(has_many = Leaf::node_id)]
    leaves: HasMany<Leaf>,
}

#[derive(Model, Debug, Clone)]
struct Leaf {
    #[model(key)]
    id: i64,
    node_id: i64,
    keeper: Option<i64>,
    #[model(belongs_to = node_id, on_delete = cascade)]
    node: BelongsTo<Node>,
    #[model(belongs_to = keeper, on_delete = restrict)]
    kept: BelongsTo<Owner>,
    #[model(has_many = Mark::leaf_id)]
    marks: HasMany<Mark>,
}

#[derive(Model, Debug, Clone)]
struct Mark {
    #[model(key)]
    id: i64,
    leaf_id: Option<i64>,
    #[model(belongs_to = leaf_id, on_delete = set_null)]
    leaf: BelongsTo<Leaf>,
}

/// Two trees of 30 nodes in a line, each with a leaf, each of which has a mark.
async fn trees(database: &Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Node>()).await.unwrap();
    new!(Owner { id: 1 }).insert(&db).await.unwrap();
    let nodes = [0, 100].into_iter().flat_map(|root| (root..root + 30).map(move |id| (root, id)));
    let nodes = nodes.map(|(root, id)| new!(Node { id, parent_id: (id > root).then_some(id - 1) }));
    Node::insert_many(nodes).exec(&db).await.unwrap();
    let ids = || (0..30).chain(100..130);
    Leaf::insert_many(ids().map(|id| new!(Leaf { id, node_id: id }))).exec(&db).await.unwrap();
    Mark::insert_many(ids().map(|id| new!(Mark { id, leaf_id: id }))).exec(&db).await.unwrap();
    db
}

#[test]
fn a_delete_follows_the_rules_to_the_last_row() {
    with_database(async |database| {
        let db = trees(database).await;
        Node::get(10, &db).await.unwrap().delete(&db).await.unwrap();
        assert_eq!(Node::query().filter(|n| n.id.lt(100)).count(&db).await.unwrap(), 10);
        assert_eq!(Leaf::query().filter(|l| l.id.lt(100)).count(&db).await.unwrap(), 10);
        let unmarked = Mark::query().filter(|m| m.leaf_id.is_null());
        assert_eq!(unmarked.count(&db).await.unwrap(), 20);
        assert_eq!(Mark::query().count(&db).await.unwrap(), 60, "the marks stay");
        assert_eq!(Node::query().filter(|n| n.id.ge(100)).count(&db).await.unwrap(), 30);

        // From the other side: nothing happens to what a row refers to.
        Leaf::get(5, &db).await.unwrap().delete(&db).await.unwrap();
        assert!(Node::find(5, &db).await.unwrap().is_some());
        assert_eq!(Mark::get(5, &db).await.unwrap().leaf_id, None);
    });
}

#[test]
fn a_rule_that_refuses_at_the_end_of_the_way_refuses_the_whole_delete() {
    with_database(async |database| {
        let db = trees(database).await;
        let owner = Owner::get(1, &db).await.unwrap();
        let mut leaf = Leaf::get(129, &db).await.unwrap();
        leaf.update(|l| l.keeper.set(1), &db).await.unwrap();
        assert_eq!(owner.delete(&db).await.unwrap_err().kind(), ErrorKind::ForeignKey);
        Node::get(100, &db).await.unwrap().delete(&db).await.unwrap();
        owner.delete(&db).await.unwrap();
        assert_eq!(Leaf::query().filter(|l| l.id.ge(100)).count(&db).await.unwrap(), 0);
    });
}
