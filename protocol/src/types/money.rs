//! `money`.

use crate::types::fixed::big_endian;

/// An amount of PostgreSQL's `money`: a whole number of the smallest units, cents for most.
///
/// The value does not say what a unit is, nor how many make one of the currency: the server's setting `lc_monetary`
/// does, and changing it changes what stored amounts mean. With two decimals, as most currencies have, `Money(1_990)`
/// is printed as 19.90. So there is neither a printed form nor a conversion from decimals here; where a choice is left,
/// the manual (section 8.2) and this crate recommend `numeric`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money(pub i64);

impl Money {
    const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    const fn from_be_bytes(bytes: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(bytes))
    }
}

big_endian! {
    Money, MONEY, MONEY_ARRAY, "money";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::ErrorKind;
    use crate::oid::Oid;
    use crate::types::proof::{is_refused, is_value, round_trip};

    #[test]
    fn known_bytes() {
        is_value(Oid::MONEY, "00000000000007c6", &Money(1_990));
        is_value(Oid::MONEY, "8000000000000000", &Money(i64::MIN));
        is_refused::<Money>(Oid::MONEY, "000007c6", ErrorKind::Truncated);
        is_refused::<Money>(Oid::MONEY, "0000000000000007c6", ErrorKind::TrailingBytes);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(units: i64) {
            round_trip(&Money(units))?;
        }
    }
}
