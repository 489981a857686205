//! Start-up, cancel and the keys for it (manual: "Start-up", "Canceling Requests in Progress").

use core::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::{Buffer, nul};
use crate::wire::nul::holds_nul;
use crate::wire::reader::Reader;

/// Protocol 3.0, the version that is asked for unless told otherwise.
pub const PROTOCOL_3_0: u32 = 0x0003_0000;

/// Protocol 3.2, which has longer cancel keys (PostgreSQL 18).
pub const PROTOCOL_3_2: u32 = 0x0003_0002;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// Place for the parameters of most logins.
const USUAL_TEXT: usize = 128;

/// Writes a StartupMessage, which has no tag: Int32 length, Int32 version, then String name and String value of each parameter,
/// and a zero byte.
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
                return Err(nameless());
            }
            body.put_cstr(name)?;
            body.put_cstr(value)?;
        }
        body.put_u8(0);
        Ok(())
    })
}

/// The parameters of a StartupMessage in the form in which they are sent: each name and each value with a zero byte behind
/// it, so that a login with a dozen of them takes one piece of memory.
#[derive(Default)]
pub(crate) struct StartupText(String);

impl StartupText {
    /// Adds a parameter.
    ///
    /// # Errors
    /// As [`write_startup`]. Nothing is added then.
    pub(crate) fn push(&mut self, name: &str, value: &str) -> Result<()> {
        if name.is_empty() {
            return Err(nameless());
        }
        if holds_nul(name.as_bytes()) || holds_nul(value.as_bytes()) {
            return Err(nul());
        }
        if self.0.is_empty() {
            self.0.reserve(USUAL_TEXT);
        }
        for text in [name, value] {
            self.0.push_str(text);
            self.0.push('\0');
        }
        Ok(())
    }

    /// Names and values, in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut texts = self.0.split_terminator('\0');
        core::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// Writes the StartupMessage.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for 2 GiB and more.
    pub(crate) fn write(&self, out: &mut Buffer, version: u32) -> Result<()> {
        out.untagged(|body| {
            body.put_u32(version);
            body.put_slice(self.0.as_bytes());
            body.put_u8(0);
            Ok(())
        })
    }
}

#[cold]
const fn nameless() -> Error {
    Error::new(ErrorKind::Usage, "a start-up parameter has no name")
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

/// Writes an SSLRequest: Int32 length, Int32 code 80877103. The server answers with one byte, `S` or `N`.
///
/// # Errors
/// None; the type fits the other messages.
pub fn write_ssl_request(out: &mut Buffer) -> Result<()> {
    out.untagged(|body| {
        body.put_u32(SSL_REQUEST);
        Ok(())
    })
}

/// Writes a GSSENCRequest: Int32 length, Int32 code 80877104. The server answers with one byte, `G` or `N`.
///
/// # Errors
/// None; the type fits the other messages.
pub fn write_gssenc_request(out: &mut Buffer) -> Result<()> {
    out.untagged(|body| {
        body.put_u32(GSSENC_REQUEST);
        Ok(())
    })
}

/// The first message of a connection, which has no tag, as a server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstMessage<'a> {
    /// A session is to begin.
    Startup {
        /// The protocol version asked for.
        version: u32,
        /// Names and values of the parameters.
        parameters: Vec<(&'a str, &'a str)>,
    },
    /// TLS is asked for.
    SslRequest,
    /// GSSAPI encryption is asked for.
    GssEncRequest,
    /// The query of another session is to be cancelled.
    Cancel(BackendKey),
}

impl<'a> FirstMessage<'a> {
    /// Reads what follows the length.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        match reader.u32()? {
            SSL_REQUEST => reader.end().map(|()| Self::SslRequest),
            GSSENC_REQUEST => reader.end().map(|()| Self::GssEncRequest),
            CANCEL_REQUEST => BackendKey::read(reader.rest(), PROTOCOL_3_2).map(Self::Cancel),
            _ => {
                let (version, parameters) = read_startup(body)?;
                Ok(Self::Startup { version, parameters })
            }
        }
    }
}

/// NegotiateProtocolVersion (`v`): the server speaks an older version than was asked for, or does not know some options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    /// The newest version that the server speaks, whole: some servers send the minor number alone, which is read as one
    /// of protocol 3.
    pub version: u32,
    /// The options (`_pq_.` names) that it does not know.
    pub options: Vec<&'a str>,
}

impl<'a> NegotiateProtocolVersion<'a> {
    /// Reads the body: Int32 version, Int32 count of options (0 to 2^31 - 1), and String each.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body, [`ErrorKind::InvalidLength`] for a negative count.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let version = match reader.u32()? {
            minor if minor < 0x0001_0000 => PROTOCOL_3_0 | minor,
            version => version,
        };
        let count = reader.i32()?;
        if count < 0 {
            return Err(reader.error(ErrorKind::InvalidLength, "a count of options is negative"));
        }
        let mut options = Vec::new();
        for _ in 0..count {
            options.push(reader.cstr()?);
        }
        reader.end()?;
        Ok(Self { version, options })
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in a name.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        out.message(b'v', |body| {
            body.put_u32(self.version);
            body.put_len32(self.options.len())?;
            for option in &self.options {
                body.put_cstr(option)?;
            }
            Ok(())
        })
    }
}

