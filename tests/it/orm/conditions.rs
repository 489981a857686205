//! Conditions: every comparison, trees of any depth, queries as values, and bounds that count main rows.

use stellata::prelude::*;
use stellata::{Cond, ErrorKind, Path};
use stellata_testkit::with_database;

use super::models::*;

#[derive(Model, Debug, Clone)]
struct Point {
    #[model(key)]
    id: i64,
    n: Option<i32>,
    word: Option<String>,
}

async fn points(database: &stellata_testkit::Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Point>()).await.unwrap();
    let rows = [
        (1, Some(10), Some("a")),
        (2, Some(20), Some("b")),
        (3, Some(30), None),
        (4, None, Some("a")),
    ];
    Point::insert_many(rows.map(|(id, n, word)| {
        let word = word.map(str::to_owned);
        new!(Point { id, n, word })
    }))
    .exec(&db)
    .await
    .unwrap();
    db
}

#[test]
fn every_comparison_finds_its_rows() {
    with_database(async |database| {
        let db = points(database).await;
        type Compare = fn(PointFields<Point>) -> Cond<Point>;
        let cases: [(&str, Compare, &[i64]); 26] = [
            ("eq", |p| p.n.eq(20), &[2]),
            ("eq none", |p| p.n.eq(None), &[4]),
            ("ne", |p| p.n.ne(20), &[1, 3]),
            ("ne none", |p| p.n.ne(None), &[1, 2, 3]),
            ("lt", |p| p.n.lt(20), &[1]),
            ("le", |p| p.n.le(20), &[1, 2]),
            ("gt", |p| p.n.gt(20), &[3]),
            ("ge", |p| p.n.ge(20), &[2, 3]),
            ("lt none", |p| p.n.lt(None), &[]),
            ("in", |p| p.n.is_in([10, 30, 99]), &[1, 3]),
            ("in texts", |p| p.word.is_in(["a", "'; --"]), &[1, 4]),
            ("in none", |p| p.n.is_in([None, Some(10)]), &[1]),
            ("in nothing", |p| p.n.is_in([0_i32; 0]), &[]),
            ("not in", |p| p.n.not_in([10, 30]), &[2]),
            ("not in nothing", |p| p.n.not_in([0_i32; 0]), &[1, 2, 3, 4]),
            ("is null", |p| p.n.is_null(), &[4]),
            ("is not null", |p| p.n.is_not_null(), &[1, 2, 3]),
            ("between", |p| p.n.between(10, 20), &[1, 2]),
            ("between turned round", |p| p.n.between(20, 10), &[]),
            ("distinct", |p| p.n.is_distinct_from(20), &[1, 3, 4]),
            ("distinct from none", |p| p.n.is_distinct_from(None), &[1, 2, 3]),
            ("not distinct", |p| p.n.is_not_distinct_from(20), &[2]),
            ("not distinct from none", |p| p.n.is_not_distinct_from(None), &[4]),
            ("a column with itself", |p| p.n.is_not_distinct_from(p.n), &[1, 2, 3, 4]),
            ("text", |p| p.word.gt("a"), &[2]),
            ("text of the user", |p| p.word.eq("' or true; --"), &[]),
        ];
        for (what, compare, want) in cases {
            let found = Point::query().filter(compare).order_by(|p| p.id).all(&db).await.unwrap();
            assert_eq!(found.iter().map(|p| p.id).collect::<Vec<_>>(), want, "{what}");
            // The exact complement.
            let rest = Point::query().exclude(compare).count(&db).await.unwrap();
            assert_eq!(usize::try_from(rest).unwrap(), 4 - want.len(), "exclude {what}");
        }
    });
}

