//! `tsvector` and `tsquery`.

use proptest::prelude::*;
use stellata_protocol::types::text_search::{Lexeme, Term, TsQuery, TsVector, Weight, Weights};
use stellata_testkit::Database;

use super::printed::{connect, drawn, edges, read, refuses, written};

const VECTORS: [&str; 44] = [
    "",
    "a",
    "a b",
    "b a",
    "a a",
    "A a",
    "a:1",
    "a:1A",
    "a:1B",
    "a:1C",
    "a:1D",
    "a:1,2,3",
    "a:3,2,1",
    "a:1,1A",
    "a:1A,1",
    "a:1C,1B",
    "a:16383",
    "a:16384",
    "a:99999",
    "a:16382,16383",
    "a:1 b:2 c:3",
    "a b:2 c",
    "'it''s'",
    "'a b'",
    "' '",
    r"'\\'",
    r"'a\\b'",
    r"'\''",
    "'a:1'",
    "'a,b':1",
    "é",
    "ß ss",
    "😀:7A",
    "日本語:1 日本:2",
    "ab a abc",
    "a:1 a:2",
    "a a:2A a:1",
    "'!'",
    "'&':1 '|':2",
    "0 1 10 2",
    "-1 +1",
    "z:1,2B,3C,4A,5D",
    "'\t' '\n'",
    "x.y/z@w",
];

const QUERIES: [&str; 50] = [
    "a",
    "A",
    "'a b'",
    "'it''s'",
    r"'\\'",
    "a:A",
    "a:B",
    "a:C",
    "a:D",
    "a:AB",
    "a:DCBA",
    "a:*",
    "a:*A",
    "a:A*",
    "a & b",
    "a | b",
    "!a",
    "!!a",
    "!!!a",
    "a <-> b",
    "a <0> b",
    "a <1> b",
    "a <2> b",
    "a <16384> b",
    "a & b & c",
    "a & (b & c)",
    "a | b | c",
    "a | (b | c)",
    "a & b | c",
    "a & (b | c)",
    "(a | b) & c",
    "!(a & b)",
    "!(a | b)",
    "!(a <-> b)",
    "!a & !b",
    "!a <-> b",
    "a <-> !b",
    "a <-> b <-> c",
    "a <-> (b <-> c)",
    "(a <2> b) <3> c",
    "a <2> (b <3> c)",
    "(a & b) <-> c",
    "a <-> (b & c)",
    "a <-> (b | c) <-> d",
    "!(a <-> (b <-> c))",
    "(a | b) & (c | d)",
    "é & 日本語 | 😀",
    "'&' | '!'",
    "!(!(a & b) & !c) <-> d",
    "a:*ABCD <-> b:B & !c:*",
];

#[stellata_testkit::test]
async fn documents_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    edges::<TsVector>(&mut connection, "tsvector", &VECTORS).await;
    drawn(&mut connection, any_vector()).await;
    // At the server's limits: the longest lexeme, the most positions, the most of all.
    let most = (1..=256).fold(Lexeme::new("a"), Lexeme::at);
    let largest: TsVector = (0..513).map(|n| Lexeme::new(format!("{n:02047}"))).collect();
    written(&mut connection, "tsvector", vec![[most].into_iter().collect(), largest]).await;
    refuses(&mut connection, "tsvector", "''").await;
    refuses(&mut connection, "tsvector", "a:0").await;
    refuses(&mut connection, "tsvector", &"a".repeat(2048)).await;
}

