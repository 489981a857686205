//! Errors that know the model.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::with_database;

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
        let error = new!(Label { name: "a\0b" }).insert(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let error = Label::query().filter(|l| l.name.contains("\0")).all(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
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
