//! Every Rust type that a value can be read into. A value that was read can be written, and what was written is read as a
//! value that is written alike.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stellata_protocol::{
    Array, Buffer, Cube, Decode, Dimension, Encode, ErrorKind, Hstore, IsNull, Json, Ltree,
    Multirange, Oid, PgType, Range, RawBuf, SparseVector, Vector,
};
use uuid::Uuid;

/// The types that are tried besides each Rust type's own.
const OTHERS: [Oid; 10] = [
    Oid::TEXT,
    Oid::VARCHAR,
    Oid::BPCHAR,
    Oid::NAME,
    Oid::UNKNOWN,
    Oid::JSON,
    Oid::VARCHAR_ARRAY,
    Oid::NAME_ARRAY,
    Oid::JSON_ARRAY,
    // The first number that a database gives away itself.
    Oid(16_384),
];

/// One line for each type: the type, and a value of it to begin with. `#[cfg(..)]` may stand in front.
macro_rules! readers {
    ($($(#[$only:meta])* $rust:ty = $example:expr;)*) => {
        &[$($(#[$only])* Reader {
            name: stringify!($rust),
            read: |choice, raw| {
                let oid = oid::<$rust>(choice);
                let Ok(value) = <$rust as Decode>::decode(oid, raw) else { return };
                let Some(first) = written(oid, &value) else { return };
                let again = <$rust as Decode>::decode(oid, first.as_slice());
                let again = again.expect("what was written can be read");
                assert_eq!(written(oid, &again), Some(first.clone()), "a value changes on its way");
            },
            seed: || {
                let value: $rust = $example;
                written(<$rust as PgType>::TYPE.oid, &value).expect("an example can be written")
            },
        }),*]
    };
}

/// What reads and writes values of one Rust type.
pub(crate) struct Reader {
    /// The type.
    pub(crate) name: &'static str,
    /// Reads bytes as the PostgreSQL type that the number chooses.
    pub(crate) read: fn(u8, &[u8]),
    /// The bytes of a value.
    pub(crate) seed: fn() -> Vec<u8>,
}

/// Every type that can be read. A new one comes last, so that what was found for the others stays theirs; and
/// `cargo test` in `fuzz/` with `STELLATA_WRITE_CORPUS=1` keeps its example in the corpus. The tests of `protocol` read the
/// same list: a type of a feature that is off unless asked for has its `#[cfg(feature = "..")]` in front.
pub(crate) const READERS: &[Reader] = readers! {
    bool = true;
    i8 = -1;
    i16 = -2;
    i32 = -3;
    i64 = -4;
    u32 = 5;
    f32 = 1.5;
    f64 = f64::NAN;
    &str = "grüße";
    String = "grüße".into();
    Box<str> = "grüße".into();
    Arc<str> = "grüße".into();
    Cow<'_, str> = "grüße".into();
    &[u8] = &[0, 255];
    Vec<u8> = vec![0, 255];
    [u8; 3] = [1, 2, 3];
    Box<[u8]> = [0, 255].into();
    Arc<[u8]> = [0, 255].into();
    Cow<'_, [u8]> = vec![0, 255].into();
    Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef);
    NaiveDate = moment().date();
    NaiveTime = moment().time();
    NaiveDateTime = moment();
    DateTime<Utc> = moment().and_utc();
    DateTime<FixedOffset> = moment().and_utc().fixed_offset();
    Decimal = Decimal::new(-123_456_789_000, 7);
    Value = json!({"a": [1, 2.5, null, "x"], "b": {"c": true}});
    Json<f64> = Json(0.1);
    Json<Vec<Option<i64>>> = Json(vec![Some(1), None]);
    Json<BTreeMap<String, String>> = Json([("a".into(), "b".into())].into());
    Option<i32> = Some(7);
    Vec<bool> = vec![true, false];
    Vec<i8> = vec![1];
    Vec<i16> = vec![1, 2];
    Vec<i32> = vec![1, 2];
    Vec<i64> = vec![1, 2];
    Vec<u32> = vec![1, 2];
    Vec<f32> = vec![1.5];
    Vec<f64> = vec![1.5];
    Vec<&str> = vec!["grüße", ""];
    Vec<String> = vec!["grüße".into()];
    Vec<&[u8]> = vec![&[1], &[]];
    Vec<[u8; 3]> = vec![[1, 2, 3]];
    Vec<Option<String>> = vec![Some("grüße".into()), None];
    Vec<Uuid> = vec![Uuid::from_u128(7)];
    Vec<NaiveDate> = vec![moment().date()];
    Vec<Option<NaiveTime>> = vec![Some(moment().time()), None];
    Vec<NaiveDateTime> = vec![moment()];
    Vec<DateTime<Utc>> = vec![moment().and_utc()];
    Vec<Decimal> = vec![Decimal::new(-1_234_567, 3)];
    Vec<Value> = vec![json!({"a": [null]})];
    Vec<Json<f64>> = vec![Json(2.5)];
    Array<Option<i32>> = square();
    Array<String> = Array::from(vec!["grüße".to_owned()]);
    Range<i32> = Range::from(1..10);
    Range<String> = Range::from("a".to_owned()..="b".to_owned());
    Multirange<i64> = [Range::from(1..3), Range::from(7..)].into_iter().collect();
    Vec<Range<i32>> = vec![Range::from(..), Range::empty()];
    Hstore = [("a", Some("b")), ("c", None)].into_iter().collect();
    Ltree = Ltree::from("a.b");
    Cube = Cube::point(vec![1.0, -2.5]);
    Vector = Vector::from([1.0, -2.5]);
    SparseVector = SparseVector::new(5, vec![(0, 1.0), (2, 2.0)]).expect("places in order");
    RawBuf = RawBuf { oid: Oid::UNSPECIFIED, bytes: vec![0, 255] };
};

/// `'[-1:0][5:6]={{1,NULL},{3,4}}'`.
fn square() -> Array<Option<i32>> {
    let dimensions = [-1, 5].map(|lower| Dimension { length: 2, lower });
    Array::new(dimensions, vec![Some(1), None, Some(3), Some(4)]).expect("four elements")
}

/// 2024-02-29 23:59:59.123456.
fn moment() -> NaiveDateTime {
    DateTime::from_timestamp_micros(1_709_251_199_123_456).expect("a time").naive_utc()
}

/// Reads a value as the type that the first byte chooses, in the form that the second does.
pub(crate) fn read(input: &[u8]) {
    let Some((&[kind, choice], raw)) = input.split_first_chunk() else { return };
    (READERS[usize::from(kind) % READERS.len()].read)(choice, raw);
}

/// The type's own number, or another that it accepts.
fn oid<T: PgType>(choice: u8) -> Oid {
    let other = OTHERS.get(usize::from(choice)).copied().filter(|other| T::accepts(*other));
    other.unwrap_or(T::TYPE.oid)
}

/// The value's bytes. `None` for an array over a type of the database's own, whose number an array can't tell, and for a
/// text with a NUL, which no server stores: what nobody sends is not looked for when a text is read.
fn written<T: Encode>(oid: Oid, value: &T) -> Option<Vec<u8>> {
    let mut out = Buffer::new();
    match value.encode(oid, &mut out) {
        Ok(IsNull::No) => Some(out.as_slice().to_vec()),
        Err(error) if error.kind() == ErrorKind::InvalidText => None,
        Err(_) if oid.is_user_defined() => None,
        other => panic!("what was read can't be written: {other:?}"),
    }
}
