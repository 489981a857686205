//! Writing: inserts, upserts, changes by row and by filter.

use stellata::prelude::*;
use stellata::{ErrorKind, Field};
use stellata_testkit::with_database;

use super::models::*;

#[test]
fn a_new_row_comes_back_with_what_the_database_filled_in() {
    with_database(async |database| {
        let db = empty(database).await;
        let artist = new!(Artist { name: "Madlib" }).insert(&db).await.unwrap();
        assert_eq!((artist.name.as_str(), artist.label_id), ("Madlib", None));
        let album =
            new!(Album { title: "Piñata", artist_id: artist.id }).insert(&db).await.unwrap();
        assert_eq!((album.plays, album.live, album.released), (0, false, None));
        let given = new!(Artist { id: 77, name: "x" }).insert(&db).await.unwrap();
        assert_eq!(given.id, Id::new(77));
    });
}

#[test]
fn many_rows_come_back_in_order() {
    with_database(async |database| {
        let db = empty(database).await;
        let artist = new!(Artist { name: "a" }).insert(&db).await.unwrap();
        let row = |n: i64| new!(Album { title: n.to_string(), plays: n, artist_id: artist.id });
        // All alike: an array for each column.
        let albums = Album::insert_many((0..1000).map(row)).all(&db).await.unwrap();
        assert!(albums.iter().zip(0..).all(|(album, n)| album.plays == n));
        assert!(albums.windows(2).all(|pair| pair[0].id < pair[1].id));
        // Different columns set: a list of values, with defaults.
        let mixed = (1000..1010).map(|n| {
            let mut new = row(n);
            if n % 2 == 0 {
                new.plays = Field::Unset;
                new.released = Field::Set(Some(2000));
            }
            new
        });
        let albums = Album::insert_many(mixed).all(&db).await.unwrap();
        assert_eq!((albums[0].plays, albums[0].released), (0, Some(2000)));
        assert_eq!((albums[1].plays, albums[1].released), (1001, None));
        assert_eq!(Album::insert_many([]).exec(&db).await.unwrap(), 0);
        assert_eq!(Album::insert_many([row(5000)]).exec(&db).await.unwrap(), 1);
        assert_eq!(Album::query().count(&db).await.unwrap(), 1011);
    });
}

#[test]
fn more_parameters_than_a_statement_may_have_are_spread_and_all_or_nothing() {
    with_database(async |database| {
        let db = empty(database).await;
        // char(4) has no array that is known by number, so these go as lists of values.
        let rows =
            |count: u32| (0..count).map(|n| new!(Folder { code: format!("{n:x}"), parent: None }));
        let folders = Folder::insert_many(rows(40_000)).all(&db).await.unwrap();
        assert_eq!(folders.len(), 40_000);
        assert_eq!(folders[39_999].code, "9c3f");
        Folder::query().delete().all_rows().exec(&db).await.unwrap();
        let twice = rows(40_000).chain(rows(1));
        let error = Folder::insert_many(twice).exec(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unique);
        assert_eq!(Folder::query().count(&db).await.unwrap(), 0);
    });
}

#[test]
fn an_upsert_inserts_or_changes() {
    with_database(async |database| {
        let db = filled(database).await;
        let artist = Artist::query().filter(|a| a.name.eq("Madlib")).one(&db).await.unwrap();
        let new = |plays: i64| new!(Album { title: "Quasimoto", plays, artist_id: artist.id });
        let count = |n| {
            Album::upsert(new(n))
                .on(|key| key.artist_id_title)
                .update(|old, new| old.plays.set(old.plays + new.plays))
        };
        let first = count(3).one(&db).await.unwrap();
        assert!(first.inserted && first.row.plays == 3);
        let second = count(4).one(&db).await.unwrap();
        assert!(!second.inserted && second.row.plays == 7 && second.row.id == first.row.id);
        let all = Album::upsert(new(100)).on(|key| key.artist_id_title).update_all().one(&db).await;
        assert_eq!(all.unwrap().row.plays, 100);
        let nothing = Album::upsert(new(5)).on(|key| key.artist_id_title).do_nothing();
        assert!(nothing.one(&db).await.unwrap().is_none());
        let fresh = Artist::upsert(new!(Artist { name: "New" })).on(|key| key.name).do_nothing();
        assert_eq!(fresh.one(&db).await.unwrap().unwrap().name, "New");
        let same = Artist::upsert(new!(Artist { name: "New" })).on(|key| key.name).update_all();
        assert!(!same.one(&db).await.unwrap().inserted);
    });
}

