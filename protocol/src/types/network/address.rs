//! [`Inet`] and [`Cidr`].
//!
//! Their binary form (`network_send` of the server's source): the family, the length of the prefix, whether it is a
//! `cidr`, the number of bytes, and the address.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// An address of a host, and how many of its leading bits are its network's: `inet`.
///
/// Bits right of the prefix may be set, so that every [`Cidr`] is an `Inet` but not the other way round. It is printed as
/// the server prints it, without a prefix that covers the whole address; all that is printed can be parsed, but not the
/// further forms that the server reads (`10.1`).
///
/// ```
/// use stellata_protocol::types::network::Inet;
/// let host: Inet = "10.1.2.3/8".parse().unwrap();
/// assert_eq!(host.prefix(), 8);
/// assert_eq!(host.network().to_string(), "10.0.0.0/8");
/// assert_eq!("::1/128".parse::<Inet>().unwrap().to_string(), "::1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inet {
    address: IpAddr,
    prefix: u8,
}

impl Inet {
    /// An address with the number of leading bits that are its network's.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] above 32 bits for IPv4, 128 for IPv6.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self> {
        if prefix > full(address) {
            return Err(Error::new(ErrorKind::OutOfRange, "a prefix is longer than its address"));
        }
        Ok(Self { address, prefix })
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many of the leading bits are the network's: 0 to 32 for IPv4, 0 to 128 for IPv6.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the prefix is the whole address: one host, and no network.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.prefix == full(self.address)
    }

    /// The network of which it is a part, as the server's `network` function has it.
    #[must_use]
    pub fn network(&self) -> Cidr {
        Cidr(Self { address: masked(self.address, self.prefix), prefix: self.prefix })
    }

    /// Reads either of both types.
    fn read(raw: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let [family, prefix, _, len] = reader.array()?;
        let address = match (family, len) {
            (IPV4, 4) => IpAddr::V4(Ipv4Addr::from(reader.array::<4>()?)),
            (IPV6, 16) => IpAddr::V6(Ipv6Addr::from(reader.array::<16>()?)),
            (IPV4 | IPV6, _) => {
                return Err(reader.error(
                    ErrorKind::InvalidLength,
                    "an address has another length than its family",
                ));
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidValue,
                    "an address is of an unknown family",
                ));
            }
        };
        reader.end()?;
        Self::new(address, prefix)
    }

    /// Writes the form of `oid`; where the server infers the type, that of `inet`, which is the same to it.
    fn write(self, oid: Oid, out: &mut Buffer) {
        let is_cidr = u8::from(oid == Oid::CIDR);
        match self.address {
            IpAddr::V4(address) => {
                out.put_slice(&[IPV4, self.prefix, is_cidr, 4]);
                out.put_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.put_slice(&[IPV6, self.prefix, is_cidr, 16]);
                out.put_slice(&address.octets());
            }
        }
    }
}

impl From<IpAddr> for Inet {
    /// One host: the prefix is the whole address.
    fn from(address: IpAddr) -> Self {
        Self { address, prefix: full(address) }
    }
}

impl From<Cidr> for Inet {
    fn from(network: Cidr) -> Self {
        network.0
    }
}

impl fmt::Display for Inet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}")?,
            IpAddr::V6(address) => match address.segments() {
                // Like `::ffff:1.2.3.4`, which Rust prints so too.
                [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                    let [.., a, b, c, d] = address.octets();
                    write!(f, "::{a}.{b}.{c}.{d}")?;
                }
                _ => write!(f, "{address}")?,
            },
        }
        if self.is_host() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

impl FromStr for Inet {
    type Err = Error;

    /// Reads an address, and behind a slash its prefix.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for anything else, [`ErrorKind::OutOfRange`] for a prefix longer than the address.
    fn from_str(text: &str) -> Result<Self> {
        let invalid =
            Error::new(ErrorKind::InvalidValue, "an address does not look like 10.1.2.3/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse().map_err(|_| invalid)?;
        match prefix {
            None => Ok(Self::from(address)),
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Self::new(address, digits.parse().map_err(|_| invalid)?)
            }
            Some(_) => Err(invalid),
        }
    }
}

impl PgType for Inet {
    const TYPE: Type = Type { oid: Oid::INET, array: Oid::INET_ARRAY, name: "inet" };

    fn accepts(oid: Oid) -> bool {
        matches!(oid, Oid::INET | Oid::CIDR)
    }
}

