//! The addresses of the standard library as `inet`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::network::address::Inet;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

impl<'a> Decode<'a> for IpAddr {
    /// Reads an address of one host.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] when the prefix is shorter than the address: [`Inet`] holds it.
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let inet = Inet::decode(oid, raw)?;
        if !inet.is_host() {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "the prefix is shorter than the address, which an IpAddr can't hold",
            ));
        }
        Ok(inet.address())
    }
}

macro_rules! one_family {
    ($($rust:ident, $variant:ident, $refused:literal;)*) => {$(
        impl<'a> Decode<'a> for $rust {
            /// Reads an address of one host.
            ///
            /// # Errors
            /// [`ErrorKind::OutOfRange`] for the other family, and when the prefix is shorter than the address.
            fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
                match IpAddr::decode(oid, raw)? {
                    IpAddr::$variant(address) => Ok(address),
                    _ => Err(Error::new(ErrorKind::OutOfRange, $refused)),
                }
            }
        }
    )*};
}

one_family! {
    Ipv4Addr, V4, "the address is one of IPv6";
    Ipv6Addr, V6, "the address is one of IPv4";
}

macro_rules! host {
    ($($rust:ident)*) => {$(
        impl PgType for $rust {
            const TYPE: Type = Inet::TYPE;

            fn accepts(oid: Oid) -> bool {
                Inet::accepts(oid)
            }
        }

        impl ArrayElement for $rust {}

        impl Encode for $rust {
            #[inline]
            fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
                Inet::from(IpAddr::from(*self)).encode(oid, out)
            }
        }
    )*};
}

host! { IpAddr Ipv4Addr Ipv6Addr }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(Oid::INET, "02 20 00 04 01020304", &"1.2.3.4".parse::<IpAddr>().unwrap());
        is_value(Oid::CIDR, "02 20 01 04 01020304", &"1.2.3.4".parse::<Ipv4Addr>().unwrap());
        is_value(Oid::INET, "03 80 00 10 00000000000000000000000000000000", &Ipv6Addr::UNSPECIFIED);
    }

    #[test]
    fn what_an_address_alone_can_not_hold_is_refused() {
        is_refused::<IpAddr>(Oid::INET, "02 1f 00 04 01020304", ErrorKind::OutOfRange);
        is_refused::<Ipv6Addr>(Oid::INET, "02 20 00 04 01020304", ErrorKind::OutOfRange);
        let ipv6 = "03 80 00 10 00000000000000000000ffff01020304";
        is_refused::<Ipv4Addr>(Oid::INET, ipv6, ErrorKind::OutOfRange);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(four: u32, six: u128) {
            let (four, six) = (Ipv4Addr::from_bits(four), Ipv6Addr::from_bits(six));
            round_trip(&four)?;
            round_trip(&six)?;
            round_trip(&IpAddr::from(four))?;
            round_trip(&IpAddr::from(six))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw: Vec<u8>) {
            survives::<IpAddr>(Oid::INET, &raw)?;
        }
    }
}
