//! Relations that are loaded along.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::with_database;

use super::models::*;

#[test]
fn a_graph_of_every_kind_of_relation_is_loaded() {
    with_database(async |database| {
        let db = filled(database).await;
        let labels = Label::query()
            .order_by(|l| l.id)
            .include(|l| {
                l.artists().include(|a| {
                    a.albums().include(|b| {
                        (
                            b.artist().include(|a| a.label()),
                            b.tracks().order_by(|t| t.position.desc()),
                            b.review(),
                        )
                    })
                })
            })
            .all(&db)
            .await
            .unwrap();
        let thundercat = &labels[0].artists.get().unwrap()[0];
        let albums = thundercat.albums.get().unwrap();
        let titles: Vec<&str> = albums.iter().map(|album| album.title.as_str()).collect();
        assert_eq!(titles, ["Apocalypse", "Drunk"], "in the order that the relation declares");
        let drunk = &albums[1];
        assert_eq!(drunk.artist.get().unwrap().name, "Thundercat");
        assert_eq!(drunk.artist.get().unwrap().label.get().unwrap().name, "Brainfeeder");
        let positions: Vec<i16> = drunk.tracks.get().unwrap().iter().map(|t| t.position).collect();
        assert_eq!(positions, [3, 2, 1]);
        assert_eq!(drunk.review.get().unwrap().stars, 5);
        assert!(albums[0].review.find().unwrap().is_none());
        assert_eq!(albums[0].review.get().unwrap_err().kind(), ErrorKind::NotFound);
        assert!(albums[0].tracks.get().unwrap().is_empty());
        assert_eq!(labels[1].artists.get().unwrap()[0].albums.get().unwrap().len(), 3);
        assert!(
            std::ptr::eq(albums[0].artist.get().unwrap(), albums[1].artist.get().unwrap()),
            "rows that point to one row share it"
        );
    });
}

#[test]
fn a_graph_without_rows_is_no_error() {
    with_database(async |database| {
        let db = empty(database).await;
        let none =
            Album::query().include(|a| (a.artist(), a.tracks().include(|t| t.heard()))).all(&db);
        assert!(none.await.unwrap().is_empty());
    });
}

#[test]
fn nothing_of_one_graph_is_left_for_the_next() {
    with_database(async |database| {
        let db = filled(database).await;
        for (name, albums) in [("Madlib", 3), ("Nobody", 0), ("Thundercat", 2)] {
            let query =
                Artist::query().filter(|a| a.name.eq(name)).include(|a| (a.albums(), a.label()));
            let artist = query.one(&db).await.unwrap();
            assert_eq!(artist.albums.get().unwrap().len(), albums);
            assert_eq!(artist.label.find().unwrap().is_some(), name != "Nobody");
        }
    });
}

#[test]
fn each_row_gets_its_own_first_few() {
    with_database(async |database| {
        let db = filled(database).await;
        let artists = Artist::query()
            .order_by(|a| a.name)
            .include(|a| {
                a.albums()
                    .filter(|b| b.plays.gt(0) & b.artist().name.ne("x"))
                    .order_by(|b| b.plays.desc())
                    .limit(1)
                    .include(|b| b.tracks().limit(2).order_by(|t| t.position))
            })
            .all(&db)
            .await
            .unwrap();
        let titles: Vec<Vec<&str>> = artists
            .iter()
            .map(|a| a.albums.get().unwrap().iter().map(|b| b.title.as_str()).collect())
            .collect();
        assert_eq!(titles, [vec!["1000 Live"], vec![], vec!["Drunk"]]);
        assert_eq!(artists[2].albums.get().unwrap()[0].tracks.get().unwrap().len(), 2);
    });
}

#[test]
fn keys_of_several_columns_and_keys_that_lead_nowhere() {
    with_database(async |database| {
        let db = filled(database).await;
        let plays = Play::query().order_by(|p| p.id).include(|p| p.track().include(|t| t.album()));
        let plays = plays.all(&db).await.unwrap();
        let titles: Vec<Option<&str>> = plays
            .iter()
            .map(|play| play.track.find().unwrap().map(|track| track.title.as_str()))
            .collect();
        assert_eq!(titles, [Some("Rabbot Ho"), Some("Rabbot Ho"), Some("Uh Uh"), None, None]);
        assert_eq!(plays[0].track.get().unwrap().album.get().unwrap().title, "Drunk");
        let tracks = Track::query().order_by(|t| (t.album_id, t.position)).include(|t| t.heard());
        let heard: Vec<usize> =
            tracks.all(&db).await.unwrap().iter().map(|t| t.heard.get().unwrap().len()).collect();
        assert_eq!(heard, [2, 0, 1, 0]);
    });
}

#[test]
fn rows_of_one_model_nest_in_each_other() {
    with_database(async |database| {
        let db = empty(database).await;
        for (code, parent) in
            [("root", None), ("a", Some("root")), ("b", Some("root")), ("c", Some("a"))]
        {
            new!(Folder { code, parent: parent.map(str::to_owned) }).insert(&db).await.unwrap();
        }
        let root = Folder::query()
            .filter(|f| f.parent.is_null())
            .include(|f| (f.up(), f.inside().include(|f| (f.up(), f.inside()))))
            .one(&db)
            .await
            .unwrap();
        let inside = root.inside.get().unwrap();
        assert_eq!(inside.iter().map(|f| f.code.trim()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(inside[1].inside.get().unwrap()[0].code.trim(), "c");
        assert_eq!(inside[0].up.get().unwrap().code, "root");
        assert!(root.up.find().unwrap().is_none());
    });
}

#[test]
fn what_was_not_loaded_is_an_error_that_names_it() {
    with_database(async |database| {
        let db = filled(database).await;
        let album = Album::query().order_by(|a| a.id).first(&db).await.unwrap().unwrap();
        for error in [
            album.tracks.get().unwrap_err(),
            album.artist.get().map(drop).unwrap_err(),
            album.review.find().map(drop).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.model()), (ErrorKind::NotLoaded, Some("Album")));
        }
        assert!(
            album.tracks.get().unwrap_err().to_string().contains("Album.tracks was not loaded")
        );
    });
}

#[test]
fn what_can_not_be_loaded_is_refused() {
    with_database(async |database| {
        let db = filled(database).await;
        let error = Album::query().include(|a| a.artist().albums()).all(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        let outer = Artist::query()
            .include(|a| a.albums().filter(|b| b.title.eq(a.name)))
            .all(&db)
            .await
            .unwrap_err();
        assert_eq!(outer.kind(), ErrorKind::Usage);
        assert!(outer.to_string().contains("only its own rows"), "{outer}");
        assert!(Album::query().exists(&db).await.unwrap());
    });
}
