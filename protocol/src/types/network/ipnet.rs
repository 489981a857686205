//! `inet` and `cidr` as [`IpNet`].

use ::ipnet::IpNet;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::network::address::Inet;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl PgType for IpNet {
    /// `inet`: bits right of an `IpNet`'s prefix may be set, which a `cidr` can't hold.
    const TYPE: Type = Inet::TYPE;

    fn accepts(oid: Oid) -> bool {
        Inet::accepts(oid)
    }
}

impl ArrayElement for IpNet {}

impl Encode for IpNet {
    /// Writes the address.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] when the type is `cidr` and bits right of the prefix are set; `IpNet::trunc` clears
    /// them.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        Inet::new(self.addr(), self.prefix_len())?.encode(oid, out)
    }
}

impl<'a> Decode<'a> for IpNet {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let inet = Inet::decode(oid, raw)?;
        Self::new(inet.address(), inet.prefix())
            .map_err(|_| Error::new(ErrorKind::OutOfRange, "a prefix is longer than its address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    fn network(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::INET, "02 08 00 04 01020304", &network("1.2.3.4/8"));
        is_value(Oid::CIDR, "02 08 01 04 0a000000", &network("10.0.0.0/8"));
        is_refused::<IpNet>(Oid::CIDR, "02 21 01 04 0a000000", ErrorKind::OutOfRange);
        let found = encode(Oid::CIDR, &network("1.2.3.4/8")).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::OutOfRange));
    }

    proptest! {
        #[test]
        fn every_value_comes_back(four: u32, six: u128, prefix in 0..=32_u8) {
            round_trip(&IpNet::new(core::net::Ipv4Addr::from_bits(four).into(), prefix).unwrap())?;
            round_trip(&IpNet::new(core::net::Ipv6Addr::from_bits(six).into(), prefix).unwrap())?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            survives::<IpNet>(Oid::INET, &raw)?;
        }
    }
}