/// A condition and what it says of a row, made by one walk.
fn tree(seed: &mut u64, depth: u32, point: (i64, Option<i32>)) -> (Cond<Point>, Option<bool>) {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let draw = *seed >> 33;
    let p = Point::fields::<Point>(Path::default());
    if depth == 0 {
        let n = i32::try_from(draw % 40).unwrap();
        return match draw % 5 {
            0 => (p.id.le(i64::from(n % 5)), Some(point.0 <= i64::from(n % 5))),
            1 => (p.n.gt(n), point.1.map(|own| own > n)),
            2 => (p.n.is_null(), Some(point.1.is_none())),
            3 => (Cond::from(n % 2 == 0), Some(n % 2 == 0)),
            _ => (p.n.ne(n), point.1.map(|own| own != n)),
        };
    }
    let (left, said) = tree(seed, depth - 1, point);
    if draw.is_multiple_of(3) {
        return (!left, said.map(|said| !said));
    }
    let (right, also) = tree(seed, depth - 1, point);
    if draw % 3 == 1 {
        let both = match (said, also) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        (left & right, both)
    } else {
        let either = match (said, also) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
        (left | right, either)
    }
}

#[test]
fn trees_of_conditions_mean_what_they_say() {
    with_database(async |database| {
        let db = points(database).await;
        for round in 0..300_u64 {
            let depth = u32::try_from(round % 7).unwrap();
            for point in [(1, Some(10)), (3, Some(30)), (4, None)] {
                let (cond, said) = tree(&mut (round + 1), depth, point);
                let query = Point::query().filter(|p| p.id.eq(point.0)).filter(|_| cond);
                let found = query.exists(&db).await.unwrap();
                assert_eq!(
                    found,
                    said == Some(true),
                    "round {round}: {query:?}",
                    query = query_of(round, depth, point)
                );
            }
        }
    });
}

fn query_of(round: u64, depth: u32, point: (i64, Option<i32>)) -> Query<Point> {
    Point::query().filter(|_| tree(&mut (round + 1), depth, point).0)
}

