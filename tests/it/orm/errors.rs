//! Errors that know the model.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::{SCRAM_USER, Server, with_database};

use super::models::*;

#[test]
fn a_violated_constraint_names_model_and_fields() {
    with_database(async |database| {
        let db = filled(database).await;
        let drunk = Album::query().filter(|a| a.title.eq("Drunk")).one(&db).await.unwrap();
        let twice = new!(Album { title: "Drunk", artist_id: drunk.artist_id });
        let error = twice.insert(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Unique, Some("Album")));
        assert!(error.fields().eq(["artist_id", "title"]));
        assert!(error.is::<Album, _>(|a| a.title) && !error.is::<Album, _>(|a| a.id));
        assert!(!error.is::<Artist, _>(|a| a.name));
        assert_eq!(error.sqlstate().unwrap().as_str(), "23505");
        let text = error.to_string();
        assert!(
            text.starts_with("Album: a row with this artist_id, title is there already"),
            "{text}"
        );
        assert!(text.contains("errors.rs:"), "{text}");
        assert!(!text.contains("Drunk"), "no value of the row: {text}");

        let lost = new!(Album { title: "x", artist_id: 12345 }).insert(&db).await.unwrap_err();
        assert_eq!((lost.kind(), lost.model()), (ErrorKind::ForeignKey, Some("Album")));
        assert!(lost.fields().eq(["artist_id"]));

        let kept = drunk.delete(&db).await.unwrap_err();
        assert_eq!(kept.kind(), ErrorKind::ForeignKey);
        assert!(
            kept.to_string().starts_with("Album: rows of Track still refer to it by album_id"),
            "{kept}"
        );

        let key = new!(Review { album_id: drunk.id, stars: 1 }).insert(&db).await.unwrap_err();
        assert_eq!((key.kind(), key.model()), (ErrorKind::Unique, Some("Review")));
        assert!(key.is::<Review, _>(|r| r.album_id));
    });
}

#[test]
fn a_value_that_can_not_be_written_is_refused_before_anything_is_sent() {
    with_database(async |database| {
        let db = filled(database).await;
        let nul = || new!(Artist { name: "a\0b", label_id: None });
        let one = nul().insert(&db).await.unwrap_err();
        let many = Artist::insert_many([nul(), nul()]).exec(&db).await.unwrap_err();
        let mut unlike = nul();
        unlike.id = stellata::Field::Set(Id::new(77));
        let unlike = Artist::insert_many([nul(), unlike]).all(&db).await.unwrap_err();
        let upsert = || Artist::upsert(nul()).on(|a| a.name);
        let update = upsert().update_all().one(&db).await.unwrap_err();
        let nothing = upsert().do_nothing().one(&db).await.unwrap_err();
        let mut artist = Artist::query().first(&db).await.unwrap().unwrap();
        artist.name = "\0".to_owned();
        let saved = artist.save(&db).await.unwrap_err();
        for error in [one, many, unlike, update, nothing, saved] {
            assert_eq!((error.kind(), error.model()), (ErrorKind::Usage, Some("Artist")));
            assert!(error.is::<Artist, _>(|a| a.name), "{error}");
            assert!(error.to_string().starts_with("Artist.name: "), "{error}");
            assert!(error.caller().is_some_and(|at| at.file().ends_with("errors.rs")), "{error}");
        }
        let error = Label::query().filter(|l| l.name.contains("\0")).all(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Usage, Some("Label")));
        let long = "x".repeat(81);
        let error = new!(Album { title: long, artist_id: 1 }).insert(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Database, Some("Album")));
    });
}

#[test]
fn a_table_that_does_not_fit_is_told_with_its_column() {
    with_database(async |database| {
        let db = filled(database).await;
        assert_eq!(Review::query().count(&db).await.unwrap(), 1);
        database.run("alter table review alter stars type text").unwrap();
        let error = Review::query().all(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Decode, Some("Review")));
        let text = error.to_string();
        assert!(
            text.contains("`stars`") && text.contains("text") && text.contains("i32"),
            "{text}"
        );
        database.run("alter table review drop stars").unwrap();
        let error = Review::query().all(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[2].find('^').unwrap();
        assert!(lines[1][caret..].starts_with("t0.\"stars\""), "{text}");
    });
}

