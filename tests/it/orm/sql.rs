//! The SQL of queries: what it looks like, and that the server takes it.

use stellata::prelude::*;
use stellata_testkit::with_database;

use super::models::*;

fn select(query: &Query<Album>) -> String {
    let sql = query.sql().unwrap();
    let from = sql.find(" from ").unwrap();
    assert!(
        sql.starts_with(
            "select t0.\"id\", t0.\"title\", t0.\"released\", t0.\"how \"\"often\"\"\""
        )
    );
    sql[from + 1..].to_owned()
}

#[test]
fn each_query_has_its_text() {
    let all = Album::query();
    let cases = [
        (all.clone(), "from \"albums\" as t0"),
        (
            all.clone().filter(|a| a.title.eq("x") & (a.plays.gt(5) | !a.live)),
            "from \"albums\" as t0 where t0.\"title\" = $1 and (t0.\"how \"\"often\"\"\" > $2 or not t0.\"live\")",
        ),
        (
            all.clone().filter(|a| a.artist().label().name.eq("x") & a.artist().name.ne("y")),
            "from \"albums\" as t0 left join \"artist\" as t1 on t1.\"id\" = t0.\"artist_id\" \
             left join \"label\" as t2 on t2.\"id\" = t1.\"label_id\" where t2.\"name\" = $1 and t1.\"name\" <> $2",
        ),
        (
            all.clone()
                .filter(|a| a.tracks().any(|t| t.title.eq(a.title) & t.heard().none(|_| true))),
            "from \"albums\" as t0 where exists (select from \"order\" as t1 where t1.\"album_id\" = t0.\"id\" \
             and t1.\"title\" = t0.\"title\" and not exists (select from \"play\" as t2 \
             where t2.\"album_id\" = t1.\"album_id\" and t2.\"position\" = t1.\"position\"))",
        ),
        (
            all.clone().filter(|a| a.tracks().filter(|t| t.position.gt(1)).count().ge(2)),
            "from \"albums\" as t0 where (select count(*) from \"order\" as t1 where t1.\"album_id\" = t0.\"id\" \
             and t1.\"position\" > $1) >= $2",
        ),
        (
            all.clone().filter(|a| a.tracks().all(|t| t.title.ne("x") | t.position.eq(1))),
            "from \"albums\" as t0 where not exists (select from \"order\" as t1 where t1.\"album_id\" = t0.\"id\" \
             and (t1.\"title\" <> $1 or t1.\"position\" = $2) is not true)",
        ),
        (
            all.clone().filter(|a| a.released.is_in([2003, 2013]) & a.title.not_in(["x", "y"])),
            "from \"albums\" as t0 where t0.\"released\" = any($1) and t0.\"title\" <> all($2)",
        ),
        (
            all.clone().exclude(|a| a.released.lt(2000) | a.released.eq(None)),
            "from \"albums\" as t0 where (t0.\"released\" < $1 or t0.\"released\" is null) is not true",
        ),
        (
            all.clone().filter(|a| a.title.lower().contains("a%") & a.title.length().between(1, 9)),
            "from \"albums\" as t0 where lower(t0.\"title\") like $1 and length(t0.\"title\") between $2 and $3",
        ),
        (
            all.clone().filter(|a| ((a.plays + 1) * 2 - (a.plays - 3)).gt(-a.plays)),
            "from \"albums\" as t0 where (t0.\"how \"\"often\"\"\" + $1) * $2 - (t0.\"how \"\"often\"\"\" - $3) \
             > -t0.\"how \"\"often\"\"\"",
        ),
        (
            all.clone()
                .order_by(|a| {
                    (a.released.desc().nulls_last(), a.artist().name, a.title.lower().desc())
                })
                .limit(3)
                .offset(1),
            "from \"albums\" as t0 left join \"artist\" as t1 on t1.\"id\" = t0.\"artist_id\" \
             order by t0.\"released\" desc nulls last, t1.\"name\", lower(t0.\"title\") desc limit $1 offset $2",
        ),
        (
            all.clone().order_by(|a| a.title).reorder(|a| a.id.desc()),
            "from \"albums\" as t0 order by t0.\"id\" desc",
        ),
        (
            all.clone().filter(|a| a.review().is_none() & a.released.is_distinct_from(2003)),
            "from \"albums\" as t0 left join \"review\" as t1 on t1.\"album_id\" = t0.\"id\" \
             where t1.\"album_id\" is null and t0.\"released\" is distinct from $1",
        ),
        (
            all.clone().filter(|a| {
                a.artist().albums().any(|b| b.plays.gt(a.plays) & b.artist().name.ne("x"))
            }),
            "from \"albums\" as t0 left join \"artist\" as t1 on t1.\"id\" = t0.\"artist_id\" \
             where exists (select from \"albums\" as t2 left join \"artist\" as t3 on t3.\"id\" = t2.\"artist_id\" \
             where t2.\"artist_id\" = t1.\"id\" and t2.\"how \"\"often\"\"\" > t0.\"how \"\"often\"\"\" and t3.\"name\" <> $1)",
        ),
        (
            all.clone().filter(|_| true).filter_some(None, |a, n: i64| a.plays.gt(n)),
            "from \"albums\" as t0",
        ),
        (all.clone().filter(|_| false), "from \"albums\" as t0 where false"),
    ];
    with_database(async |database| {
        let db = filled(database).await;
        for (query, text) in cases {
            assert_eq!(select(&query), text);
            query.all(&db).await.unwrap();
        }
    });
}

#[test]
fn each_change_has_its_text() {
    let few = Album::query().filter(|a| a.plays.lt(10));
    let of = Album::query().filter(|a| a.artist().name.eq("Madlib") & a.plays.lt(10));
    assert_eq!(
        few.clone().update(|a| (a.plays.set(a.plays + 1), a.released.set(None))).sql().unwrap(),
        "update \"albums\" as t0 set \"how \"\"often\"\"\" = t0.\"how \"\"often\"\"\" + $2, \"released\" = null \
         where t0.\"how \"\"often\"\"\" < $1"
    );
    assert_eq!(
        of.clone().delete().sql().unwrap(),
        "delete from \"albums\" as t0 where t0.\"how \"\"often\"\"\" < $2 and (t0.\"id\") in (select t1.\"id\" \
         from \"albums\" as t1 left join \"artist\" as t2 on t2.\"id\" = t1.\"artist_id\" where (t2.\"name\" = $1))"
    );
    assert_eq!(
        few.clone().update(|a| a.title.set(a.artist().name)).sql().unwrap(),
        "update \"albums\" as t0 set \"title\" = (select t2.\"name\" from \"albums\" as t1 \
         left join \"artist\" as t2 on t2.\"id\" = t1.\"artist_id\" where t1.\"id\" = t0.\"id\") \
         where t0.\"how \"\"often\"\"\" < $1"
    );
    with_database(async |database| {
        let db = filled(database).await;
        let calm = few.clone().update(|a| (a.plays.set(a.plays + 1), a.released.set(None)));
        assert_eq!(calm.exec(&db).await.unwrap(), 3);
        let named = few.clone().update(|a| a.title.set(a.artist().name));
        let error = named.exec(&db).await.unwrap_err();
        assert_eq!(error.kind(), stellata::ErrorKind::Unique, "{error}");
        Track::query().delete().all_rows().exec(&db).await.unwrap();
        assert_eq!(of.delete().exec(&db).await.unwrap(), 3);
        assert_eq!(Album::query().count(&db).await.unwrap(), 2);
    });
}
