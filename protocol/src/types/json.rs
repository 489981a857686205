//! `jsonb` and `json` as [`Value`] and as types of your own in [`Json`].
//!
//! Reading is serde_json's: nesting of more than 128 levels is an error, and numbers are 64-bit integers or `f64`, so
//! that a [`Value`] rounds longer ones to the nearest `f64`. Writing is serde_json's too: a NaN or an infinity inside a
//! type of your own becomes `null`. SQL NULL is [`None`]; JSON's `null` is [`Value::Null`].

use std::io;
use std::ops::{Deref, DerefMut};

use ::serde_json::Value;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// A value that is stored as JSON.
///
/// Its type is `jsonb`; columns of type `json` are read and written too. `Json<&RawValue>` is the text as it was read, checked
/// and not copied.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use stellata_protocol::{Json, Params};
///
/// #[derive(Serialize, Deserialize)]
/// struct Address {
///     street: String,
/// }
/// let mut params = Params::new();
/// params.push(&Json(Address { street: "Abbey Road".into() })).unwrap();
/// assert_eq!(&params.as_slice()[4..], b"\x01{\"street\":\"Abbey Road\"}");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> PgType for Json<T> {
    const TYPE: Type = Type { oid: Oid::JSONB, array: Oid::JSONB_ARRAY, name: "jsonb" };

    fn accepts(oid: Oid) -> bool {
        matches!(oid, Oid::JSONB | Oid::JSON)
    }
}

impl<T> ArrayElement for Json<T> {}

impl<T: Serialize> Encode for Json<T> {
    /// Writes the form of `json` for `json`, that of `jsonb` for everything else: where the server infers `json` after
    /// all, it refuses the value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] when the value can't be written as JSON, such as a map whose keys are no texts.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        write(&self.0, oid, out)
    }
}

impl<'a, T: Deserialize<'a>> Decode<'a> for Json<T> {
    /// Reads the value; `T` may borrow from the bytes where serde lets it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for what is not JSON, or is another shape of JSON than `T`.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        read(oid, raw).map(Self)
    }
}

impl PgType for Value {
    const TYPE: Type = Json::<Self>::TYPE;

    fn accepts(oid: Oid) -> bool {
        Json::<Self>::accepts(oid)
    }
}

impl ArrayElement for Value {}

impl Encode for Value {
    /// Writes the form of `json` for `json`, that of `jsonb` for everything else, as [`Json`] does.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        write(self, oid, out)
    }
}

impl<'a> Decode<'a> for Value {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        read(oid, raw)
    }
}

fn write<T: Serialize>(value: &T, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
    if oid != Oid::JSON {
        out.put_u8(VERSION);
    }
    match ::serde_json::to_writer(Writer(out), value) {
        Ok(()) => Ok(IsNull::No),
        Err(_) => Err(Error::new(ErrorKind::InvalidValue, "the value can't be written as JSON")),
    }
}

fn read<'a, T: Deserialize<'a>>(oid: Oid, raw: &'a [u8]) -> Result<T> {
    let (text, before) = match raw {
        _ if oid != Oid::JSONB => (raw, 0),
        [VERSION, text @ ..] => (text, 1),
        [] => return Err(Error::new(ErrorKind::Truncated, "a jsonb has no version")),
        _ => return Err(Error::new(ErrorKind::InvalidValue, "a jsonb has an unknown version")),
    };
    ::serde_json::from_slice(text).map_err(|error| refused(&error, before))
}

#[cold]
fn refused(error: &::serde_json::Error, before: u32) -> Error {
    if error.is_data() {
        return Error::new(
            ErrorKind::InvalidValue,
            "the JSON has another shape than the Rust type",
        );
    }
    // The offset is only known on the first line, where all of a jsonb is.
    let column = match error.line() {
        1 => u32::try_from(error.column()).unwrap_or(u32::MAX).saturating_add(before),
        _ => 0,
    };
    Error::new(ErrorKind::InvalidValue, "the value can't be read as JSON").at(column)
}

/// The version of the binary form of `jsonb`; there is no other.
const VERSION: u8 = 1;

struct Writer<'b>(&'b mut Buffer);