/// What a server gives a session so that another connection may cancel its query: BackendKeyData (`K`).
///
/// Layout: Int32 process, then the secret up to the end of the message: 4 bytes, in protocol 3.2 up to 256.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendKey {
    /// The process at the server.
    pub process_id: i32,
    /// The secret: exactly 4 bytes in protocol 3.0, 4 to 256 in protocol 3.2.
    secret: Zeroizing<Vec<u8>>,
}

impl ZeroizeOnDrop for BackendKey {}

impl BackendKey {
    /// A key with its parts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidLength`] for a secret that is shorter than 4 bytes or longer than 256.
    pub fn new(process_id: i32, secret: &[u8]) -> Result<Self> {
        if (4..=256).contains(&secret.len()) {
            Ok(Self { process_id, secret: Zeroizing::new(secret.to_vec()) })
        } else {
            Err(Error::new(ErrorKind::InvalidLength, "a cancel key has 4 to 256 bytes"))
        }
    }

    /// Reads the body of a BackendKeyData: Int32 process, then the secret up to the end.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body; [`ErrorKind::InvalidLength`] for a secret of a length that `version` does not
    /// know.
    pub fn read(body: &[u8], version: u32) -> Result<Self> {
        let mut reader = Reader::new(body);
        let process_id = reader.i32()?;
        if version < PROTOCOL_3_2 && reader.len() != 4 {
            return Err(reader.error(
                ErrorKind::InvalidLength,
                "a cancel key of protocol 3.0 has exactly 4 bytes",
            ));
        }
        Self::new(process_id, reader.take_rest())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_length_that_its_protocol_version_knows() {
        let body = |secret: usize| [&7_i32.to_be_bytes()[..], &vec![1; secret]].concat();
        for (len, old, new) in [
            (0, false, false),
            (3, false, false),
            (4, true, true),
            (5, false, true),
            (256, false, true),
            (257, false, false),
        ] {
            assert_eq!(BackendKey::read(&body(len), PROTOCOL_3_0).is_ok(), old, "{len} in 3.0");
            assert_eq!(BackendKey::read(&body(len), PROTOCOL_3_2).is_ok(), new, "{len} in 3.2");
        }
    }

    #[test]
    fn a_version_may_come_whole_or_as_its_minor_number() {
        for (sent, read) in [(0x0003_0000, PROTOCOL_3_0), (0, PROTOCOL_3_0), (2, PROTOCOL_3_2)] {
            let mut out = Buffer::new();
            let message = NegotiateProtocolVersion { version: sent, options: vec!["_pq_.x"] };
            message.write(&mut out).unwrap();
            let back = NegotiateProtocolVersion::read(&out.as_slice()[5..]).unwrap();
            assert_eq!(back, NegotiateProtocolVersion { version: read, options: vec!["_pq_.x"] });
        }
        let negative = [&[0; 4][..], &[255; 4][..]].concat();
        assert_eq!(
            NegotiateProtocolVersion::read(&negative).map_err(|error| error.kind()),
            Err(ErrorKind::InvalidLength)
        );
    }

    #[test]
    fn a_first_message_is_told_by_its_code() {
        let mut out = Buffer::new();
        write_ssl_request(&mut out).unwrap();
        assert_eq!(FirstMessage::read(&out.as_slice()[4..]), Ok(FirstMessage::SslRequest));
        out.clear();
        write_gssenc_request(&mut out).unwrap();
        assert_eq!(FirstMessage::read(&out.as_slice()[4..]), Ok(FirstMessage::GssEncRequest));
        out.clear();
        let key = BackendKey::new(7, b"secret").unwrap();
        key.write_cancel_request(&mut out).unwrap();
        assert_eq!(FirstMessage::read(&out.as_slice()[4..]), Ok(FirstMessage::Cancel(key.clone())));
        assert!(!format!("{key:?}").contains("secret"));
        out.clear();
        write_startup(&mut out, PROTOCOL_3_0, [("user", "me")]).unwrap();
        assert_eq!(
            FirstMessage::read(&out.as_slice()[4..]),
            Ok(FirstMessage::Startup { version: PROTOCOL_3_0, parameters: vec![("user", "me")] })
        );
    }

    #[test]
    fn a_nul_in_a_value_can_not_make_a_second_parameter() {
        let mut out = Buffer::new();
        let injected = write_startup(&mut out, PROTOCOL_3_0, [("user", "me\0options\0-c")]);
        assert_eq!(injected.map_err(|error| error.kind()), Err(ErrorKind::InvalidText));
        assert!(out.is_empty());
        let mut text = StartupText::default();
        for (name, value) in [("user", "me\0options\0-c"), ("a\0b", "")] {
            let error = text.push(name, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidText);
        }
        assert_eq!(text.push("", "x").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(text.iter().next(), None);
    }

    #[test]
    fn parameters_are_kept_in_the_form_in_which_they_are_sent() {
        let parameters = [("user", "me"), ("options", ""), ("name", "\u{e9}t\u{e9}")];
        let mut text = StartupText::default();
        parameters.iter().for_each(|(name, value)| text.push(name, value).unwrap());
        assert!(text.iter().eq(parameters));
        let (mut kept, mut out) = (Buffer::new(), Buffer::new());
        text.write(&mut kept, PROTOCOL_3_2).unwrap();
        write_startup(&mut out, PROTOCOL_3_2, parameters).unwrap();
        assert_eq!(kept, out);
    }
}
