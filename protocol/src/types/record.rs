//! Records: tuples, where the types of the fields are known, and [`Record`] where they are not.
//!
//! Both read composite types too, by position. Neither can be sent: the server takes no anonymous record.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::composite::CompositeReader;
use crate::types::raw::Raw;
use crate::types::{Decode, PgType, Type};

const RECORD: Type = Type { oid: Oid::RECORD, array: Oid::RECORD_ARRAY, name: "record" };

/// A record whose fields are told by the server alone, where it was read.
///
/// ```
/// use stellata_protocol::{Decode, Oid, Record};
/// let raw = [0, 0, 0, 2, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 25, 255, 255, 255, 255];
/// let record = Record::decode(Oid::RECORD, &raw).unwrap();
/// assert_eq!(record.len(), 2);
/// assert_eq!(record.get::<i32>(0), Ok(7));
/// assert_eq!(record.get::<Option<&str>>(1), Ok(None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    fields: Vec<(Oid, Option<&'a [u8]>)>,
}

impl<'a> Record<'a> {
    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The type and the bytes of each field, `None` for NULL.
    #[must_use]
    pub fn fields(&self) -> &[(Oid, Option<&'a [u8]>)] {
        &self.fields
    }

    /// Reads a field, counted from 0.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is no such field, [`ErrorKind::WrongType`] for one that is no `T`, and what
    /// [`Decode::decode`] returns.
    pub fn get<T: Decode<'a>>(&self, index: usize) -> Result<T> {
        match self.fields.get(index) {
            Some((oid, Some(bytes))) => Raw { oid: *oid, bytes }.get(),
            Some((_, None)) => T::decode_null(),
            None => Err(Error::new(ErrorKind::ColumnCount, "the record has no such field")),
        }
    }
}

impl PgType for Record<'_> {
    const TYPE: Type = RECORD;

    fn accepts(oid: Oid) -> bool {
        oid == Oid::RECORD || oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.any_composite(oid)
    }
}

impl ArrayElement for Record<'_> {}

impl<'a> Decode<'a> for Record<'a> {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = CompositeReader::new(oid, raw)?;
        let mut fields = Vec::with_capacity(reader.room::<(Oid, Option<&[u8]>)>());
        while reader.remaining() > 0 {
            fields.push(reader.next_raw()?);
        }
        reader.end()?;
        Ok(Self { fields })
    }
}

macro_rules! tuples {
    ($($count:literal ($($name:ident)+))+) => {$(
        impl<$($name: PgType),+> PgType for ($($name,)+) {
            const TYPE: Type = RECORD;

            /// Of an anonymous record the types of the fields are known when it is read.
            fn accepts(oid: Oid) -> bool {
                oid == Oid::RECORD || oid.is_user_defined()
            }

            fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
                types.tuple::<Self>(oid, &[$($name::fits),+])
            }
        }

        impl<$($name: PgType),+> ArrayElement for ($($name,)+) {}

        impl<'a, $($name: Decode<'a>),+> Decode<'a> for ($($name,)+) {
            fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
                let mut reader = CompositeReader::with(oid, raw, $count)?;
                let tuple = ($(reader.next::<$name>()?,)+);
                reader.end()?;
                Ok(tuple)
            }
        }
    )+};
}

tuples! {
    1 (A) 2 (A B) 3 (A B C) 4 (A B C D) 5 (A B C D E) 6 (A B C D E F) 7 (A B C D E F G) 8 (A B C D E F G H)
    9 (A B C D E F G H I) 10 (A B C D E F G H I J) 11 (A B C D E F G H I J K) 12 (A B C D E F G H I J K L)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, hex};

    const PAIR: &str = "00000002 00000017 00000004 00000007 00000019 00000001 61";

    #[test]
    fn records_become_tuples() {
        let raw = hex(PAIR);
        assert_eq!(decode::<(i32, &str)>(Oid::RECORD, &raw), Ok((7, "a")));
        let kind = |error: Error| error.kind();
        assert_eq!(
            decode::<(i64, &str)>(Oid::RECORD, &raw).map_err(kind),
            Err(ErrorKind::WrongType)
        );
        assert_eq!(decode::<(i32,)>(Oid::RECORD, &raw).map_err(kind), Err(ErrorKind::ColumnCount));
        let nested = hex(&format!("00000001 000008c9 00000019 {PAIR}"));
        assert_eq!(decode::<((i32, String),)>(Oid::RECORD, &nested), Ok(((7, "a".to_owned()),)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            let _ = decode::<Record<'_>>(Oid::RECORD, &raw);
            let _ = decode::<(i32, Option<String>)>(Oid::RECORD, &raw);
        }
    }
}