impl ArrayElement for Inet {}

impl Encode for Inet {
    /// Writes the address.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] when the type is `cidr` and bits right of the prefix are set.
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        if oid == Oid::CIDR {
            Cidr::try_from(*self)?;
        }
        self.write(oid, out);
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Inet {
    /// Reads an address.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for a `cidr` with bits set to the right of its prefix, which no server sends.
    #[inline]
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let inet = Self::read(raw)?;
        if oid == Oid::CIDR {
            Cidr::try_from(inet)?;
        }
        Ok(inet)
    }
}

/// A network: `cidr`. No bit right of its prefix is set.
///
/// It is printed as the server prints it, always with the prefix; all that is printed can be parsed, but not the further
/// forms that the server reads (`10`).
///
/// ```
/// use stellata_protocol::types::network::Cidr;
/// let network: Cidr = "10.0.0.0/8".parse().unwrap();
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!("10.1.2.3/8".parse::<Cidr>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr(Inet);

impl Cidr {
    /// The network whose address begins with `prefix` bits of `address`, behind which there are only zeros.
    ///
    /// [`Inet::network`] sets them to zero.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] above 32 bits for IPv4, 128 for IPv6, and when a bit right of the prefix is set.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self> {
        Self::try_from(Inet::new(address, prefix)?)
    }

    /// The first address of the network.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.0.address
    }

    /// How many leading bits all addresses of the network share: 0 to 32 for IPv4, 0 to 128 for IPv6.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.0.prefix
    }

    /// Whether the address is one of the network's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address().is_ipv4()
            && masked(address, self.prefix()) == self.address()
    }
}

impl TryFrom<Inet> for Cidr {
    type Error = Error;

    fn try_from(inet: Inet) -> Result<Self> {
        if masked(inet.address, inet.prefix) != inet.address {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                "a network has bits set to the right of its prefix",
            ));
        }
        Ok(Self(inet))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        if self.0.is_host() {
            write!(f, "/{}", self.prefix())?;
        }
        Ok(())
    }
}

impl FromStr for Cidr {
    type Err = Error;

    /// Reads an address, and behind a slash its prefix.
    ///
    /// # Errors
    /// Those of [`Inet`], and [`ErrorKind::OutOfRange`] when a bit right of the prefix is set.
    fn from_str(text: &str) -> Result<Self> {
        Self::try_from(text.parse::<Inet>()?)
    }
}

impl PgType for Cidr {
    const TYPE: Type = Type { oid: Oid::CIDR, array: Oid::CIDR_ARRAY, name: "cidr" };

    fn accepts(oid: Oid) -> bool {
        matches!(oid, Oid::CIDR | Oid::INET)
    }
}

impl ArrayElement for Cidr {}

impl Encode for Cidr {
    #[inline]
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        self.0.write(oid, out);
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Cidr {
    /// Reads a network.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] for an `inet` with bits set to the right of its prefix.
    #[inline]
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        Self::try_from(Inet::read(raw)?)
    }
}

