//! Known texts, and texts and bytes that are none.

use super::*;
use proptest::prelude::*;

use crate::types::catalog::UserType;
use crate::types::numeric::Numeric;
use crate::types::proof::encode;
use crate::types::times::date::Date;
use crate::types::times::interval::Interval;
use crate::types::{ArrayRef, Encode, IsNull};

#[track_caller]
fn is_text<T: Encode>(oid: Oid, text: &str, value: &T) {
    let raw = encode(oid, value).unwrap();
    let mut printed = String::new();
    to_text(oid, &Catalog::new(), &raw, &mut printed).unwrap();
    assert_eq!(printed, text);
    let mut parsed = Buffer::new();
    from_text(oid, &Catalog::new(), text, &mut parsed).unwrap();
    assert_eq!(parsed.as_slice(), raw, "{text}");
    assert_eq!(has_text(oid, &Catalog::new()), Ok(()));
}

fn is_refused(oid: Oid, text: &str) {
    let found =
        from_text(oid, &Catalog::new(), text, &mut Buffer::new()).map_err(|error| error.kind());
    assert_eq!(found, Err(ErrorKind::InvalidValue), "{text}");
}

#[test]
fn values_are_printed_as_the_server_does() {
    is_text(Oid::BOOL, "t", &true);
    is_text(Oid::INT8, "-9223372036854775808", &i64::MIN);
    is_text(Oid::FLOAT8, "-Infinity", &f64::NEG_INFINITY);
    is_text(Oid::FLOAT4, "1.5", &1.5_f32);
    is_text(Oid::TEXT, "a\tb", &"a\tb");
    is_text(Oid::BYTEA, "\\x00ff10", &vec![0_u8, 255, 16]);
    is_text(Oid::DATE, "0044-03-15 BC", &"0044-03-15 BC".parse::<Date>().unwrap());
    is_text(Oid::INTERVAL, "-1 days +02:00:00", &"-1 days +02:00:00".parse::<Interval>().unwrap());
    is_text(Oid::NUMERIC, "NaN", &"NaN".parse::<Numeric>().unwrap());
    let raw: Vec<u8> = (0..16).collect();
    let mut text = String::new();
    to_text(Oid::UUID, &Catalog::new(), &raw, &mut text).unwrap();
    assert_eq!(text, "00010203-0405-0607-0809-0a0b0c0d0e0f");
    let mut back = Buffer::new();
    from_text(Oid::UUID, &Catalog::new(), &text, &mut back).unwrap();
    assert_eq!(back.as_slice(), raw);
    for (oid, text) in [
        (Oid::BOOL, "true"),
        (Oid::INT4, "1 "),
        (Oid::INT2, "40000"),
        (Oid::BYTEA, "abc"),
        (Oid::BYTEA, "\\xabc"),
        (Oid::UUID, "00010203"),
        (Oid::DATE, "03/15/2024"),
    ] {
        is_refused(oid, text);
    }
}

#[test]
fn arrays_are_printed_as_the_server_does() {
    is_text(Oid::INT4_ARRAY, "{1,NULL,3}", &vec![Some(1), None, Some(3)]);
    is_text(Oid::INT4_ARRAY, "{}", &Vec::<i32>::new());
    let texts = vec!["", "null", "a b", "{", "\"\\", "plain", "ä,"];
    is_text(Oid::TEXT_ARRAY, r#"{"","null","a b","{","\"\\",plain,"ä,"}"#, &texts);
    let mut raw = Buffer::new();
    from_text(Oid::INT4_ARRAY, &Catalog::new(), "[0:1][-2:-1]={{1,2},{3,NULL}}", &mut raw).unwrap();
    let array = ArrayRef::<Option<i32>>::decode(Oid::INT4_ARRAY, raw.as_slice()).unwrap();
    assert_eq!(array.dimensions().len(), 2);
    let mut text = String::new();
    to_text(Oid::INT4_ARRAY, &Catalog::new(), raw.as_slice(), &mut text).unwrap();
    assert_eq!(text, "[0:1][-2:-1]={{1,2},{3,NULL}}");
    for text in [
        "",
        "{",
        "{1",
        "{1,}",
        "{1}}",
        "{{1},2}",
        "{{1},{2,3}}",
        "{1,{2}}",
        "{{{{{{{1}}}}}}}",
        "1",
        "[0:1]{1}",
        "[0:1][0:1]={1,2}",
        "{\"1}",
        "{{}}",
    ] {
        is_refused(Oid::INT4_ARRAY, text);
    }
}

const PAIR: Oid = Oid(16_400);
const TREE: Oid = Oid(16_401);
const TREES: Oid = Oid(16_402);
const TAGS: Oid = Oid(16_403);
const SPAN: Oid = Oid(16_404);
const WORD: Oid = Oid(16_405);

/// A composite, one that holds an array of itself, an extension's type, a range over texts, and a domain.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    let attribute = |name: &str, oid| Attribute { name: name.into(), oid };
    let mut insert = |oid, name: &str, kind| {
        catalog.insert(UserType { oid, schema: "public".into(), name: name.into(), kind });
    };
    let attributes = [attribute("n", Oid::INT4), attribute("t", WORD)].into();
    insert(PAIR, "pair", TypeKind::Composite { attributes });
    let attributes = [attribute("name", Oid::TEXT), attribute("below", TREES)].into();
    insert(TREE, "tree", TypeKind::Composite { attributes });
    insert(TREES, "_tree", TypeKind::Array { element: TREE });
    insert(TAGS, "hstore", TypeKind::Base { is_text: false });
    insert(SPAN, "span", TypeKind::Range { subtype: Oid::TEXT });
    insert(WORD, "word", TypeKind::Domain { base: Oid::TEXT });
    catalog
}