#[test]
fn conditions_may_be_deep_and_as_wide_as_they_get() {
    with_database(async |database| {
        let db = points(database).await;
        let p = Point::fields::<Point>(Path::default());
        let wide = (0..20_000).fold(Cond::never(), |cond: Cond<Point>, n| cond | p.n.eq(n));
        assert_eq!(Point::query().filter(|_| wide).count(&db).await.unwrap(), 3);
        let right = (0..5_000).fold(Cond::always(), |cond: Cond<Point>, n| p.id.gt(-n) & cond);
        assert_eq!(Point::query().filter(|_| right).count(&db).await.unwrap(), 4);
        let deep = |count: i64| {
            (0..count).fold(Cond::always(), |cond: Cond<Point>, n| {
                if n % 2 == 0 { cond & p.id.gt(-n) } else { p.id.gt(5) | cond }
            })
        };
        assert_eq!(Point::query().filter(|_| deep(900)).count(&db).await.unwrap(), 4);
        // What is too deep for a stack is an error, not the end of the program.
        let error = Point::query().filter(|_| deep(20_000)).count(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let sum = (0..5_000).fold(p.id + 0, |sum, _| sum + 1);
        let error = Point::query().filter(|_| sum.gt(0)).count(&db).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(Point::query().count(&db).await.unwrap(), 4);
    });
}

#[test]
fn conditions_fold_and_optional_filters_need_no_box() {
    let all = Point::query().sql().unwrap();
    let sql =
        |cond: fn(PointFields<Point>) -> Cond<Point>| Point::query().filter(cond).sql().unwrap();
    let kept = sql(|p| p.id.eq(1));
    assert_eq!(sql(|p| p.id.eq(1) & true), kept);
    assert_eq!(sql(|p| p.id.eq(1) | false), kept);
    assert_eq!(sql(|p| Cond::always() & p.id.eq(1)), kept);
    assert_eq!(sql(|p| Cond::never() | p.id.eq(1)), kept);
    assert_eq!(sql(|p| p.id.eq(1) | true), all);
    assert_eq!(sql(|p| !(p.id.eq(1) & false)), all);
    assert_eq!(sql(|p| p.id.eq(1) & false), sql(|_| Cond::never()));
    // What stays is of one type, however it came about.
    let search = |n: Option<i32>, word: Option<&str>| {
        Point::query().filter_some(n, |p, n| p.n.ge(n)).filter_some(word, |p, word| p.word.eq(word))
    };
    assert_eq!(search(None, None).sql().unwrap(), all);
    with_database(async |database| {
        let db = points(database).await;
        assert_eq!(search(None, None).count(&db).await.unwrap(), 4);
        assert_eq!(search(Some(20), None).count(&db).await.unwrap(), 2);
        assert_eq!(search(Some(10), Some("a")).count(&db).await.unwrap(), 1);
        assert_eq!(Point::query().filter(|p| p.id.eq(1) & false).count(&db).await.unwrap(), 0);
    });
}

#[test]
fn a_query_made_from_another_leaves_it_as_it_was() {
    with_database(async |database| {
        let db = filled(database).await;
        let parent = Album::query().filter(|a| a.plays.ge(7)).order_by(|a| a.title);
        let text = parent.sql().unwrap();
        let before = parent.clone().all(&db).await.unwrap().len();
        let derived = [
            parent.clone().filter(|a| a.live),
            parent.clone().exclude(|a| a.live),
            parent.clone().filter_some(Some(1), |a, n| a.plays.gt(n)),
            parent.clone().order_by(|a| a.plays.desc()),
            parent.clone().reorder(|a| a.id),
            parent.clone().limit(1),
            parent.clone().offset(2),
        ];
        for query in &derived {
            assert_ne!(query.sql().unwrap(), text);
            query.clone().all(&db).await.unwrap();
        }
        let loaded = parent.clone().include(|a| a.artist()).all(&db).await.unwrap();
        assert!(loaded[0].artist.is_loaded());
        assert_eq!(parent.clone().delete().sql().unwrap(), parent.clone().delete().sql().unwrap());
        let _ = parent.clone().update(|a| a.plays.set(0));
        assert_eq!(parent.sql().unwrap(), text);
        let after = parent.clone().all(&db).await.unwrap();
        assert_eq!(after.len(), before);
        assert!(!after[0].artist.is_loaded(), "nothing of the other's relations");

        // Conditions, sort keys and handles of relations are values as well.
        let loud = Album::fields::<Album>(Path::default()).plays.gt(7);
        let (one, other) = (loud.clone() & true, !loud.clone());
        let count =
            async |cond: Cond<Album>| Album::query().filter(|_| cond).count(&db).await.unwrap();
        assert_eq!((count(loud).await, count(one).await, count(other).await), (3, 3, 2));
    });
}

#[test]
fn bounds_count_main_rows_whatever_is_asked_of_or_loaded_with_them() {
    with_database(async |database| {
        let db = filled(database).await;
        // Drunk has three tracks: joined to them it would be three rows.
        let all = Album::query()
            .filter(|a| {
                a.tracks().any(|t| t.position.ge(1)) | a.artist().albums().any(|b| b.plays.gt(0))
            })
            .order_by(|a| (a.tracks().count().desc(), a.id))
            .include(|a| (a.tracks(), a.artist().include(|r| r.albums())));
        let titles = async |query: Query<Album>| -> Vec<String> {
            query.all(&db).await.unwrap().into_iter().map(|album| album.title).collect()
        };
        let whole = titles(all.clone()).await;
        assert_eq!(whole.len(), 5);
        for offset in 0..=5 {
            for limit in 0..=3 {
                let page = all.clone().offset(offset).limit(limit);
                let want = whole.iter().skip(usize::try_from(offset).unwrap());
                let want: Vec<&String> = want.take(usize::try_from(limit).unwrap()).collect();
                assert_eq!(titles(page.clone()).await.iter().collect::<Vec<_>>(), want);
                assert_eq!(page.count(&db).await.unwrap(), want.len() as u64);
            }
        }
        let first = all.limit(1).one(&db).await.unwrap();
        assert_eq!(first.title, "Drunk");
        assert_eq!(first.tracks.get().unwrap().len(), 3, "the bound is not for the children");
        assert_eq!(first.artist.get().unwrap().albums.get().unwrap().len(), 2);
    });
}

#[derive(Model, Debug, Clone)]
struct Word {
    #[model(key)]
    text: String,
    #[model(sql_type = "varchar(20)")]
    short: Option<String>,
}

#[test]
fn wildcards_in_a_text_that_is_searched_for_are_letters() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Word>()).await.unwrap();
        let words = ["50%", "50x", "A_b", "axb", "c\\d", "c\\\\d", "%", "_", "\\", "Übel"];
        Word::insert_many(words.map(|text| new!(Word { text, short: text })))
            .exec(&db)
            .await
            .unwrap();
        type Search = fn(WordFields<Word>, &str) -> Cond<Word>;
        type Rule = fn(&str, &str) -> bool;
        let cases: [(&str, Search, Rule); 9] = [
            ("eq", |w, t| w.text.eq(t), |text, t| text == t),
            ("iexact", |w, t| w.text.iexact(t), |text, t| text.to_lowercase() == t.to_lowercase()),
            ("contains", |w, t| w.text.contains(t), |text, t| text.contains(t)),
            (
                "icontains",
                |w, t| w.text.icontains(t),
                |text, t| text.to_lowercase().contains(&t.to_lowercase()),
            ),
            ("startswith", |w, t| w.text.startswith(t), |text, t| text.starts_with(t)),
            (
                "istartswith",
                |w, t| w.text.istartswith(t),
                |text, t| text.to_lowercase().starts_with(&t.to_lowercase()),
            ),
            ("endswith", |w, t| w.short.endswith(t), |text, t| text.ends_with(t)),
            (
                "iendswith",
                |w, t| w.short.iendswith(t),
                |text, t| text.to_lowercase().ends_with(&t.to_lowercase()),
            ),
            (
                "lower",
                |w, t| w.short.lower().contains(t),
                |text, t| text.to_lowercase().contains(t),
            ),
        ];
        for term in
            ["%", "_", "\\", "\\\\", "0%", "0x", "a_B", "A_", "_b", "x", "\\d", "üBEL", "", "\\%"]
        {
            for (what, search, rule) in &cases {
                let found = Word::query().filter(|w| search(w, term)).all(&db).await.unwrap();
                let mut found: Vec<String> = found.into_iter().map(|word| word.text).collect();
                let mut want: Vec<&str> =
                    words.into_iter().filter(|word| rule(word, term)).collect();
                found.sort();
                want.sort_unstable();
                assert_eq!(found, want, "{what} {term:?}");
            }
        }
    });
}

#[test]
fn text_is_matched_by_regular_expressions() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Word>()).await.unwrap();
        let words = ["aab", "AAB", "b", "x.y", "xzy"];
        Word::insert_many(words.map(|text| new!(Word { text, short: text })))
            .exec(&db)
            .await
            .unwrap();
        let found = async |cond: fn(WordFields<Word>) -> Cond<Word>| -> Vec<String> {
            let query = Word::query().filter(cond).order_by(|w| w.text.lower());
            query.all(&db).await.unwrap().into_iter().map(|word| word.text).collect()
        };
        assert_eq!(found(|w| w.text.regex("^a+b$")).await, ["aab"]);
        assert_eq!(found(|w| w.text.iregex("^a+b$")).await.len(), 2);
        assert_eq!(found(|w| w.text.regex("x.y")).await, ["x.y", "xzy"]);
        assert_eq!(found(|w| w.short.regex("x[.]y")).await, ["x.y"]);
        assert_eq!(found(|w| !w.short.lower().regex("[a-w]")).await, ["x.y", "xzy"]);
        let wrong = Word::query().filter(|w| w.text.regex("(")).all(&db).await.unwrap_err();
        assert_eq!(wrong.sqlstate().unwrap().as_str(), "2201B");
    });
}
