//! Start-up, cancel and the keys for it (manual: "Start-up", "Canceling Requests in Progress").

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Protocol 3.0, the version that is asked for unless told otherwise.
pub const PROTOCOL_3_0: u32 = 0x0003_0000;

const CANCEL_REQUEST: u32 = 80_877_102;

/// Writes a StartupMessage: Int32 length, Int32 version, then name and value of each parameter, and a zero byte.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL in a name or value: it would let one value become two parameters.
pub fn write_startup<'a>(
    out: &mut Buffer,
    version: u32,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    out.untagged(|body| {
        body.put_u32(version);
        for (name, value) in parameters {
            if name.is_empty() {
                return Err(Error::new(ErrorKind::Usage, "a start-up parameter has no name"));
            }
            body.put_cstr(name)?;
            body.put_cstr(value)?;
        }
        body.put_u8(0);
        Ok(())
    })
}

/// Reads a StartupMessage after its length: the version and the parameters.
///
/// # Errors
/// Any [`Error`] of a malformed body.
pub fn read_startup(body: &[u8]) -> Result<(u32, Vec<(&str, &str)>)> {
    let mut reader = Reader::new(body);
    let version = reader.u32()?;
    let mut parameters = Vec::new();
    loop {
        let name = reader.cstr()?;
        if name.is_empty() {
            break;
        }
        parameters.push((name, reader.cstr()?));
    }
    reader.end()?;
    Ok((version, parameters))
}

/// The newest version that a server speaks, and what it does not know of a start-up: NegotiateProtocolVersion (`v`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    /// The newest version that the server speaks below the one that was asked for. Some servers send its minor part
    /// alone.
    pub version: u32,
    /// Options of the protocol (their names begin with `_pq_.`) that the server does not know.
    pub unknown_options: Vec<&'a str>,
}

impl<'a> NegotiateProtocolVersion<'a> {
    /// Reads the body: Int32 version, Int32 count of options, their names.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u32()?;
        let Ok(count) = usize::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "a count of options is negative"));
        };
        let mut unknown_options = Vec::new();
        for _ in 0..count {
            unknown_options.push(reader.cstr()?);
        }
        reader.end()?;
        Ok(Self { version, unknown_options })
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in a name.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'v', |body| {
            body.put_u32(self.version);
            body.put_len32(self.unknown_options.len())?;
            self.unknown_options.iter().try_for_each(|name| body.put_cstr(name))
        })
    }
}

/// What a server gives a session so that another connection may cancel its query: BackendKeyData (`K`).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct BackendKey {
    /// The process at the server.
    pub process_id: i32,
    /// The secret: 4 bytes in protocol 3.0.
    secret: [u8; 4],
}

impl BackendKey {
    /// A key with its parts.
    #[must_use]
    pub const fn new(process_id: i32, secret: [u8; 4]) -> Self {
        Self { process_id, secret }
    }

    /// Reads the body of a BackendKeyData: Int32 process, then the secret.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let key = Self { process_id: reader.i32()?, secret: reader.array()? };
        reader.end()?;
        Ok(key)
    }

    /// Writes a BackendKeyData, as a server does.
    ///
    /// # Errors
    /// None; the type fits the other messages.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'K', |body| {
            body.put_i32(self.process_id);
            body.put_slice(&self.secret);
            Ok(())
        })
    }

    /// Writes a CancelRequest for the session: Int32 length, Int32 code 80877102, Int32 process, the secret.
    ///
    /// # Errors
    /// None; the type fits the other messages.
    pub fn write_cancel_request(&self, out: &mut Buffer) -> Result<()> {
        out.untagged(|body| {
            body.put_u32(CANCEL_REQUEST);
            body.put_i32(self.process_id);
            body.put_slice(&self.secret);
            Ok(())
        })
    }
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKey").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}
