//! [`Snapshot`]: which transactions were running.
//!
//! The binary form (`pg_snapshot_send` of the server's source): how many transactions are listed, the lowest, the next,
//! the list.

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::system::number::Xid8;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Which transactions were running at a moment: `pg_snapshot`, and `txid_snapshot` of older servers (manual:
/// "Transaction ID and Snapshot Information Functions").
///
/// ```
/// use stellata_protocol::types::system::{Snapshot, Xid8};
/// let snapshot = Snapshot::new(Xid8(10), Xid8(20), vec![Xid8(12), Xid8(15)]).unwrap();
/// assert_eq!(snapshot.to_string(), "10:20:12,15");
/// assert!(snapshot.sees(Xid8(11)) && !snapshot.sees(Xid8(12)) && !snapshot.sees(Xid8(20)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    xmin: Xid8,
    xmax: Xid8,
    xip: Vec<Xid8>,
}

impl Snapshot {
    /// A snapshot: the lowest transaction that was running, the first that had not begun, and all that were running, in
    /// ascending order.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] when the lowest is above the first that had not begun, when the lower half of one of
    /// both is 0, and when the list is not in order or not between them: the server does not take it.
    pub fn new(xmin: Xid8, xmax: Xid8, xip: Vec<Xid8>) -> Result<Self> {
        let is_number = |xid: Xid8| xid.0 & u64::from(u32::MAX) != 0;
        let is_in_order = xip.is_sorted_by(|one, other| one < other)
            && xip.first().is_none_or(|first| xmin <= *first)
            && xip.last().is_none_or(|last| *last < xmax);
        if !is_number(xmin) || !is_number(xmax) || xmin > xmax || !is_in_order {
            return Err(Error::new(ErrorKind::OutOfRange, NOT_IN_ORDER));
        }
        Ok(Self { xmin, xmax, xip })
    }

    /// The lowest transaction that was running; all before it had ended.
    #[must_use]
    pub const fn xmin(&self) -> Xid8 {
        self.xmin
    }

    /// The first transaction that had not begun.
    #[must_use]
    pub const fn xmax(&self) -> Xid8 {
        self.xmax
    }

    /// The transactions that were running, in ascending order.
    #[must_use]
    pub fn xip(&self) -> &[Xid8] {
        &self.xip
    }

    /// Whether the transaction had ended, as the server's `pg_visible_in_snapshot` tells it.
    #[must_use]
    pub fn sees(&self, xid: Xid8) -> bool {
        xid < self.xmin || xid < self.xmax && self.xip.binary_search(&xid).is_err()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        let mut comma = "";
        for xid in &self.xip {
            write!(f, "{comma}{xid}")?;
            comma = ",";
        }
        Ok(())
    }
}

impl PgType for Snapshot {
    const TYPE: Type =
        Type { oid: Oid::PG_SNAPSHOT, array: Oid::PG_SNAPSHOT_ARRAY, name: "pg_snapshot" };

    fn accepts(oid: Oid) -> bool {
        matches!(oid, Oid::PG_SNAPSHOT | Oid::TXID_SNAPSHOT)
    }
}

impl ArrayElement for Snapshot {}

impl Encode for Snapshot {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_len32(self.xip.len())?;
        [self.xmin, self.xmax].iter().chain(&self.xip).for_each(|xid| {
            out.put_slice(&xid.0.to_be_bytes());
        });
        Ok(IsNull::No)
    }
}

impl<'a> Decode<'a> for Snapshot {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(Error::new(ErrorKind::InvalidLength, "a snapshot has a negative length"));
        };
        let (xmin, xmax) = (xid(&mut reader)?, xid(&mut reader)?);
        // What is declared is believed as far as there are bytes for it.
        if count > reader.len() / XID {
            return Err(reader.error(
                ErrorKind::Truncated,
                "a snapshot has fewer bytes than its number of transactions needs",
            ));
        }
        let xip = (0..count).map(|_| xid(&mut reader)).collect::<Result<_>>()?;
        reader.end()?;
        Self::new(xmin, xmax, xip)
            .map_err(|error| Error::new(ErrorKind::InvalidValue, error.message()))
    }
}

fn xid(reader: &mut Reader<'_>) -> Result<Xid8> {
    Ok(Xid8(u64::from_be_bytes(reader.array()?)))
}

const NOT_IN_ORDER: &str = "the transactions of a snapshot are not in order";
/// Bytes of a transaction's number.
const XID: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        let snapshot = Snapshot::new(Xid8(10), Xid8(20), vec![Xid8(12), Xid8(15)]).unwrap();
        let bytes = "00000002 000000000000000a 0000000000000014 000000000000000c 000000000000000f";
        is_value(Oid::PG_SNAPSHOT, bytes, &snapshot);
        is_value(Oid::TXID_SNAPSHOT, bytes, &snapshot);
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused() {
        let (one, two) = ("0000000000000001", "0000000000000002");
        for (text, kind) in [
            (String::new(), ErrorKind::Truncated),
            (format!("00000000 {one}"), ErrorKind::Truncated),
            (format!("00000001 {one} {two}"), ErrorKind::Truncated),
            (format!("7fffffff {one} {two} {one}"), ErrorKind::Truncated),
            (format!("ffffffff {one} {two} {one}"), ErrorKind::InvalidLength),
            (format!("00000000 {one} {two} {one}"), ErrorKind::TrailingBytes),
            (format!("00000000 {two} {one}"), ErrorKind::InvalidValue),
            (format!("00000001 {one} {two} {two}"), ErrorKind::InvalidValue),
            (format!("00000001 {two} {two} {one}"), ErrorKind::InvalidValue),
            (format!("00000002 {one} {two} {one} {one}"), ErrorKind::InvalidValue),
            (format!("00000000 0000000000000000 {two}"), ErrorKind::InvalidValue),
            (format!("00000000 {one} 0000000100000000"), ErrorKind::InvalidValue),
        ] {
            is_refused::<Snapshot>(Oid::PG_SNAPSHOT, &text, kind);
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            xip in prop::collection::btree_set(1_u64.., 0..10), before in 0..9_u64, after in 0..9_u64,
        ) {
            let xip: Vec<_> = xip.into_iter().map(Xid8).collect();
            let xmin = xip.first().map_or(1, |first| first.0).saturating_sub(before);
            let xmax = xip.last().map_or(1, |last| last.0).saturating_add(1).saturating_add(after);
            match Snapshot::new(Xid8(xmin), Xid8(xmax), xip.clone()) {
                Ok(snapshot) => {
                    round_trip(&snapshot)?;
                    for xid in xip {
                        prop_assert!(!snapshot.sees(xid));
                    }
                    prop_assert!(!snapshot.sees(snapshot.xmax()));
                    prop_assert!(snapshot.sees(Xid8(snapshot.xmin().0 - 1)));
                }
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::OutOfRange),
            }
        }

        #[test]
        fn hostile_bytes_are_survived(
            count in -1..4_i32, any: Vec<u8>, small in prop::collection::vec(0..4_u64, 2..6),
        ) {
            survives::<Snapshot>(Oid::PG_SNAPSHOT, &any)?;
            let mut raw = count.to_be_bytes().to_vec();
            raw.extend(small.iter().flat_map(|xid| xid.to_be_bytes()));
            survives::<Snapshot>(Oid::PG_SNAPSHOT, &raw)?;
        }
    }
}
