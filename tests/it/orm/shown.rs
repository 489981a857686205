//! What an error shows, and what it keeps to itself.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::with_database;

use super::models::*;

#[test]
fn an_error_of_the_server_keeps_its_code_words_and_place_and_the_line_that_asked() {
    with_database(async |database| {
        let db = filled(database).await;
        let sql = "select a.title\n  from albums a where a.titel = $1";
        let (line, asked) = (line!(), db.sql(sql).bind("secret"));
        let error = asked.exec().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert_eq!(error.sqlstate().unwrap().as_str(), "42703");
        assert_eq!(
            error.server().unwrap().hint(),
            Some("Perhaps you meant to reference the column \"a.title\".")
        );
        let caller = error.caller().unwrap();
        assert!(caller.file().ends_with("shown.rs") && caller.line() == line, "{caller}");
        let text = error.to_string();
        assert!(text.contains("\n    from albums a where a.titel = $1\n"), "{text}");
        assert!(text.contains(&format!("\n  {}^\n", " ".repeat(22))), "{text}");
        assert!(text.contains("\n  hint: Perhaps"), "{text}");
        assert!(text.contains(&format!("shown.rs:{line}:")), "{text}");

        database.run("alter table label add constraint short check (length(name) < 20)").unwrap();
        let new = new!(Label { name: "a secret that is far too long" });
        let (line, inserted) = (line!(), new.insert(&db));
        let error = inserted.await.unwrap_err();
        assert_eq!((error.kind(), error.sqlstate().unwrap().as_str()), (ErrorKind::Check, "23514"));
        assert_eq!(error.caller().unwrap().line(), line);
        let server = error.server().unwrap();
        assert_eq!((server.constraint(), server.table()), (Some("short"), Some("label")));
        assert!(server.detail().unwrap().contains("secret"), "the detail is kept for who asks");
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    });
}

#[test]
fn no_password_and_no_parameter_is_in_an_error() {
    with_database(async |database| {
        let mut texts = Vec::new();
        // What a program logs: the error in every form, and the words of what it came from.
        let mut note = |error: stellata::Error| {
            texts.push(format!("{error} {error:?} {error:#?}"));
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                texts.push(inner.to_string());
                source = inner.source();
            }
        };
        for url in [
            "postgres://me:hunter2@127.0.0.1:1/x",
            "postgres://me:hunter2@127.0.0.1:port/x",
            "postgres://me:hunter2@[::1/x",
            "postgres://me:hunter2@host:99999/x?what=1",
            "postgres://me:hunter2%zz@host/x",
            "host=127.0.0.1 password=hunter2 user=me",
            "mysql://me:hunter2@host/x",
        ] {
            note(Db::connect(url).await.unwrap_err());
        }
        let db = filled(database).await;
        note(db.sql("select $1::int4 + 'x'").bind("hunter2").exec().await.unwrap_err());
        note(db.sql("select $1").bind("hunter2\0").exec().await.unwrap_err());
        let artist = Artist::query().first(&db).await.unwrap().unwrap();
        new!(Album { title: "hunter2", artist_id: artist.id }).insert(&db).await.unwrap();
        note(new!(Album { title: "hunter2", artist_id: artist.id }).insert(&db).await.unwrap_err());
        note(new!(Label { name: "hunter2\0" }).insert(&db).await.unwrap_err());
        note(Label::query().filter(|l| l.name.contains("hunter2\0")).all(&db).await.unwrap_err());
        assert!(texts.len() >= 12);
        for text in texts {
            assert!(!text.contains("hunter2"), "{text}");
        }
    });
}
