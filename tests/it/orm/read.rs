//! Reading: what a query finds.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::with_database;

use super::models::*;

async fn titles(query: Query<Album>, on: &impl Executor) -> Vec<String> {
    query.order_by(|a| a.id).all(on).await.unwrap().into_iter().map(|album| album.title).collect()
}

#[test]
fn rows_come_by_key_by_condition_and_in_order() {
    with_database(async |database| {
        let db = filled(database).await;
        let drunk = Album::query().filter(|a| a.title.eq("Drunk")).one(&db).await.unwrap();
        assert_eq!((drunk.released, drunk.plays, drunk.live), (Some(2017), 500, false));
        assert_eq!(Album::get(drunk.id, &db).await.unwrap().title, "Drunk");
        assert_eq!(Album::find(-1, &db).await.unwrap().map(|album| album.id), None);
        let track = Track::get((drunk.id, 2_i16), &db).await.unwrap();
        assert_eq!(track.title, "Captain Stupido");

        let by_year = Album::query().order_by(|a| (a.released.desc().nulls_last(), a.title));
        let years: Vec<_> =
            by_year.clone().all(&db).await.unwrap().into_iter().map(|a| a.released).collect();
        assert_eq!(years, [Some(2017), Some(2013), Some(2003), None, None]);
        assert_eq!(
            by_year.clone().offset(1).first(&db).await.unwrap().unwrap().title,
            "Apocalypse"
        );
        assert!(by_year.clone().limit(0).all(&db).await.unwrap().is_empty());
        assert!(by_year.clone().limit(0).first(&db).await.unwrap().is_none());
        assert_eq!(by_year.clone().limit(2).count(&db).await.unwrap(), 2);
        assert_eq!(by_year.clone().limit(u64::MAX).count(&db).await.unwrap(), 5);
        assert!(by_year.clone().offset(4).exists(&db).await.unwrap());
        assert!(!by_year.offset(5).exists(&db).await.unwrap());
    });
}

