//! `citext`: text that is compared without regard to case, of the extension of that name (manual: "citext").

use std::fmt;
use std::ops::Deref;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::catalog::Types;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// A value of `citext`. A [`String`] reads and writes such columns too; this one also gives the column its type in
/// `create table`.
///
/// Two values are equal when they are written alike: only the server, with its collation, knows which letters are the same
/// but for their case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Citext(pub String);

impl Deref for Citext {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Citext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<T: Into<String>> From<T> for Citext {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl PgType for Citext {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "citext" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
        types.base::<Self>(oid)
    }
}

impl ArrayElement for Citext {}

impl Encode for Citext {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.0.encode(oid, out)
    }
}

impl<'a> Decode<'a> for Citext {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        String::decode(oid, raw).map(Self)
    }
}
