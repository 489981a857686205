//! Every Rust type that a value can be read into. A value that was read can be written, and what was written is read as a
//! value that is written alike.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use stellata_protocol::{
    Array, Buffer, Cube, Decode, Encode, ErrorKind, Hstore, IsNull, Json, Ltree, Multirange, Oid, PgType,
    Range, RawBuf, SparseVector, Vector,
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

/// One reader for each type.
macro_rules! readers {
    ($choice:ident, $raw:ident: $($rust:ty;)*) => {
        [$(&|| {
            let oid = oid::<$rust>($choice);
            let Ok(value) = <$rust as Decode>::decode(oid, $raw) else { return };
            let Some(first) = written(oid, &value) else { return };
            let again = <$rust as Decode>::decode(oid, first.as_slice());
            let again = again.expect("what was written can be read");
            assert_eq!(written(oid, &again), Some(first.clone()), "a value changes on its way");
        }),*]
    };
}

/// Reads a value as the type that the first byte chooses, in the form that the second does.
pub(crate) fn read(input: &[u8]) {
    let Some((&[kind, choice], raw)) = input.split_first_chunk() else { return };
    let readers: &[&dyn Fn()] = &readers! { choice, raw:
        bool; i8; i16; i32; i64; u32; f32; f64;
        &str; String; Box<str>; Arc<str>; Cow<'_, str>;
        &[u8]; Vec<u8>; [u8; 3]; Box<[u8]>; Arc<[u8]>; Cow<'_, [u8]>;
        Uuid; NaiveDate; NaiveTime; NaiveDateTime; DateTime<Utc>; DateTime<FixedOffset>; Decimal;
        Value; Json<f64>; Json<Vec<Option<i64>>>; Json<BTreeMap<String, String>>;
        Option<i32>;
        Vec<bool>; Vec<i8>; Vec<i16>; Vec<i32>; Vec<i64>; Vec<u32>; Vec<f32>; Vec<f64>;
        Vec<&str>; Vec<String>; Vec<&[u8]>; Vec<[u8; 3]>; Vec<Option<String>>;
        Vec<Uuid>; Vec<NaiveDate>; Vec<Option<NaiveTime>>; Vec<NaiveDateTime>; Vec<DateTime<Utc>>;
        Vec<Decimal>; Vec<Value>; Vec<Json<f64>>;
        Array<Option<i32>>; Array<String>; Range<i32>; Range<String>; Multirange<i64>; Vec<Range<i32>>;
        Hstore; Ltree; Cube; Vector; SparseVector; RawBuf;
    };
    readers[usize::from(kind) % readers.len()]();
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
