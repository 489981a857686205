//! The messages of a replication stream, each the content of one CopyData message (manual: "Streaming Replication
//! Protocol", `START_REPLICATION`).

use crate::error::{ErrorKind, Result};
use crate::replication::lsn::Lsn;
use crate::replication::timestamp::Timestamp;
use crate::replication::xid::Xid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// What the primary sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimaryMessage<'a> {
    /// XLogData (`w`).
    XLogData(XLogData<'a>),
    /// Primary keepalive (`k`).
    Keepalive(Keepalive),
}

/// A piece of the log: WAL as it stands on disk in physical replication, one message of the plugin in logical replication.
///
/// Layout: Byte1 `w`, Int64 start, Int64 end, Int64 time, then the data up to the end of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XLogData<'a> {
    /// Where the data begins in the log; [`Lsn::INVALID`] for data of a plugin that has no place there, such as pgoutput's
    /// descriptions of relations.
    pub start: Lsn,
    /// Where the primary's log ends at this moment (physical); the same as `start` in logical replication.
    pub end: Lsn,
    /// The primary's clock when it sent this.
    pub sent_at: Timestamp,
    /// The data, of any length and content.
    pub data: &'a [u8],
}

/// The primary's sign of life.
///
/// Layout: Byte1 `k`, Int64 end, Int64 time, Byte1 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Where the primary's log ends at this moment; in logical replication how much has been decoded and sent.
    pub end: Lsn,
    /// The primary's clock when it sent this.
    pub sent_at: Timestamp,
    /// The primary wants a [`StandbyStatus`] soon, or it will end the connection (`wal_sender_timeout`).
    pub reply_requested: bool,
}

/// What a standby or a subscriber sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandbyMessage {
    /// Standby status update (`r`).
    Status(StandbyStatus),
    /// Hot standby feedback (`h`).
    Feedback(HotStandbyFeedback),
}

/// How far a standby is. The primary keeps the log from `flushed` on, and never sends what lies before it again.
///
/// Layout: Byte1 `r`, Int64 written, Int64 flushed, Int64 applied, Int64 time, Byte1 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandbyStatus {
    /// The end of what has been received and written, plus one byte.
    pub written: Lsn,
    /// The end of what is safe on disk, plus one byte.
    pub flushed: Lsn,
    /// The end of what has been applied, plus one byte.
    pub applied: Lsn,
    /// The standby's clock.
    pub sent_at: Timestamp,
    /// The standby wants a [`Keepalive`] at once, to see that the connection lives.
    pub reply_requested: bool,
}

/// The oldest transactions that queries of a standby still need, so that the primary leaves their rows alone.
///
/// Layout: Byte1 `h`, Int64 time, Int32 xmin, Int32 its epoch, Int32 catalog xmin, Int32 its epoch. Zeros in all four say
/// that no feedback will follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HotStandbyFeedback {
    /// The standby's clock.
    pub sent_at: Timestamp,
    /// The oldest transaction, replication slots aside; 0 for none.
    pub xmin: Xid,
    /// How often the numbers of transactions had started again at `xmin`.
    pub xmin_epoch: u32,
    /// The oldest transaction that replication slots need the catalogues of; 0 for none.
    pub catalog_xmin: Xid,
    /// How often the numbers of transactions had started again at `catalog_xmin`.
    pub catalog_xmin_epoch: u32,
}

impl<'a> PrimaryMessage<'a> {
    /// Reads the content of a CopyData message.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for another kind of message or a flag other than 0 and 1, [`ErrorKind::Truncated`] or
    /// [`ErrorKind::TrailingBytes`] when the length is not that of the kind.
    pub fn read(payload: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(payload);
        let at = reader;
        let message = match reader.u8()? {
            b'w' => Self::XLogData(XLogData {
                start: Lsn::read(&mut reader)?,
                end: Lsn::read(&mut reader)?,
                sent_at: Timestamp::read(&mut reader)?,
                data: reader.take_rest(),
            }),
            b'k' => Self::Keepalive(Keepalive {
                end: Lsn::read(&mut reader)?,
                sent_at: Timestamp::read(&mut reader)?,
                reply_requested: read_flag(&mut reader)?,
            }),
            _ => {
                return Err(at.error(
                    ErrorKind::InvalidValue,
                    "an unknown kind of message in a replication stream",
                ));
            }
        };
        reader.end()?;
        Ok(message)
    }

