//! ReadyForQuery, CommandComplete, ParameterStatus and NotificationResponse.

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Where the session stands as to transactions: the byte of ReadyForQuery, which is the only truth about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: in no transaction.
    Idle,
    /// `T`: in a transaction.
    InTransaction,
    /// `E`: in a transaction that has failed; everything but its end is refused.
    Failed,
}

impl TransactionStatus {
    /// Reads the body of a ReadyForQuery (`Z`): one byte.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for another byte, or any [`Error`] of a malformed body.
    #[inline]
    pub fn read(body: &[u8]) -> Result<Self> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Error::new(
                ErrorKind::InvalidValue,
                "ReadyForQuery holds no status that is known",
            )),
        }
    }

    /// Writes a ReadyForQuery, as a server does.
    ///
    /// # Errors
    /// None; the type fits the other messages.
    pub fn write(self, out: &mut Buffer) -> Result<()> {
        out.message(b'Z', |body| {
            body.put_u8(match self {
                Self::Idle => b'I',
                Self::InTransaction => b'T',
                Self::Failed => b'E',
            });
            Ok(())
        })
    }
}

/// The end of a command: the tag of a CommandComplete (`C`), such as `INSERT 0 5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandTag<'a> {
    /// The tag as it came.
    pub text: &'a str,
}

impl<'a> CommandTag<'a> {
    /// Reads the body of a CommandComplete.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    #[inline]
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let text = reader.cstr()?;
        reader.end()?;
        Ok(Self { text })
    }

    /// The number of rows that the command wrote, read, copied or fetched; 0 for a command that counts none.
    ///
    /// ```
    /// use stellata_protocol::message::CommandTag;
    /// assert_eq!(CommandTag { text: "INSERT 0 5" }.rows(), 5);
    /// assert_eq!(CommandTag { text: "CREATE TABLE" }.rows(), 0);
    /// ```
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.text.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Writes a CommandComplete, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in the tag.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'C', |body| body.put_cstr(self.text))
    }
}

/// A setting that the server reports: ParameterStatus (`S`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting's name, such as `server_version`.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body: name and value.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let status = Self { name: reader.cstr()?, value: reader.cstr()? };
        reader.end()?;
        Ok(status)
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in name or value.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'S', |body| {
            body.put_cstr(self.name)?;
            body.put_cstr(self.value)
        })
    }
}

/// What NOTIFY sent to a channel that the session listens on: NotificationResponse (`A`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The process that sent it.
    pub process_id: i32,
    /// The channel.
    pub channel: Box<str>,
    /// The text sent along; empty for none.
    pub payload: Box<str>,
}

impl Notification {
    /// Reads the body: process, channel, payload.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let notification = Self {
            process_id: reader.i32()?,
            channel: reader.cstr()?.into(),
            payload: reader.cstr()?.into(),
        };
        reader.end()?;
        Ok(notification)
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in channel or payload.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'A', |body| {
            body.put_i32(self.process_id);
            body.put_cstr(&self.channel)?;
            body.put_cstr(&self.payload)
        })
    }
}