/// These bytes are printed so, and read back.
fn prints(oid: Oid, raw: &[u8], text: &str) {
    let catalog = catalog();
    assert_eq!(has_text(oid, &catalog), Ok(()), "{oid}");
    let mut printed = String::new();
    to_text(oid, &catalog, raw, &mut printed).unwrap();
    assert_eq!(printed, text);
    let mut back = Buffer::new();
    from_text(oid, &catalog, text, &mut back).unwrap();
    assert_eq!(back.as_slice(), raw, "{text}");
}

#[test]
fn values_inside_values_are_quoted() {
    let pair = crate::types::proof::hex("00000002 00000017 ffffffff 00004015 00000004 28222c5c");
    prints(PAIR, &pair, r#"(,"("",\\")"#);
    let leaf = "00000002 00000019 00000001 61 00004012 ffffffff";
    let tree = crate::types::proof::hex(&format!(
        "00000002 00000019 00000000 00004012 0000002d
         00000001 00000000 00004011 00000001 00000001 00000015 {leaf}"
    ));
    prints(TREE, &tree, r#"("","{""(a,)""}")"#);
    let tags = crate::types::proof::hex("00000002 00000001 22 00000001 5c 00000000 ffffffff");
    prints(TAGS, &tags, r#""\""=>"\\", ""=>NULL"#);
    let span = crate::types::proof::hex("02 00000000 00000003 612c62");
    prints(SPAN, &span, r#"["","a,b")"#);
    prints(SPAN, &[0x18], "(,)");
    prints(SPAN, &[0x01], "empty");
    prints(Oid::INT4MULTIRANGE, &[0, 0, 0, 0], "{}");
    prints(Oid::CHAR, &[0], "");
}

#[test]
fn text_that_is_no_value_inside_values_is_refused() {
    let catalog = catalog();
    for (oid, texts) in [
        (PAIR, &["", "(", "(1)", "(1,a", "(1,a,b)", "(1,a)b", "(x,a)", "(1,\"a)"][..]),
        (TAGS, &["a", "\"a\"", "\"a\"=>", "\"a\"=>b", "\"a\"=>\"b\",", "\"a\"=>\"b\" "]),
        (SPAN, &["", "[", "[a", "[a,", "[a,b", "a,b)", "[a,b)c", "[a,b,c)", "Empty"]),
        (Oid::INT4MULTIRANGE, &["", "{", "{[1,2)", "{[1,2)}}", "{[1,2)[3,4)}", "{1}", "{,}"]),
        (Oid::POINT, &["", "1,2", "(1)", "(1,2", "(1,2,3)", "(1,2)x", "(a,2)"]),
        (Oid::POLYGON, &["()", "((1,2)", "((1,2),)"]),
        (Oid::BOX_ARRAY, &["{(1,2),(3,4),(5,6),(7,8)}"]),
        (Oid::TSVECTOR, &["a", "'a", "'a':", "'a':x", "'a':1,", "'a'  'b'"]),
        (
            Oid::TSQUERY,
            &["a", "'a' 'b'", "'a' &", "& 'a'", "( 'a'", "'a' )", "!", "()", "'a' <x> 'b'"],
        ),
        (Oid::PG_SNAPSHOT, &["", "1:2", "2:1:", "1:3:2,", "1:3:2,2"]),
        (Oid::CHAR, &["ab", "\\9", "\\400", "\\12"]),
        (Oid::INT2VECTOR, &["1,2", "40000", "1  2"]),
    ] {
        for text in texts {
            let found = from_text(oid, &catalog, text, &mut Buffer::new());
            assert!(found.is_err(), "{oid}: {text}");
        }
    }
}

#[test]
fn what_has_no_text_says_why() {
    let mut catalog = catalog();
    let why = |oid, catalog: &Catalog| has_text(oid, catalog).unwrap_err();
    assert!(why(Oid::MONEY, &catalog).message().contains("lc_monetary"));
    assert!(why(Oid::MONEY_ARRAY, &catalog).message().contains("lc_monetary"));
    assert!(why(Oid::REGCLASS, &catalog).message().contains("only the server"));
    assert!(why(Oid::RECORD, &catalog).message().contains("record"));
    assert_eq!(why(Oid(17_000), &catalog).kind(), ErrorKind::UnknownType);
    let attributes = [Attribute { name: "m".into(), oid: Oid::MONEY }].into();
    for (oid, name, kind) in [
        (17_001, "price", TypeKind::Composite { attributes }),
        (17_002, "isbn", TypeKind::Base { is_text: false }),
        (17_003, "prices", TypeKind::Array { element: Oid(17_001) }),
        (17_004, "mystery", TypeKind::Range { subtype: Oid(17_005) }),
        (17_006, "circle", TypeKind::Domain { base: Oid(17_006) }),
    ] {
        let (oid, schema) = (Oid(oid), "public".into());
        catalog.insert(UserType { oid, schema, name: name.into(), kind });
        let found = why(oid, &catalog);
        assert!(!found.message().is_empty(), "{name}");
        let mut text = String::new();
        let _ = to_text(oid, &catalog, &[0; 12], &mut text);
        let _ = from_text(oid, &catalog, "(1)", &mut Buffer::new());
    }
}

#[test]
fn a_count_below_zero_is_no_count() {
    for oid in [Oid::INT4MULTIRANGE, Oid::INT4_ARRAY, TAGS, PAIR] {
        for count in [-1, -2, i32::MIN] {
            let raw = [&count.to_be_bytes()[..], &[0; 8]].concat();
            let mut text = String::new();
            assert!(to_text(oid, &catalog(), &raw[..4], &mut text).is_err(), "{oid}: {count}");
            assert!(to_text(oid, &catalog(), &raw, &mut text).is_err(), "{oid}: {count}");
        }
    }
}

#[test]
fn an_array_of_any_dimensions_and_bounds_is_read_as_it_is_printed() {
    for text in [
        "{}",
        "{NULL}",
        "{{1,NULL},{3,4}}",
        "[0:1]={1,2}",
        "[-1:0][2:2][5:6]={{{1,2}},{{NULL,4}}}",
        "{{{{{{7}}}}}}",
    ] {
        let mut raw = Buffer::new();
        from_text(Oid::INT4_ARRAY, &Catalog::new(), text, &mut raw).unwrap();
        let mut printed = String::new();
        to_text(Oid::INT4_ARRAY, &Catalog::new(), raw.as_slice(), &mut printed).unwrap();
        assert_eq!(printed, text);
        let array = ArrayRef::<Option<i32>>::decode(Oid::INT4_ARRAY, raw.as_slice()).unwrap();
        assert!(array.iter().all(|element| element.is_ok()), "{text}");
    }
    for text in [
        "",
        "{",
        "}",
        "{}}",
        "{{}}",
        "{{},{}}",
        "{1,{2}}",
        "{{1},2}",
        "{{1},{2,3}}",
        "{{1,2},{3}}",
        "{{{{{{{7}}}}}}}",
        "[0:1]={}",
        "[0:1][0:1]={1,2}",
        "[0:1]={{1,2}}",
        "[0:0][0:0][0:0][0:0][0:0][0:0][0:0]={{{{{{7}}}}}}",
        "{1}x",
    ] {
        is_refused(Oid::INT4_ARRAY, text);
    }
}

#[test]
fn values_that_lie_in_each_other_without_end_are_refused() {
    let catalog = catalog();
    let mut text = String::from("(a,)");
    for _ in 0..6 {
        let mut inner = String::from("\"");
        for char in text.chars() {
            if matches!(char, '"' | '\\') {
                inner.push('\\');
            }
            inner.push(char);
        }
        inner.push('"');
        text = format!("(a,{{{}}})", inner);
    }
    // Quoted in the way of arrays within that of composites it would double at each level; what is not quoted so ends early.
    assert!(from_text(TREE, &catalog, &text, &mut Buffer::new()).is_err());
    let mut raw = crate::types::proof::hex("00000002 00000019 00000001 61 00004012 ffffffff");
    for _ in 0..60 {
        let mut outer = Buffer::new();
        outer.put_slice(&[0, 0, 0, 2, 0, 0, 0, 25, 255, 255, 255, 255, 0, 0, 0x40, 0x12]);
        outer
            .value(|out| {
                out.put_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0x11, 0, 0, 0, 1, 0, 0, 0, 1]);
                out.put_value(&raw)
            })
            .unwrap();
        raw = outer.as_slice().to_vec();
    }
    let found = to_text(TREE, &catalog, &raw, &mut String::new());
    assert_eq!(found.map_err(|error| error.kind()), Err(ErrorKind::TooLarge));
}

proptest! {
    #[test]
    fn any_bytes_and_texts_of_types_with_parts_are_survived(
        which in 0..8_usize,
        raw in proptest::collection::vec(prop_oneof![3 => 0..4_u8, 1 => any::<u8>()], 0..60),
        text in "[(){}\\[\\]<>,:=\"'\\\\! &|1aN.-]{0,24}",
    ) {
        let catalog = catalog();
        let oid = [PAIR, TREE, TREES, TAGS, SPAN, Oid::TSQUERY, Oid::TSVECTOR, Oid::PATH][which];
        let mut printed = String::new();
        if to_text(oid, &catalog, &raw, &mut printed).is_ok() {
            let mut back = Buffer::new();
            let again = from_text(oid, &catalog, &printed, &mut back);
            prop_assert!(again.is_ok(), "{:?}: {:?}", printed, again);
        }
        let mut back = Buffer::new();
        if from_text(oid, &catalog, &text, &mut back).is_ok() {
            let mut again = String::new();
            let done = to_text(oid, &catalog, back.as_slice(), &mut again);
            prop_assert!(done.is_ok(), "{:?}: {:?}", text, done);
        }
    }

    #[test]
    fn any_text_inside_a_composite_comes_back(text in "[^\0]{0,8}", number in any::<Option<i32>>()) {
        let mut raw = Buffer::new();
        raw.put_i32(2);
        raw.put_u32(Oid::INT4.0);
        let _: IsNull = number.encode_sized(Oid::INT4, &mut raw).unwrap();
        raw.put_u32(WORD.0);
        let _: IsNull = text.encode_sized(Oid::TEXT, &mut raw).unwrap();
        let catalog = catalog();
        let mut printed = String::new();
        to_text(PAIR, &catalog, raw.as_slice(), &mut printed).unwrap();
        let mut back = Buffer::new();
        from_text(PAIR, &catalog, &printed, &mut back).unwrap();
        prop_assert_eq!(back.as_slice(), raw.as_slice());
    }
    #[test]
    fn any_text_in_an_array_comes_back(
        texts in proptest::collection::vec(proptest::option::of("[^\0]{0,6}"), 1..6),
    ) {
        let raw = encode(Oid::TEXT_ARRAY, &texts).unwrap();
        let mut text = String::new();
        to_text(Oid::TEXT_ARRAY, &Catalog::new(), &raw, &mut text).unwrap();
        let mut back = Buffer::new();
        from_text(Oid::TEXT_ARRAY, &Catalog::new(), &text, &mut back).unwrap();
        prop_assert_eq!(back.as_slice(), raw);
    }

    #[test]
    fn any_number_comes_back(bits in any::<u64>(), short in any::<u32>()) {
        let value = f64::from_bits(bits);
        if !value.is_nan() {
            is_same(Oid::FLOAT8, &bits.to_be_bytes());
        }
        if !f32::from_bits(short).is_nan() {
            is_same(Oid::FLOAT4, &short.to_be_bytes());
        }
    }

    #[test]
    fn what_is_no_value_is_an_error(oid in 0..4000_u32, raw in proptest::collection::vec(any::<u8>(), 0..40), text in ".{0,20}") {
        let mut printed = String::new();
        if to_text(Oid(oid), &Catalog::new(), &raw, &mut printed).is_ok() {
            let mut back = Buffer::new();
            prop_assert!(from_text(Oid(oid), &Catalog::new(), &printed, &mut back).is_ok(), "{}", printed);
        }
        let _ = from_text(Oid(oid), &Catalog::new(), &text, &mut Buffer::new());
    }
}

fn is_same(oid: Oid, raw: &[u8]) {
    let mut text = String::new();
    to_text(oid, &Catalog::new(), raw, &mut text).unwrap();
    let mut back = Buffer::new();
    from_text(oid, &Catalog::new(), &text, &mut back).unwrap();
    assert_eq!(back.as_slice(), raw, "{text}");
}