    /// Writes the content of a CopyData message.
    pub fn write(&self, out: &mut Buffer) {
        match self {
            Self::XLogData(message) => {
                out.put_u8(b'w');
                message.start.write(out);
                message.end.write(out);
                message.sent_at.write(out);
                out.put_slice(message.data);
            }
            Self::Keepalive(message) => {
                out.put_u8(b'k');
                message.end.write(out);
                message.sent_at.write(out);
                out.put_u8(message.reply_requested.into());
            }
        }
    }
}

impl StandbyMessage {
    /// Reads the content of a CopyData message, as a primary does.
    ///
    /// # Errors
    /// As [`PrimaryMessage::read`].
    pub fn read(payload: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(payload);
        let at = reader;
        let message = match reader.u8()? {
            b'r' => Self::Status(StandbyStatus {
                written: Lsn::read(&mut reader)?,
                flushed: Lsn::read(&mut reader)?,
                applied: Lsn::read(&mut reader)?,
                sent_at: Timestamp::read(&mut reader)?,
                reply_requested: read_flag(&mut reader)?,
            }),
            b'h' => Self::Feedback(HotStandbyFeedback {
                sent_at: Timestamp::read(&mut reader)?,
                xmin: Xid::read(&mut reader)?,
                xmin_epoch: reader.u32()?,
                catalog_xmin: Xid::read(&mut reader)?,
                catalog_xmin_epoch: reader.u32()?,
            }),
            _ => {
                return Err(at.error(
                    ErrorKind::InvalidValue,
                    "an unknown kind of message in a replication stream",
                ));
            }
        };
        reader.end()?;
        Ok(message)
    }