impl io::Write for Writer<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.put_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::serde_json::value::RawValue;
    use std::collections::BTreeMap;

    use super::*;
    use ::serde_json::json;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip, survives};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Address {
        street: String,
        number: Option<u32>,
    }

    #[test]
    fn borrowed_json_points_into_what_was_read() {
        let raw = b"\x01{\"a\": [1, 2.50]}";
        let json: Json<&RawValue> = decode(Oid::JSONB, raw).unwrap();
        assert_eq!(json.get(), "{\"a\": [1, 2.50]}");
        assert_eq!(json.get().as_ptr(), raw[1..].as_ptr());
        assert_eq!(encode(Oid::JSONB, &json), Ok(raw.to_vec()));
        assert!(decode::<Json<&RawValue>>(Oid::JSONB, b"\x01{").is_err());
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::JSONB, "01 7b2261223a5b312c6e756c6c5d7d", &json!({"a": [1, null]}));
        is_value(Oid::JSON, "7b2261223a5b312c6e756c6c5d7d", &json!({"a": [1, null]}));
        is_value(Oid::JSONB, "01 6e756c6c", &Value::Null);
        is_value(Oid::JSONB, "01 5b312c325d", &Json(vec![1, 2]));
        // As the server spaces it.
        let raw = b"\x01{\"a\": [1, null]}";
        assert_eq!(decode(Oid::JSONB, raw), Ok(json!({"a": [1, null]})));
    }

    #[test]
    fn an_unknown_type_is_written_as_jsonb() {
        let value = json!(1);
        assert_eq!(encode(Oid::UNSPECIFIED, &value), encode(Oid::JSONB, &value));
    }

    #[test]
    fn types_of_your_own() {
        let address = Json(Address { street: "Abbey Road".into(), number: Some(3) });
        round_trip(&address).unwrap();
        assert_eq!(address.number, Some(3));
        let read = decode::<Json<Address>>(Oid::JSON, br#"{"number": "three"}"#);
        assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::InvalidValue));
        let read: Json<&str> = decode(Oid::JSON, b"\"borrowed\"").unwrap();
        assert_eq!(*read, "borrowed");
    }

    #[test]
    fn bytes_that_are_no_json_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("01", ErrorKind::InvalidValue),
            ("00 31", ErrorKind::InvalidValue),
            ("02 31", ErrorKind::InvalidValue),
            ("31", ErrorKind::InvalidValue),
            ("01 3131 20 31", ErrorKind::InvalidValue),
            ("01 22ff22", ErrorKind::InvalidValue),
            ("01 22 5c7564383030 22", ErrorKind::InvalidValue),
            ("01 3165343030", ErrorKind::InvalidValue), // 1e400
        ] {
            is_refused::<Value>(Oid::JSONB, text, kind);
        }
        let error = decode::<Value>(Oid::JSONB, b"\x01[1,x]").unwrap_err();
        assert_eq!(error.offset(), 5);
    }

    #[test]
    fn deep_nesting_ends_in_an_error_on_a_small_stack() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        let read = move |levels| decode::<Value>(Oid::JSON, &deep(levels)).map(drop);
        let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            assert_eq!(read(127), Ok(()));
            assert_eq!(read(128).map_err(|error| error.kind()), Err(ErrorKind::InvalidValue));
            assert!(read(1_000_000).is_err());
        });
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn what_json_can_not_say_is_refused() {
        let keys_that_are_no_texts = Json(BTreeMap::from([(vec![1], 2)]));
        assert_eq!(
            encode(Oid::JSONB, &keys_that_are_no_texts).map_err(|error| error.kind()),
            Err(ErrorKind::InvalidValue)
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in any_json()) {
            round_trip(&value)?;
            round_trip(&Json(value.clone()))?;
            let raw = encode(Oid::JSON, &value).unwrap();
            prop_assert_eq!(decode(Oid::JSON, &raw), Ok(value));
        }

        #[test]
        fn hostile_bytes_are_survived(any: Vec<u8>, text in r#"\x01[\[\]{}",:0-9eE.\\ntu-]{0,60}"#) {
            survives::<Value>(Oid::JSONB, &any)?;
            survives::<Value>(Oid::JSONB, text.as_bytes())?;
            survives::<Json<Vec<Option<String>>>>(Oid::JSONB, text.as_bytes())?;
        }
    }
}
