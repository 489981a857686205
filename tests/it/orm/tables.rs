//! Tables that are made and dropped: all of a schema, or one.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::{Database, with_database};

/// A circle of three, one of them in a schema of its own, with a table that refers to the circle.
#[derive(Model, Debug, Clone)]
#[model(table = "staff.worker")]
struct Worker {
    #[model(key, identity)]
    id: Id<Worker>,
    office_id: Option<Id<Office>>,
    boss_id: Option<Id<Worker>>,
    #[model(belongs_to = office_id)]
    office: BelongsTo<Office>,
    #[model(belongs_to = boss_id)]
    boss: BelongsTo<Worker>,
    #[model(has_many = Badge::worker_id)]
    badges: HasMany<Badge>,
}

#[derive(Model, Debug, Clone)]
struct Office {
    #[model(key, identity)]
    id: Id<Office>,
    firm_id: Option<Id<Firm>>,
    #[model(belongs_to = firm_id)]
    firm: BelongsTo<Firm>,
}

#[derive(Model, Debug, Clone)]
struct Firm {
    #[model(key, identity)]
    id: Id<Firm>,
    founder_id: Option<Id<Worker>>,
    #[model(belongs_to = founder_id)]
    founder: BelongsTo<Worker>,
}

#[derive(Model, Debug, Clone)]
struct Badge {
    #[model(key)]
    number: i64,
    worker_id: Id<Worker>,
    #[model(index)]
    colour: Option<String>,
    #[model(belongs_to = worker_id)]
    worker: BelongsTo<Worker>,
}

fn tables(database: &Database) -> Vec<String> {
    let sql = "select tablename from pg_tables where schemaname in ('public', 'staff') order by 1";
    let rows = database.run(sql).unwrap();
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn foreign_keys(database: &Database) -> Vec<String> {
    let sql = "select conname from pg_constraint where contype = 'f' order by 1";
    let rows = database.run(sql).unwrap();
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

const ALL: [&str; 4] = ["badge", "firm", "office", "worker"];

#[test]
fn all_tables_of_a_circle_are_made_and_dropped() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        let keys = [
            "badge_worker_id_fkey",
            "firm_founder_id_fkey",
            "office_firm_id_fkey",
            "worker_boss_id_fkey",
            "worker_office_id_fkey",
        ];
        // Whatever model comes first, the others follow.
        for schema in [
            Schema::new().model::<Badge>(),
            Schema::new().model::<Firm>().model::<Badge>(),
            Schema::new().only::<Badge>().model::<Worker>(),
        ] {
            db.create_all(&schema).await.unwrap();
            assert_eq!(tables(database), ALL);
            assert_eq!(foreign_keys(database), keys);
            let there = db.create_all(&schema).await.unwrap_err();
            assert_eq!(there.sqlstate().unwrap().as_str(), "42P07");
            let worker = new!(Worker {}).insert(&db).await.unwrap();
            new!(Badge { number: 1, worker_id: worker.id }).insert(&db).await.unwrap();
            db.create_missing(&schema).await.unwrap();
            assert_eq!(Badge::query().count(&db).await.unwrap(), 1, "what is there stays");
            assert_eq!(foreign_keys(database), keys);
            db.drop_all(&schema).await.unwrap();
            assert_eq!(tables(database), [""; 0]);
            db.drop_all(&schema).await.unwrap();
        }
    });
}

#[test]
fn one_table_is_made_and_dropped_alone() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        let badge = Schema::new().only::<Badge>();
        let early = db.create_all(&badge).await.unwrap_err();
        assert_eq!(early.sqlstate().unwrap().as_str(), "3F000", "there is nothing to refer to");
        assert_eq!(tables(database), [""; 0]);
        db.create_all(&Schema::new().model::<Worker>()).await.unwrap();
        db.drop_all(&badge).await.unwrap();
        assert_eq!(tables(database), ["firm", "office", "worker"]);
        db.create_all(&badge).await.unwrap();
        db.create_missing(&badge).await.unwrap();
        assert_eq!(tables(database), ALL);
        let lost = new!(Badge { number: 1, worker_id: 7 }).insert(&db).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::ForeignKey, "the key came with the table");
        // What others refer to is not dropped, and takes nothing with it.
        let held = db.drop_all(&Schema::new().only::<Worker>()).await.unwrap_err();
        assert_eq!(held.sqlstate().unwrap().as_str(), "2BP01");
        assert_eq!(tables(database), ALL);
        // A part of what was dropped is made anew.
        db.drop_all(
            &Schema::new().only::<Badge>().only::<Firm>().only::<Office>().only::<Worker>(),
        )
        .await
        .unwrap();
        db.create_missing(&Schema::new().model::<Office>()).await.unwrap();
        assert_eq!(tables(database), ALL);
    });
}
