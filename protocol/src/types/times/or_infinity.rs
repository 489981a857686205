//! [`OrInfinity`]: infinities for types that have none.

use core::fmt;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::times::scan::out_of_range;
use crate::types::times::{INFINITY, NEG_INFINITY};
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// A date, a timestamp or an interval, or one of the infinities that PostgreSQL has there: for types of other crates,
/// which have none. (The types of this crate have their own.)
///
/// `T` is a type of `date`, `timestamp`, `timestamptz` or `interval`. The infinities of intervals are known to servers
/// from 17 on.
///
/// ```
/// # #[cfg(feature = "chrono")] {
/// use chrono::{DateTime, Utc};
/// use stellata_protocol::OrInfinity;
///
/// struct Contract {
///     ends: OrInfinity<DateTime<Utc>>,
/// }
/// let contract = Contract { ends: OrInfinity::Infinity };
/// assert!(contract.ends > OrInfinity::At(DateTime::<Utc>::MAX_UTC));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrInfinity<T> {
    /// Before everything else: `-infinity`.
    NegInfinity,
    /// A value that `T` holds.
    At(T),
    /// After everything else: `infinity`.
    Infinity,
}

impl<T> OrInfinity<T> {
    /// The value, unless this is an infinity.
    #[must_use]
    pub fn finite(self) -> Option<T> {
        match self {
            Self::At(value) => Some(value),
            Self::NegInfinity | Self::Infinity => None,
        }
    }

    /// Whether this is no infinity.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        matches!(self, Self::At(_))
    }

    /// The same with another value, where there is one.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> OrInfinity<U> {
        match self {
            Self::NegInfinity => OrInfinity::NegInfinity,
            Self::At(value) => OrInfinity::At(change(value)),
            Self::Infinity => OrInfinity::Infinity,
        }
    }
}

impl<T> From<T> for OrInfinity<T> {
    fn from(value: T) -> Self {
        Self::At(value)
    }
}

impl<T: fmt::Display> fmt::Display for OrInfinity<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegInfinity => f.pad(NEG_INFINITY),
            Self::At(value) => value.fmt(f),
            Self::Infinity => f.pad(INFINITY),
        }
    }
}

impl<T: PgType> PgType for OrInfinity<T> {
    const TYPE: Type = T::TYPE;

    fn accepts(oid: Oid) -> bool {
        T::accepts(oid)
    }
}

impl<T: ArrayElement> ArrayElement for OrInfinity<T> {}

