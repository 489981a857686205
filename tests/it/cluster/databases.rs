//! Several databases by name.

use stellata::prelude::*;
use stellata::{Databases, ErrorKind};
use stellata_testkit::{Database, Server, run};

use super::{Note, Remark, TABLES};

/// The same table as that of [`Note`], in another database.
#[derive(Model, Debug, Clone)]
#[model(table = "note", database = "archive")]
struct OldNote {
    #[model(key, identity)]
    id: Id<Note>,
    text: String,
    #[model(has_many = Remark::note_id)]
    remarks: HasMany<Remark>,
}

#[derive(Model, Debug, Clone)]
#[model(database = "archiv")]
struct Lost {
    #[model(key)]
    id: i32,
}

async fn two() -> (Database, Database, Databases) {
    let server = Server::shared().unwrap();
    let (main, archive) = (Database::create(server).unwrap(), Database::create(server).unwrap());
    main.run(TABLES).unwrap();
    archive.run(TABLES).unwrap();
    let databases = Databases::new("main", Db::connect(&main.url()).await.unwrap())
        .with("archive", Db::connect(&archive.url()).await.unwrap());
    (main, archive, databases)
}

fn texts(database: &Database) -> String {
    let rows = database.run("select string_agg(text, ' ' order by id) from note").unwrap();
    rows.into_iter().flatten().flatten().next().unwrap_or_default()
}

#[test]
fn a_model_has_its_own_database_and_a_query_may_have_another() {
    run(async {
        let (main, archive, databases) = two().await;
        new!(Note { text: "new" }).insert(&databases).await.unwrap();
        let old = new!(OldNote { text: "old" }).insert(&databases).await.unwrap();
        assert_eq!((texts(&main), texts(&archive)), ("new".into(), "old".into()));
        assert_eq!(OldNote::get(old.id, &databases).await.unwrap().text, "old");
        assert_eq!(Note::query().one(&databases).await.unwrap().text, "new");
        // For one query.
        assert_eq!(Note::query().one(databases.on("archive").unwrap()).await.unwrap().text, "old");
        let many = ["a", "b"].map(|text| new!(Note { text }));
        Note::insert_many(many).exec(databases.on("archive").unwrap()).await.unwrap();
        OldNote::insert_many(["c", "d"].map(|text| new!(OldNote { text })))
            .exec(&databases)
            .await
            .unwrap();
        assert_eq!((texts(&main), texts(&archive)), ("new".into(), "old a b c d".into()));
        // A transaction is on one database, whatever the models say.
        let archive_db = databases.of::<OldNote>().unwrap();
        archive_db
            .transaction(async |tx| {
                Note::query().update(|n| n.text.set("both")).all_rows().exec(tx).await?;
                OldNote::query().count(tx).await
            })
            .await
            .unwrap();
        assert_eq!(texts(&main), "new");
        assert!(texts(&archive).starts_with("both both"));
        let dynamic: &dyn Executor = &databases;
        assert_eq!(OldNote::query().count(dynamic).await.unwrap(), 5);
        let names: Vec<&str> = databases.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["main", "archive"]);
    });
}

#[test]
fn a_name_that_is_none_is_told_with_those_that_there_are() {
    run(async {
        let (_main, _archive, databases) = two().await;
        let error = databases.on("archiv").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let text = error.to_string();
        assert!(
            text.contains("no database is called `archiv`; there is `main`, `archive`"),
            "{text}"
        );
        let error = Lost::query().all(&databases).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Usage, Some("Lost")));
        assert!(error.to_string().contains("Lost: no database is called `archiv`"), "{error}");
        assert!(databases.of::<Lost>().is_err());
        // A replaced database keeps its place.
        let other = databases.on("archive").unwrap().clone();
        let databases = databases.with("main", other);
        assert_eq!(databases.iter().count(), 2);
        assert_eq!(databases.iter().next().unwrap().0, "main");
    });
}

#[test]
fn what_is_loaded_along_must_be_in_the_same_database() {
    run(async {
        let (_main, _archive, databases) = two().await;
        let across = OldNote::query().include(|n| n.remarks()).all(&databases).await.unwrap_err();
        assert_eq!((across.kind(), across.model()), (ErrorKind::Usage, Some("Remark")));
        assert!(across.to_string().contains("OldNote, which is in another database"), "{across}");
        let note = new!(Note { text: "one" }).insert(&databases).await.unwrap();
        new!(Remark { text: "two", note_id: note.id }).insert(&databases).await.unwrap();
        let with = Note::query().include(|n| n.remarks()).one(&databases).await.unwrap();
        assert_eq!(with.remarks.get().unwrap().len(), 1);
        let archive = databases.on("archive").unwrap();
        assert!(OldNote::query().include(|n| n.remarks()).all(archive).await.unwrap().is_empty());
    });
}
