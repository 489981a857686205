//! `hstore`: texts by texts, of the extension of that name (manual: "hstore").

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A value of `hstore`: a map from texts to texts or NULL.
///
/// ```
/// use stellata_protocol::Hstore;
/// let mut tags = Hstore::from_iter([("colour", Some("red")), ("size", None)]);
/// tags.insert("weight".into(), Some("3 kg".into()));
/// assert_eq!(tags["colour"].as_deref(), Some("red"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hstore(pub BTreeMap<String, Option<String>>);

impl Deref for Hstore {
    type Target = BTreeMap<String, Option<String>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Hstore {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, Option<V>)> for Hstore {
    fn from_iter<I: IntoIterator<Item = (K, Option<V>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.map(Into::into))).collect())
    }
}

impl IntoIterator for Hstore {
    type Item = (String, Option<String>);
    type IntoIter = std::collections::btree_map::IntoIter<String, Option<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl PgType for Hstore {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "hstore" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.base::<Self>(oid)
    }
}

impl ArrayElement for Hstore {}

impl Encode for Hstore {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_len32(self.0.len())?;
        for (key, value) in &self.0 {
            let _: IsNull = key.encode_sized(Oid::TEXT, out)?;
            let _: IsNull = value.encode_sized(Oid::TEXT, out)?;
        }
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Hstore {
    /// Reads the pairs.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for a key that is NULL or there twice, and any error of bytes that are no `hstore`.
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "an hstore has a negative count"));
        };
        let mut pairs = BTreeMap::new();
        for _ in 0..count {
            let key = reader.value()?.ok_or_else(|| {
                reader.error(ErrorKind::InvalidValue, "a key of an hstore is NULL")
            })?;
            let key = String::decode(Oid::TEXT, key)?;
            let value = match reader.value()? {
                Some(value) => Some(String::decode(Oid::TEXT, value)?),
                None => None,
            };
            if pairs.insert(key, value).is_some() {
                return Err(Error::new(ErrorKind::InvalidValue, "an hstore has a key twice"));
            }
        }
        reader.end()?;
        Ok(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, is_refused, is_value, survives};

    const OID: Oid = Oid(16_500);

    #[test]
    fn known_bytes() {
        is_value(OID, "00000000", &Hstore::default());
        is_value(
            OID,
            "00000002 00000001 61 00000001 62 00000002 c3a9 ffffffff",
            &Hstore::from_iter([("a", Some("b")), ("é", None)]),
        );
    }

    /// A value that declares more than it holds made another library panic.
    #[test]
    fn rustsec_2026_0180_a_malformed_hstore_is_an_error() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("000000", ErrorKind::Truncated),
            ("ffffffff", ErrorKind::InvalidLength),
            ("80000000", ErrorKind::InvalidLength),
            ("7fffffff", ErrorKind::Truncated),
            ("00000001", ErrorKind::Truncated),
            ("00000001 00000001 61", ErrorKind::Truncated),
            ("00000001 00000002 61", ErrorKind::Truncated),
            ("00000001 7fffffff 61", ErrorKind::Truncated),
            ("00000001 ffffffff 00000001 62", ErrorKind::InvalidValue),
            ("00000001 fffffffe 00000001 62", ErrorKind::InvalidLength),
            ("00000001 00000001 61 fffffffe", ErrorKind::InvalidLength),
            ("00000001 00000001 61 00000002 62", ErrorKind::Truncated),
            ("00000001 00000001 ff ffffffff", ErrorKind::InvalidText),
            ("00000001 00000001 61 00000001 ff", ErrorKind::InvalidText),
            ("00000001 00000001 61 ffffffff 00", ErrorKind::TrailingBytes),
            ("00000002 00000001 61 ffffffff 00000001 61 ffffffff", ErrorKind::InvalidValue),
        ] {
            is_refused::<Hstore>(OID, text, kind);
        }
    }

    proptest! {
        #[test]
        fn every_map_comes_back(pairs: BTreeMap<String, Option<String>>) {
            let pairs = Hstore(pairs);
            let has_nul = pairs.iter().any(|(key, value)| {
                key.contains('\0') || value.as_ref().is_some_and(|value| value.contains('\0'))
            });
            match encode(OID, &pairs) {
                Ok(bytes) => prop_assert_eq!(decode::<Hstore>(OID, &bytes), Ok(pairs)),
                Err(error) => prop_assert!(has_nul && error.kind() == ErrorKind::InvalidText),
            }
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>, count in 0_u8..4) {
            survives::<Hstore>(OID, &raw)?;
            let mut likely = vec![0, 0, 0, count];
            likely.extend(raw);
            survives::<Hstore>(OID, &likely)?;
        }
    }
}