#[test]
fn a_row_is_saved_changed_reloaded_and_deleted() {
    with_database(async |database| {
        let db = filled(database).await;
        let mut album = Album::query().filter(|a| a.title.eq("Drunk")).one(&db).await.unwrap();
        album.plays = 501;
        album.released = None;
        album.save(&db).await.unwrap();
        let mut other = Album::get(album.id, &db).await.unwrap();
        assert_eq!((other.plays, other.released), (501, None));
        other.update(|a| (a.plays.set(a.plays * 2), a.title.set("Sober")), &db).await.unwrap();
        assert_eq!((other.plays, other.title.as_str()), (1002, "Sober"));
        album.reload(&db).await.unwrap();
        assert_eq!(album.plays, 1002);
        let track = Track::get((album.id, 1_i16), &db).await.unwrap();
        track.delete(&db).await.unwrap();
        let error = track.delete(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::NotFound, Some("Track")));
        let mut gone = track.clone();
        gone.title = "still here".to_owned();
        assert_eq!(gone.save(&db).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(gone.reload(&db).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(gone.title, "still here");
    });
}

#[test]
fn rows_are_changed_and_deleted_by_filter() {
    with_database(async |database| {
        let db = filled(database).await;
        let brainfeeder = Album::query().filter(|a| a.artist().label().name.eq("Brainfeeder"));
        let changed =
            brainfeeder.clone().update(|a| a.plays.set(a.plays + 1)).all(&db).await.unwrap();
        let mut plays: Vec<i64> = changed.iter().map(|album| album.plays).collect();
        plays.sort_unstable();
        assert_eq!(plays, [301, 501]);
        let counted = Album::query().filter(|a| a.live | a.tracks().any(|_| true));
        let set = counted.update(|a| a.plays.set(a.tracks().count()));
        assert_eq!(set.exec(&db).await.unwrap(), 4);
        let named = brainfeeder.clone().filter(|a| a.plays.lt(10));
        let set = named.update(|a| a.title.set(a.artist().label().name));
        assert_eq!(set.all(&db).await.unwrap()[0].title, "Brainfeeder");
        let quiet = Play::query().filter(|p| p.track().title.is_null());
        assert_eq!(quiet.delete().exec(&db).await.unwrap(), 2);
        let deleted = Play::query().delete().all_rows().all(&db).await.unwrap();
        assert_eq!(deleted.len(), 3);
    });
}

#[test]
fn a_change_of_all_rows_must_be_said() {
    with_database(async |database| {
        let db = filled(database).await;
        let error = Play::query().delete().exec(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Refused, Some("Play")));
        let folded = Play::query().filter(|_| true).filter_some(None::<i64>, |p, id| p.id.eq(id));
        assert_eq!(folded.delete().exec(&db).await.unwrap_err().kind(), ErrorKind::Refused);
        let error = Album::query().update(|a| a.plays.set(0)).exec(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let limited = Play::query().filter(|p| p.id.gt(0)).limit(1).delete();
        assert_eq!(limited.exec(&db).await.unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(Play::query().count(&db).await.unwrap(), 5);
        assert_eq!(
            Album::query().update(|a| a.plays.set(0)).all_rows().exec(&db).await.unwrap(),
            5
        );
    });
}