#[test]
fn one_row_is_neither_none_nor_several() {
    with_database(async |database| {
        let db = filled(database).await;
        let error = Album::query().filter(|a| a.live).one(&db).await.unwrap_err();
        assert_eq!((error.kind(), error.model()), (ErrorKind::Multiple, Some("Album")));
        let error = Album::query().filter(|a| a.plays.lt(0)).one(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = Track::get((Id::new(77), 1_i16), &db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.fields().eq(["album_id", "position"]));
        assert!(error.to_string().starts_with("Track: no row with this album_id, position"));
        assert!(error.caller().unwrap().file().ends_with("read.rs"), "{error}");
    });
}

#[test]
fn text_is_matched_letter_by_letter() {
    with_database(async |database| {
        let db = filled(database).await;
        let odd = "100% Live_\\o/";
        let all = Album::query;
        assert_eq!(titles(all().filter(|a| a.title.contains("% Live_\\")), &db).await, [odd]);
        assert_eq!(titles(all().filter(|a| a.title.startswith("100%")), &db).await, [odd]);
        assert_eq!(titles(all().filter(|a| a.title.endswith("_\\o/")), &db).await, [odd]);
        assert_eq!(titles(all().filter(|a| a.title.istartswith("DR")), &db).await, ["Drunk"]);
        assert_eq!(
            titles(all().filter(|a| a.title.iendswith("BLUE")), &db).await,
            ["Shades of Blue"]
        );
        assert_eq!(titles(all().filter(|a| a.title.icontains("calyp")), &db).await, ["Apocalypse"]);
        assert_eq!(titles(all().filter(|a| a.title.like("100_%")), &db).await.len(), 2);
        assert_eq!(titles(all().filter(|a| a.title.upper().eq("DRUNK")), &db).await, ["Drunk"]);
    });
}

#[test]
fn null_follows_the_rules_that_are_written_down() {
    with_database(async |database| {
        let db = filled(database).await;
        let count = async |query: Query<Album>| query.count(&db).await.unwrap();
        let all = Album::query;
        assert_eq!(count(all().filter(|a| a.released.eq(None))).await, 2);
        assert_eq!(count(all().filter(|a| a.released.ne(None))).await, 3);
        assert_eq!(count(all().filter(|a| a.released.ne(2017))).await, 2);
        assert_eq!(count(all().filter(|a| a.released.is_distinct_from(2017))).await, 4);
        assert_eq!(count(all().filter(|a| a.released.gt(None))).await, 0);
        assert_eq!(count(all().filter(|a| a.released.gt(2010))).await, 2);
        assert_eq!(count(all().exclude(|a| a.released.gt(2010))).await, 3);
        assert_eq!(count(all().filter(|a| !a.released.gt(2010))).await, 1);
        assert_eq!(count(all().filter(|a| a.released.is_in(Vec::<i32>::new()))).await, 0);
        assert_eq!(count(all().filter(|a| a.released.not_in(Vec::<i32>::new()))).await, 5);
        assert_eq!(count(all().filter(|a| a.released.is_in([2003, 2013]))).await, 2);
        assert_eq!(count(all().filter(|a| a.released.coalesce(0).eq(0))).await, 2);
        assert_eq!(count(all().filter(|a| a.released.between(2003, 2013))).await, 2);
    });
}

#[test]
fn conditions_reach_across_relations() {
    with_database(async |database| {
        let db = filled(database).await;
        let all = Album::query;
        let found = titles(all().filter(|a| a.artist().label().name.eq("Brainfeeder")), &db).await;
        assert_eq!(found, ["Drunk", "Apocalypse"]);
        let found =
            titles(all().filter(|a| a.tracks().any(|t| t.heard().count().ge(2))), &db).await;
        assert_eq!(found, ["Drunk"]);
        let found = titles(all().filter(|a| a.tracks().all(|t| t.position.eq(1))), &db).await;
        assert_eq!(found, ["Apocalypse", "Shades of Blue", "100% Live_\\o/", "1000 Live"]);
        let found = titles(all().filter(|a| a.review().stars.ge(5) | a.plays.eq(7)), &db).await;
        assert_eq!(found, ["Drunk", "100% Live_\\o/"]);
        let louder = all().filter(|a| a.artist().albums().none(|b| b.plays.gt(a.plays)));
        assert_eq!(titles(louder, &db).await, ["Drunk", "1000 Live"]);
        let nobody = Artist::query().filter(|a| a.label().is_none()).one(&db).await.unwrap();
        assert_eq!(nobody.name, "Nobody");
        let none = Artist::query().filter(|a| a.albums().count().eq(0)).all(&db).await.unwrap();
        assert_eq!(none.len(), 1);
        let sorted =
            Artist::query().order_by(|a| a.albums().count().desc()).first(&db).await.unwrap();
        assert_eq!(sorted.unwrap().name, "Madlib");
    });
}

#[test]
fn columns_of_types_without_a_number_are_compared() {
    with_database(async |database| {
        let db = empty(database).await;
        for (code, parent) in [("root", None), ("a", Some("root")), ("b", Some("root"))] {
            let parent = parent.map(str::to_owned);
            new!(Folder { code, parent }).insert(&db).await.unwrap();
        }
        assert_eq!(Folder::get("a", &db).await.unwrap().code, "a   ");
        let found =
            Folder::query().filter(|f| f.code.is_in(["a", "b", "x"])).all(&db).await.unwrap();
        assert_eq!(found.len(), 2);
    });
}

#[test]
fn queries_are_values_and_run_on_any_executor() {
    async fn on_dyn(on: &dyn Executor) -> u64 {
        Album::query().count(on).await.unwrap()
    }
    with_database(async |database| {
        let db = filled(database).await;
        let live = Album::query().filter(|a| a.live);
        let loud = live.clone().filter(|a| a.plays.gt(7));
        assert_eq!(live.count(&db).await.unwrap(), 2);
        assert_eq!(loud.count(&db).await.unwrap(), 1);
        assert_eq!(on_dyn(&db).await, 5);
        db.transaction(async |tx| {
            assert_eq!(on_dyn(tx).await, 5);
            Ok::<_, stellata::Error>(())
        })
        .await
        .unwrap();
    });
}

#[test]
fn sql_by_hand_is_read_into_tuples_and_models() {
    with_database(async |database| {
        let db = filled(database).await;
        let rows: Vec<(String, i64)> = db
            .sql("select a.name, count(*) from artist a join albums b on b.artist_id = a.id where b.live = $1 group by 1")
            .bind(true)
            .all()
            .await
            .unwrap();
        assert_eq!(rows, [("Madlib".to_owned(), 2)]);
        let label: Label =
            db.sql("select * from label order by id").first().await.unwrap().unwrap();
        assert_eq!(label.name, "Brainfeeder");
        assert_eq!(db.sql("update label set name = name || '!'").exec().await.unwrap(), 2);
        let (one,): (i32,) = db.sql("select $1 + 1").bind(1_i32).one().await.unwrap();
        assert_eq!(one, 2);
        let error = db.sql("select nmae from label").exec().await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert!(text.contains("\n  select nmae from label\n         ^"), "{text}");
        assert!(error.caller().unwrap().file().ends_with("read.rs"));
        let error = db.sql("select id, name from label").one::<(i64, String)>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Multiple);
        let error = db.sql("select name from label").all::<(i64,)>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        db.transaction(async |tx| {
            assert_eq!(tx.sql("delete from label where false").exec().await?, 0);
            Ok::<_, stellata::Error>(())
        })
        .await
        .unwrap();
    });
}
