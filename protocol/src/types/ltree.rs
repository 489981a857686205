//! `ltree`, `lquery` and `ltxtquery`: paths of labels and patterns for them, of the extension `ltree` (manual: "ltree").
//!
//! The binary form of each is a version byte, 1, and the text.

use std::fmt;
use std::ops::Deref;

use crate::error::{ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

const VERSION: u8 = 1;

macro_rules! versioned {
    ($($(#[$doc:meta])* $rust:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $rust(pub String);

        impl Deref for $rust {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $rust {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<T: Into<String>> From<T> for $rust {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl PgType for $rust {
            const TYPE: Type =
                Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: $name };

            fn accepts(oid: Oid) -> bool {
                oid.is_user_defined()
            }

            fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
                types.base::<Self>(oid)
            }
        }

        impl ArrayElement for $rust {}

        impl Encode for $rust {
            fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
                out.put_u8(VERSION);
                self.0.encode(Oid::TEXT, out)
            }
        }

        impl<'a> Decode<'a> for $rust {
            fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
                let mut reader = Reader::new(raw);
                if reader.u8()? != VERSION {
                    return Err(reader.error(
                        ErrorKind::InvalidValue,
                        concat!("the version of this form of ", $name, " is not known"),
                    ));
                }
                String::decode(Oid::TEXT, reader.rest()).map(Self)
            }
        }
    )*};
}

versioned! {
    /// A path of labels with dots between them: `Top.Science.Astronomy`. Whether it is well-formed, the server says.
    Ltree = "ltree";
    /// A pattern for paths: `Top.*{1,2}.Astro*`.
    Lquery = "lquery";
    /// Words to be found in a path in any order: `Astro* & !pictures@`.
    Ltxtquery = "ltxtquery";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::proof::{is_refused, is_value};

    const OID: Oid = Oid(16_500);

    #[test]
    fn known_bytes() {
        is_value(OID, "01 61 2e 62", &Ltree::from("a.b"));
        is_value(OID, "01 2a", &Lquery::from("*"));
        is_value(OID, "01 61", &Ltxtquery::from("a"));
        is_value(OID, "01", &Ltree::default());
        is_refused::<Ltree>(OID, "", ErrorKind::Truncated);
        is_refused::<Ltree>(OID, "02 61", ErrorKind::InvalidValue);
        is_refused::<Ltree>(OID, "01 ff", ErrorKind::InvalidText);
    }
}
