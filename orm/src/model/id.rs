//! Typed keys.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use stellata_protocol::{Buffer, Decode, Encode, IsNull, Oid, PgType, Type, Types};

/// The key of a row of the model `M`, so that a post's key can't be passed where a user's is wanted.
///
/// `T` is the key's own type, an `i64` unless said otherwise.
pub struct Id<M, T = i64> {
    value: T,
    marker: PhantomData<fn() -> M>,
}

impl<M, T> Id<M, T> {
    /// The key with this value.
    pub const fn new(value: T) -> Self {
        Self { value, marker: PhantomData }
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// A look at the value.
    pub const fn as_inner(&self) -> &T {
        &self.value
    }
}

impl<M, T> From<T> for Id<M, T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<M, T: Clone> Clone for Id<M, T> {
    fn clone(&self) -> Self {
        Self::new(self.value.clone())
    }
}

impl<M, T: Copy> Copy for Id<M, T> {}

impl<M, T: PartialEq> PartialEq for Id<M, T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<M, T: Eq> Eq for Id<M, T> {}

impl<M, T: PartialOrd> PartialOrd for Id<M, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<M, T: Ord> Ord for Id<M, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<M, T: Hash> Hash for Id<M, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<M, T: fmt::Debug> fmt::Debug for Id<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<M, T: fmt::Display> fmt::Display for Id<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<M, T: PgType> PgType for Id<M, T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = T::NULLABLE;

    fn accepts(oid: Oid) -> bool {
        T::accepts(oid)
    }

    fn fits(oid: Oid, types: &mut Types<'_>) -> stellata_protocol::Result<()> {
        T::fits(oid, types)
    }
}

impl<M, T: Encode> Encode for Id<M, T> {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> stellata_protocol::Result<IsNull> {
        self.value.encode(oid, out)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> stellata_protocol::Result<IsNull> {
        self.value.encode_sized(oid, out)
    }

    #[inline]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        self.value.encode_in_place(place)
    }
}

impl<'a, M, T: Decode<'a>> Decode<'a> for Id<M, T> {
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> stellata_protocol::Result<Self> {
        T::decode(oid, raw).map(Self::new)
    }
}

#[cfg(feature = "serde_json")]
impl<M, T: serde::Serialize> serde::Serialize for Id<M, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

#[cfg(feature = "serde_json")]
impl<'de, M, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Id<M, T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}