    /// Writes the content of a CopyData message.
    pub fn write(&self, out: &mut Buffer) {
        match self {
            Self::Status(message) => {
                out.put_u8(b'r');
                message.written.write(out);
                message.flushed.write(out);
                message.applied.write(out);
                message.sent_at.write(out);
                out.put_u8(message.reply_requested.into());
            }
            Self::Feedback(message) => {
                out.put_u8(b'h');
                message.sent_at.write(out);
                message.xmin.write(out);
                out.put_u32(message.xmin_epoch);
                message.catalog_xmin.write(out);
                out.put_u32(message.catalog_xmin_epoch);
            }
        }
    }
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool> {
    let at = *reader;
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(at.error(ErrorKind::InvalidValue, "a request for a reply is neither 0 nor 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn primary(message: &PrimaryMessage<'_>) -> Vec<u8> {
        let mut out = Buffer::new();
        message.write(&mut out);
        out.as_slice().to_vec()
    }

    fn standby(message: &StandbyMessage) -> Vec<u8> {
        let mut out = Buffer::new();
        message.write(&mut out);
        out.as_slice().to_vec()
    }

    #[test]
    fn the_layouts_are_the_manuals() {
        let keepalive = Keepalive { end: Lsn(1), sent_at: Timestamp(-1), reply_requested: true };
        assert_eq!(
            primary(&PrimaryMessage::Keepalive(keepalive)),
            *b"k\0\0\0\0\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01"
        );
        let data = XLogData { start: Lsn(1), end: Lsn(2), sent_at: Timestamp(3), data: b"BODY" };
        assert_eq!(
            primary(&PrimaryMessage::XLogData(data)),
            *b"w\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03BODY"
        );
        let status = StandbyStatus {
            written: Lsn(1),
            flushed: Lsn(2),
            applied: Lsn(3),
            sent_at: Timestamp(4),
            reply_requested: false,
        };
        assert_eq!(
            standby(&StandbyMessage::Status(status)),
            *b"r\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0"
        );
        let feedback = HotStandbyFeedback {
            sent_at: Timestamp(1),
            xmin: Xid(2),
            xmin_epoch: 3,
            catalog_xmin: Xid(4),
            catalog_xmin_epoch: 5,
        };
        assert_eq!(
            standby(&StandbyMessage::Feedback(feedback)),
            *b"h\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"
        );
    }

    #[test]
    fn unknown_kinds_and_flags_are_refused() {
        let kind = |payload: &[u8]| {
            PrimaryMessage::read(payload).map(|_| ()).map_err(|error| error.kind())
        };
        assert_eq!(kind(b""), Err(ErrorKind::Truncated));
        assert_eq!(kind(b"r"), Err(ErrorKind::InvalidValue));
        assert_eq!(kind(&[&b"k"[..], &[0; 16], &[2]].concat()), Err(ErrorKind::InvalidValue));
        let kind = |payload: &[u8]| {
            StandbyMessage::read(payload).map(|_| ()).map_err(|error| error.kind())
        };
        assert_eq!(kind(b"w"), Err(ErrorKind::InvalidValue));
        assert_eq!(kind(&[&b"r"[..], &[0; 32], &[2]].concat()), Err(ErrorKind::InvalidValue));
    }

    proptest! {
        #[test]
        fn what_the_primary_says_comes_back(
            start: u64, end: u64, at: i64, flag: bool, data: Vec<u8>, more: u8,
        ) {
            let (start, end, sent_at) = (Lsn(start), Lsn(end), Timestamp(at));
            let message = PrimaryMessage::XLogData(XLogData { start, end, sent_at, data: &data });
            let bytes = primary(&message);
            prop_assert_eq!(PrimaryMessage::read(&bytes), Ok(message));
            for len in 0..bytes.len() - data.len() {
                let kind = PrimaryMessage::read(&bytes[..len]).map_err(|error| error.kind());
                prop_assert_eq!(kind, Err(ErrorKind::Truncated));
            }
            let message = PrimaryMessage::Keepalive(Keepalive { end, sent_at, reply_requested: flag });
            let mut bytes = primary(&message);
            prop_assert_eq!(PrimaryMessage::read(&bytes), Ok(message));
            for len in 0..bytes.len() {
                let kind = PrimaryMessage::read(&bytes[..len]).map_err(|error| error.kind());
                prop_assert_eq!(kind, Err(ErrorKind::Truncated));
            }
            bytes.push(more);
            let kind = PrimaryMessage::read(&bytes).map_err(|error| error.kind());
            prop_assert_eq!(kind, Err(ErrorKind::TrailingBytes));
        }

        #[test]
        fn what_a_standby_says_comes_back(
            lsn: [u64; 3], at: i64, flag: bool, xid: [u32; 4], more: u8,
        ) {
            let sent_at = Timestamp(at);
            let [written, flushed, applied] = lsn.map(Lsn);
            let status = StandbyStatus { written, flushed, applied, sent_at, reply_requested: flag };
            let feedback = HotStandbyFeedback {
                sent_at,
                xmin: Xid(xid[0]),
                xmin_epoch: xid[1],
                catalog_xmin: Xid(xid[2]),
                catalog_xmin_epoch: xid[3],
            };
            for message in [StandbyMessage::Status(status), StandbyMessage::Feedback(feedback)] {
                let mut bytes = standby(&message);
                prop_assert_eq!(StandbyMessage::read(&bytes), Ok(message));
                for len in 0..bytes.len() {
                    let kind = StandbyMessage::read(&bytes[..len]).map_err(|error| error.kind());
                    prop_assert_eq!(kind, Err(ErrorKind::Truncated));
                }
                bytes.push(more);
                let kind = StandbyMessage::read(&bytes).map_err(|error| error.kind());
                prop_assert_eq!(kind, Err(ErrorKind::TrailingBytes));
            }
        }

        #[test]
        fn what_is_read_of_any_bytes_is_written_as_them(
            tag in prop_oneof![proptest::sample::select(vec![b'w', b'k', b'r', b'h']), any::<u8>()],
            rest in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..40),
        ) {
            let bytes = [&[tag], &rest[..]].concat();
            if let Ok(message) = PrimaryMessage::read(&bytes) {
                prop_assert_eq!(primary(&message), &bytes[..]);
            }
            if let Ok(message) = StandbyMessage::read(&bytes) {
                prop_assert_eq!(standby(&message), &bytes[..]);
            }
        }
    }
}