#[stellata_testkit::test]
async fn a_document_that_we_made_is_found(database: &Database) {
    let mut connection = connect(database).await;
    let document: TsVector = [
        Lexeme::new("rat").at(3),
        Lexeme::new("cat").weighted(2, Weight::A),
        Lexeme::new("fat").at(1),
        Lexeme::new("cat").at(5),
    ]
    .into_iter()
    .collect();
    let cat = || TsQuery::from(Term::new("ca").prefix().weights(Weight::A));
    for (query, is_found) in [
        (cat(), true),
        (TsQuery::from(Term::new("rat").weights(Weight::A | Weight::B)), false),
        (TsQuery::term("fat").followed_by(TsQuery::term("cat")), true),
        (TsQuery::term("fat").followed_by(TsQuery::term("rat")), false),
        (TsQuery::term("fat").phrase(2, TsQuery::term("rat")).and(cat()), true),
        (TsQuery::term("dog").or(TsQuery::term("cat")), true),
        (cat().and(TsQuery::term("dog").not()), true),
        (cat().not(), false),
    ] {
        let (found,): (bool,) = connection
            .query_one("select $1::tsvector @@ $2::tsquery", (&document, &query))
            .await
            .unwrap();
        assert_eq!(found, is_found, "{query}");
    }
    let (made,): (TsVector,) = connection
        .query_one("select to_tsvector('simple', 'the fat cat, the rat and the other rat')", ())
        .await
        .unwrap();
    let rat = made.get("rat").unwrap();
    assert_eq!(rat.positions.iter().map(|position| position.place).collect::<Vec<_>>(), [5, 9]);
    assert_eq!(made.lexemes().len(), 6);
}

#[stellata_testkit::test]
async fn queries_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    edges::<TsQuery>(&mut connection, "tsquery", &QUERIES).await;
    drawn(&mut connection, any_query()).await;
    let long = (1..1000).fold(TsQuery::term("w0"), |all, n| all.or(TsQuery::term(format!("w{n}"))));
    written(&mut connection, "tsquery", vec![long]).await;
    refuses(&mut connection, "tsquery", "a <16385> b").await;
    refuses(&mut connection, "tsquery", &"a".repeat(2048)).await;
}

#[stellata_testkit::test]
async fn the_empty_query_is_read_and_refused_before_it_is_sent(database: &Database) {
    let mut connection = connect(database).await;
    let empty = read::<TsQuery>(&mut connection, "tsquery", &["", "  "]).await;
    assert!(empty.iter().all(|(query, text)| query.is_empty() && text.is_empty()));
    let error = connection.query_one::<(i32,)>("select numnode($1::tsquery)", (&empty[0].0,)).await;
    assert!(error.unwrap_err().to_string().contains("empty tsquery"));
}

fn weight() -> impl Strategy<Value = Weight> {
    prop::sample::select(vec![Weight::A, Weight::B, Weight::C, Weight::D])
}

fn lexeme() -> impl Strategy<Value = String> {
    prop_oneof!["[^\0]{1,8}", "[a-c' \\\\&|!:*<>()-]{1,4}"]
}

fn any_vector() -> impl Strategy<Value = TsVector> {
    let positions = prop::collection::vec((1..16_384_u16, weight()), 0..6);
    let lexeme = (lexeme(), positions).prop_map(|(text, positions)| {
        positions
            .into_iter()
            .fold(Lexeme::new(text), |lexeme, (place, weight)| lexeme.weighted(place, weight))
    });
    prop::collection::vec(lexeme, 0..12).prop_map(TsVector::from_iter)
}

fn any_query() -> impl Strategy<Value = TsQuery> {
    let weights = prop::collection::vec(weight(), 0..3).prop_map(Weights::from_iter);
    let leaf = (lexeme(), any::<bool>(), weights).prop_map(|(text, is_prefix, weights)| {
        let term = Term::new(text).weights(weights);
        TsQuery::from(if is_prefix { term.prefix() } else { term })
    });
    leaf.prop_recursive(6, 32, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(TsQuery::not),
            pair.clone().prop_map(|(left, right)| left.and(right)),
            pair.clone().prop_map(|(left, right)| left.or(right)),
            (pair, prop_oneof![0..4_u16, 0..=16_384_u16])
                .prop_map(|((left, right), distance)| left.phrase(distance, right)),
        ]
    })
}