#[derive(Model, Debug, Clone)]
struct Node {
    #[model(key)]
    id: i32,
    parent_id: Option<i32>,
    #[model(belongs_to = parent_id)]
    parent: BelongsTo<Node>,
    #[model(has_many = Node::parent_id)]
    children: HasMany<Node>,
}

#[test]
fn a_row_that_refers_to_its_own_table_is_told_from_one_that_is_referred_to() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Node>()).await.unwrap();
        let root = new!(Node { id: 1 }).insert(&db).await.unwrap();
        let mut child = new!(Node { id: 2, parent_id: 1 }).insert(&db).await.unwrap();

        let orphan = new!(Node { id: 3, parent_id: 9 }).insert(&db).await.unwrap_err();
        let kept = root.delete(&db).await.unwrap_err();
        let all = Node::query().filter(|n| n.id.eq(1)).delete().exec(&db).await.unwrap_err();
        // The statement may have changed either end.
        let moved = child.update(|n| n.parent_id.set(9), &db).await.unwrap_err();
        let renamed = Node::query().filter(|n| n.id.eq(1)).update(|n| n.id.set(5));
        let renamed = renamed.exec(&db).await.unwrap_err();
        database.run("alter table node drop constraint node_parent_id_fkey").unwrap();
        database
            .run(
                "alter table node add constraint node_parent_id_fkey foreign key (parent_id) \
                 references node (id) on update restrict",
            )
            .unwrap();
        let restricted = Node::query().filter(|n| n.id.eq(1)).update(|n| n.id.set(5));
        let restricted = restricted.exec(&db).await.unwrap_err();

        let there = "Node.parent_id refers to a row that is not there: ";
        let still = "Node: rows of Node still refer to it by parent_id: ";
        let either = "Node.parent_id would refer to a row that is not there, or rows that still";
        // Before version 18 a restriction has the code of the others.
        let by_code = restricted.sqlstate().unwrap().as_str() == "23001";
        for (error, text) in [
            (orphan, there),
            (kept, still),
            (all, still),
            (moved, either),
            (renamed, either),
            (restricted, if by_code { still } else { either }),
        ] {
            assert_eq!((error.kind(), error.model()), (ErrorKind::ForeignKey, Some("Node")));
            assert!(error.fields().eq(["parent_id"]), "{error}");
            assert!(error.to_string().starts_with(text), "{text}: {error}");
        }
    });
}

#[test]
fn who_may_not_log_in_and_what_is_not_there_is_told_with_the_code_of_the_server() {
    with_database(async |database| {
        let away = Db::connect(&database.endpoint().url("nowhere at all")).await.unwrap_err();
        assert_eq!(away.kind(), ErrorKind::Connection, "{away}");
        assert_eq!(away.sqlstate().unwrap().as_str(), "3D000", "{away}");
        if Server::shared().is_ok_and(Server::is_own) {
            let wrong = database.tcp().with_user(SCRAM_USER, Some("not the password"));
            let refused = Db::connect(&wrong.url(database.name())).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Connection, "{refused}");
            assert_eq!(refused.sqlstate().unwrap().as_str(), "28P01", "{refused}");
            assert!(!format!("{refused:?}").contains("not the password"), "{refused:?}");
        }
    });
}

async fn by_question_mark(db: &Db) -> stellata::Result<i32> {
    let mut connection = db.pool().acquire().await?;
    let (one,): (i32,) = connection.query_one("select 1", ()).await?;
    connection.execute("select nothing", ()).await?;
    Ok(one)
}

#[test]
fn errors_of_the_client_and_of_the_pool_become_those_of_models_by_a_question_mark() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        let error = by_question_mark(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.sql()), (ErrorKind::Database, Some("select nothing")));
        assert_eq!(error.sqlstate().unwrap().as_str(), "42703");
        db.pool().close();
        assert_eq!(by_question_mark(&db).await.unwrap_err().kind(), ErrorKind::Connection);
    });
}

#[test]
fn what_cant_be_reached_is_told() {
    with_database(async |database| {
        let error = Db::connect("postgres://nobody@127.0.0.1:1/none").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
        let error = Db::connect("nonsense").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        let db = empty(database).await;
        db.pool().close();
        assert_eq!(Label::query().all(&db).await.unwrap_err().kind(), ErrorKind::Connection);
    });
}