impl<T: Encode> Encode for OrInfinity<T> {
    /// Writes the value or the infinity.
    ///
    /// # Errors
    /// Those of `T`, and [`ErrorKind::OutOfRange`](crate::error::ErrorKind::OutOfRange) for an infinity of a type that
    /// has none.
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        match self {
            Self::At(value) => return value.encode(oid, out),
            Self::NegInfinity => out.put_slice(bounds::<T>(oid)?.0),
            Self::Infinity => out.put_slice(bounds::<T>(oid)?.1),
        }
        Ok(IsNull::No)
    }

    #[inline]
    fn encode_sized(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        match self {
            Self::At(value) => return value.encode_sized(oid, out),
            Self::NegInfinity => out.put_value(bounds::<T>(oid)?.0)?,
            Self::Infinity => out.put_value(bounds::<T>(oid)?.1)?,
        }
        Ok(IsNull::No)
    }

    #[inline(always)]
    fn encode_in_place(&self, place: &mut [u8]) -> Option<usize> {
        match self {
            Self::At(value) => value.encode_in_place(place),
            Self::NegInfinity | Self::Infinity => None,
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for OrInfinity<T> {
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        match bounds::<T>(oid) {
            Ok((first, _)) if raw == first => Ok(Self::NegInfinity),
            Ok((_, last)) if raw == last => Ok(Self::Infinity),
            _ => T::decode(oid, raw).map(Self::At),
        }
    }
}

/// The binary forms of both infinities. Where the type is the server's to infer, it is that of `T`.
#[inline]
fn bounds<T: PgType>(oid: Oid) -> Result<(&'static [u8], &'static [u8])> {
    let oid = if oid == Oid::UNSPECIFIED { T::TYPE.oid } else { oid };
    match oid {
        Oid::DATE => Ok((&[0x80, 0, 0, 0], &[0x7f, 0xff, 0xff, 0xff])),
        Oid::TIMESTAMP | Oid::TIMESTAMPTZ => {
            Ok((&[0x80, 0, 0, 0, 0, 0, 0, 0], &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))
        }
        Oid::INTERVAL => Ok((
            &[0x80, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x80, 0, 0, 0],
            &[
                0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff,
                0xff, 0xff,
            ],
        )),
        _ => Err(out_of_range("the type has no infinity")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::time::SystemTime;

    use crate::error::ErrorKind;
    use crate::types::proof::{encode, is_refused, is_value};

    #[test]
    fn infinities_of_types_without() {
        type Instant = OrInfinity<SystemTime>;
        is_value(Oid::TIMESTAMPTZ, "7fffffffffffffff", &Instant::Infinity);
        is_value(Oid::TIMESTAMPTZ, "8000000000000000", &Instant::NegInfinity);
        is_value(Oid::TIMESTAMPTZ, "fffca2fec4c82000", &Instant::At(SystemTime::UNIX_EPOCH));
        is_value(
            Oid::INTERVAL,
            "7fffffffffffffff 7fffffff 7fffffff",
            &OrInfinity::<Duration>::Infinity,
        );
        is_value(
            Oid::INTERVAL,
            "8000000000000000 80000000 80000000",
            &OrInfinity::<Duration>::NegInfinity,
        );
        is_refused::<Instant>(Oid::TIMESTAMPTZ, "7fffffff", ErrorKind::Truncated);
        let infinity = Instant::Infinity;
        assert_eq!(encode(Oid::UNSPECIFIED, &infinity), encode(Oid::TIMESTAMPTZ, &infinity));
    }

    #[cfg(feature = "chrono")]
    #[test]
    fn infinities_of_chrono() {
        use ::chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
        is_value(Oid::DATE, "7fffffff", &OrInfinity::<NaiveDate>::Infinity);
        is_value(Oid::DATE, "80000000", &OrInfinity::<NaiveDate>::NegInfinity);
        is_value(
            Oid::DATE,
            "00000000",
            &OrInfinity::At(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap()),
        );
        is_value(Oid::TIMESTAMP, "7fffffffffffffff", &OrInfinity::<NaiveDateTime>::Infinity);
        is_value(Oid::TIMESTAMPTZ, "8000000000000000", &OrInfinity::<DateTime<Utc>>::NegInfinity);
        is_value(
            Oid::DATE_ARRAY,
            "00000001 00000001 0000043a 00000002 00000001 00000004 7fffffff ffffffff",
            &vec![Some(OrInfinity::<NaiveDate>::Infinity), None],
        );
    }

    #[test]
    fn a_type_without_infinities_gets_none() {
        is_value(Oid::INT4, "7fffffff", &OrInfinity::At(i32::MAX));
        let error = encode(Oid::INT4, &OrInfinity::<i32>::Infinity).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
    }

    #[test]
    fn infinities_stand_at_the_ends() {
        assert!(OrInfinity::NegInfinity < OrInfinity::At(i64::MIN));
        assert!(OrInfinity::At(i64::MAX) < OrInfinity::Infinity);
        assert_eq!(OrInfinity::from(1).map(|n| n + 1).finite(), Some(2));
        assert_eq!(OrInfinity::<i32>::Infinity.finite(), None);
        assert_eq!(
            format!("{} {}", OrInfinity::At(1), OrInfinity::<i32>::NegInfinity),
            "1 -infinity"
        );
    }
}