/// How many bits an address has.
const fn full(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with zeros behind its first `prefix` bits.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let surplus = u32::from(full(address).saturating_sub(prefix));
    match address {
        // A mask that would shift all bits away is 0.
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(surplus).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(surplus).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// The server's own numbers for the families, whatever the system's are (`PGSQL_AF_INET`, `PGSQL_AF_INET6`).
const IPV4: u8 = 2;
const IPV6: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{decode, encode, is_refused, is_value, round_trip, survives};

    fn inet(text: &str) -> Inet {
        text.parse().unwrap()
    }

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn known_bytes() {
        is_value(Oid::INET, "02 08 00 04 01020304", &inet("1.2.3.4/8"));
        is_value(Oid::INET, "02 20 00 04 00000000", &inet("0.0.0.0"));
        is_value(Oid::INET, "03 80 00 10 00000000000000000000000000000001", &inet("::1"));
        is_value(Oid::CIDR, "02 08 01 04 0a000000", &inet("10.0.0.0/8"));
        is_value(Oid::CIDR, "02 08 01 04 0a000000", &cidr("10.0.0.0/8"));
        is_value(Oid::INET, "02 08 00 04 0a000000", &cidr("10.0.0.0/8"));
        is_value(Oid::CIDR, "03 00 01 10 00000000000000000000000000000000", &cidr("::/0"));
        // Where the server infers the type, it ignores which of both it is.
        assert_eq!(encode(Oid::UNSPECIFIED, &cidr("::/0")).unwrap()[..4], [3, 0, 0, 16]);
    }

    #[test]
    fn bytes_that_are_no_address_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("020800", ErrorKind::Truncated),
            ("02080004", ErrorKind::Truncated),
            ("02080004 0a0000", ErrorKind::Truncated),
            ("02080004 0a000000 00", ErrorKind::TrailingBytes),
            ("02080003 0a0000", ErrorKind::InvalidLength),
            ("02080005 0a00000000", ErrorKind::InvalidLength),
            ("02080010 0a000000000000000000000000000000", ErrorKind::InvalidLength),
            ("03080004 0a000000", ErrorKind::InvalidLength),
            ("020800ff 0a000000", ErrorKind::InvalidLength),
            ("01080004 0a000000", ErrorKind::InvalidValue),
            ("0a080010 0a000000000000000000000000000000", ErrorKind::InvalidValue),
            ("02210004 0a000000", ErrorKind::OutOfRange),
            ("02ff0004 0a000000", ErrorKind::OutOfRange),
            ("03810010 0a000000000000000000000000000000", ErrorKind::OutOfRange),
        ] {
            is_refused::<Inet>(Oid::INET, text, kind);
            is_refused::<Cidr>(Oid::CIDR, text, kind);
        }
        is_refused::<Cidr>(Oid::CIDR, "02080104 0a010000", ErrorKind::OutOfRange);
        is_refused::<Inet>(Oid::CIDR, "02080104 0a010000", ErrorKind::OutOfRange);
        is_value(Oid::INET, "02080004 0a010000", &inet("10.1.0.0/8"));
    }

    #[test]
    fn an_address_that_is_no_network_is_not_written_as_one() {
        let found = encode(Oid::CIDR, &inet("10.1.2.3/8")).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::OutOfRange));
        assert_eq!(inet("10.1.2.3/8").network(), cidr("10.0.0.0/8"));
        assert_eq!(inet("ffff::ffff/0").network(), cidr("::/0"));
        assert_eq!(inet("255.255.255.255/31").network(), cidr("255.255.255.254/31"));
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for text in [
            "",
            "/",
            "10",
            "10.1",
            "10.1.2.3/",
            "10.1.2.3/+8",
            "10.1.2.3/ 8",
            "10.1.2.3/8/8",
            "::1/",
            "10.1.2.3/256",
            "010.1.2.3",
            "::1%eth0",
            "1.2.3.4.5",
            " ::1",
            "/8",
        ] {
            let kind = text.parse::<Inet>().map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::InvalidValue), "{text}");
        }
        for text in ["10.1.2.3/33", "::1/129"] {
            let kind = text.parse::<Inet>().map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::OutOfRange), "{text}");
        }
    }

    fn any_inet() -> impl Strategy<Value = Inet> {
        prop_oneof![
            (any::<u32>(), 0..=32_u8)
                .prop_map(|(bits, prefix)| Inet::new(Ipv4Addr::from_bits(bits).into(), prefix)),
            (any::<u128>(), 0..=128_u8, 0..128_u32).prop_map(|(bits, prefix, zeros)| {
                Inet::new(Ipv6Addr::from_bits(bits >> zeros).into(), prefix)
            }),
        ]
        .prop_map(Result::unwrap)
    }

    proptest! {
        #[test]
        fn every_value_comes_back(inet in any_inet()) {
            round_trip(&inet)?;
            round_trip(&inet.network())?;
            prop_assert_eq!(inet.to_string().parse(), Ok(inet));
            prop_assert_eq!(inet.network().to_string().parse(), Ok(inet.network()));
            prop_assert!(inet.network().contains(inet.address()));
        }

        #[test]
        fn hostile_bytes_are_survived(
            mut raw: Vec<u8>, family in 0..5_u8, len in prop::sample::select(vec![0, 4, 16, 255]),
        ) {
            survives::<Inet>(Oid::INET, &raw)?;
            raw.splice(..0, [family, 24, 1, len]);
            survives::<Inet>(Oid::INET, &raw)?;
            survives::<Cidr>(Oid::CIDR, &raw)?;
            let network = decode::<Cidr>(Oid::INET, &raw).map(Inet::from);
            prop_assert!(network.is_err() || network == decode(Oid::INET, &raw));
        }
    }
}
