//! Authentication requests and the answers to them (manual: "Start-up", "SASL Authentication", "Message Formats").

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// The most mechanisms that an AuthenticationSASL may name. PostgreSQL names two; RFC 4422 knows a few dozen in all.
const MAX_MECHANISMS: usize = 64;

/// What a server asks for, or says, while a session logs in: the messages with the tag `R` (manual: "Message Formats",
/// AuthenticationOk to AuthenticationSASLFinal).
///
/// The body is an Int32 code, and behind it what each has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// AuthenticationOk, code 0: the login is done. Nothing follows the code.
    Ok,
    /// AuthenticationKerberosV5, code 2: no server from 9.3 on sends it. Nothing follows the code.
    KerberosV5,
    /// AuthenticationCleartextPassword, code 3: the password as it is. Nothing follows the code.
    CleartextPassword,
    /// AuthenticationMD5Password, code 5: the password as an MD5 hash with this salt.
    Md5Password {
        /// Byte4: of the server's choosing.
        salt: [u8; 4],
    },
    /// AuthenticationGSS, code 7: GSSAPI is to begin. Nothing follows the code.
    Gss,
    /// AuthenticationGSSContinue, code 8: the next step of GSSAPI or SSPI.
    GssContinue {
        /// The library's own bytes.
        data: &'a [u8],
    },
    /// AuthenticationSSPI, code 9: SSPI is to begin. Nothing follows the code.
    Sspi,
    /// AuthenticationSASL, code 10: the names of mechanisms in the server's order of preference, each a String, and a
    /// last zero byte.
    Sasl {
        /// The list as it came; [`Authentication::mechanisms`] reads it.
        mechanisms: &'a [u8],
    },
    /// AuthenticationSASLContinue, code 11: the next step of a SASL exchange.
    SaslContinue {
        /// The mechanism's own bytes.
        data: &'a [u8],
    },
    /// AuthenticationSASLFinal, code 12: the last step of a SASL exchange.
    SaslFinal {
        /// The mechanism's own bytes.
        data: &'a [u8],
    },
    /// Any other code: 1 (Kerberos V4), 4 (crypt) and 6 (SCM credentials) of servers long gone, or one not known.
    Other {
        /// The code.
        code: i32,
    },
}

impl<'a> Authentication<'a> {
    /// Reads the body: Int32 code, then what belongs to it.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when the code or the salt is cut short, [`ErrorKind::TrailingBytes`] when something
    /// follows where nothing may. What follows a code that is not known is passed over.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let request = match reader.i32()? {
            0 => Self::Ok,
            2 => Self::KerberosV5,
            3 => Self::CleartextPassword,
            5 => Self::Md5Password { salt: reader.array()? },
            7 => Self::Gss,
            8 => Self::GssContinue { data: reader.take_rest() },
            9 => Self::Sspi,
            10 => Self::Sasl { mechanisms: reader.take_rest() },
            11 => Self::SaslContinue { data: reader.take_rest() },
            12 => Self::SaslFinal { data: reader.take_rest() },
            code => {
                reader.take_rest();
                Self::Other { code }
            }
        };
        reader.end()?;
        Ok(request)
    }

    /// Writes the message, as a server does.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for 2 GiB of data.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        let (code, data): (i32, &[u8]) = match self {
            Self::Ok => (0, &[]),
            Self::KerberosV5 => (2, &[]),
            Self::CleartextPassword => (3, &[]),
            Self::Md5Password { salt } => (5, salt),
            Self::Gss => (7, &[]),
            Self::GssContinue { data } => (8, data),
            Self::Sspi => (9, &[]),
            Self::Sasl { mechanisms } => (10, mechanisms),
            Self::SaslContinue { data } => (11, data),
            Self::SaslFinal { data } => (12, data),
            Self::Other { code } => (*code, &[]),
        };
        out.message(b'R', |body| {
            body.put_i32(code);
            body.put_slice(data);
            Ok(())
        })
    }

    /// The names in the list of an AuthenticationSASL, in the server's order. One may stand there twice.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a name that is not UTF-8, [`ErrorKind::Truncated`] for a list without an end,
    /// [`ErrorKind::TrailingBytes`] for more behind it, [`ErrorKind::InvalidValue`] for an empty list,
    /// [`ErrorKind::TooLarge`] for more than 64 names.
    pub fn mechanisms(list: &'a [u8]) -> Result<Vec<&'a str>> {
        let mut reader = Reader::new(list);
        let mut names = Vec::new();
        loop {
            match reader.cstr()? {
                "" => break,
                _ if names.len() == MAX_MECHANISMS => {
                    return Err(Error::new(
                        ErrorKind::TooLarge,
                        "the server names more than 64 SASL mechanisms",
                    ));
                }
                name => names.push(name),
            }
        }
        reader.end()?;
        if names.is_empty() {
            return Err(Error::new(ErrorKind::InvalidValue, "the server names no SASL mechanism"));
        }
        Ok(names)
    }
}

/// Writes a PasswordMessage (`p`; manual: "Message Formats"): a String, the password as it is or its MD5 hash.
///
/// The buffer grows before the password is written, so that no copy of it stays behind in memory that was outgrown.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL in the password.
pub fn write_password(out: &mut Buffer, password: &[u8]) -> Result<()> {
    if password.contains(&0) {
        return Err(Error::new(ErrorKind::InvalidText, "the password holds a NUL byte"));
    }
    out.reserve(password.len().saturating_add(MESSAGE_OVERHEAD));
    out.message(b'p', |body| {
        body.put_slice(password);
        body.put_u8(0);
        Ok(())
    })
}

/// Writes a SASLInitialResponse (`p`; manual: "Message Formats"): String mechanism, Int32 length, the mechanism's bytes.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL in the mechanism's name, [`ErrorKind::TooLarge`] for 2 GiB of data.
pub fn write_sasl_initial_response(out: &mut Buffer, mechanism: &str, data: &[u8]) -> Result<()> {
    out.reserve(data.len().saturating_add(mechanism.len()).saturating_add(MESSAGE_OVERHEAD));
    out.message(b'p', |body| {
        body.put_cstr(mechanism)?;
        body.put_value(data)
    })
}

/// Writes a SASLResponse (`p`; manual: "Message Formats"): the mechanism's bytes.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for 2 GiB.
pub fn write_sasl_response(out: &mut Buffer, data: &[u8]) -> Result<()> {
    out.reserve(data.len().saturating_add(MESSAGE_OVERHEAD));
    out.message(b'p', |body| {
        body.put_slice(data);
        Ok(())
    })
}

/// Reads the body of a PasswordMessage, as a server does: String, the password as it is or its MD5 hash. It need not be UTF-8.
///
/// Which of the messages with the tag `p` a body is, only what the server has asked for can tell.
///
/// # Errors
/// [`ErrorKind::Truncated`] without a zero byte at the end, [`ErrorKind::TrailingBytes`] for more behind it.
pub fn read_password(body: &[u8]) -> Result<&[u8]> {
    let mut reader = Reader::new(body);
    let password = reader.cstr_bytes()?;
    reader.end()?;
    Ok(password)
}

/// A SASLInitialResponse (`p`) as a server reads it (manual: "SASL Authentication").
///
/// Layout: String mechanism, Int32 length of what follows or -1, the mechanism's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitialResponse<'a> {
    /// The mechanism that the client has chosen.
    pub mechanism: &'a str,
    /// The client's first message; `None` for -1: the mechanism begins with the server.
    pub data: Option<&'a [u8]>,
}

impl<'a> SaslInitialResponse<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body; [`ErrorKind::InvalidLength`] for a negative length but -1.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let response = Self { mechanism: reader.cstr()?, data: reader.value()? };
        reader.end()?;
        Ok(response)
    }
}

/// Without the client's message, which may be a token.
impl fmt::Debug for SaslInitialResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslInitialResponse")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// Reads the body of a SASLResponse, as a server does: the mechanism's bytes, all that there are.
#[must_use]
pub const fn read_sasl_response(body: &[u8]) -> &[u8] {
    body
}

/// Writes a GSSResponse (`p`; manual: "Message Formats"): the bytes of GSSAPI or SSPI. A
/// [`Conversation`](crate::Conversation) speaks neither; a proxy may.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for 2 GiB.
pub fn write_gss_response(out: &mut Buffer, data: &[u8]) -> Result<()> {
    write_sasl_response(out, data)
}

/// Reads the body of a GSSResponse, as a server does: the bytes of GSSAPI or SSPI, all that there are.
#[must_use]
pub const fn read_gss_response(body: &[u8]) -> &[u8] {
    body
}

/// What the messages above have beside their data, at most: tag, length, a zero byte, a length.
const MESSAGE_OVERHEAD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_proves_itself_with_is_read_as_it_is_written() {
        let mut out = Buffer::new();
        write_password(&mut out, b"pa\xff").unwrap();
        assert_eq!(read_password(&out.as_slice()[5..]), Ok(&b"pa\xff"[..]));
        out.clear();
        write_sasl_initial_response(&mut out, "SCRAM-SHA-256", b"n,,").unwrap();
        let read = SaslInitialResponse::read(&out.as_slice()[5..]).unwrap();
        let expected = SaslInitialResponse { mechanism: "SCRAM-SHA-256", data: Some(b"n,,") };
        assert_eq!(read, expected);
        assert!(!format!("{read:?}").contains("110, 44"));
        out.clear();
        write_gss_response(&mut out, b"\0\x01").unwrap();
        assert_eq!(out.as_slice(), b"p\0\0\0\x06\0\x01");
        assert_eq!(read_gss_response(&out.as_slice()[5..]), b"\0\x01");
        assert_eq!(read_sasl_response(b""), b"");
    }

    #[test]
    fn what_no_client_writes_is_refused() {
        fn kind<T>(result: Result<T>) -> Result<T, ErrorKind> {
            result.map_err(|error| error.kind())
        }
        let password = |body: &'static [u8]| kind(read_password(body));
        let initial = |body: &'static [u8]| kind(SaslInitialResponse::read(body));
        assert_eq!(password(b""), Err(ErrorKind::Truncated));
        assert_eq!(password(b"a\0b\0"), Err(ErrorKind::TrailingBytes));
        assert_eq!(
            initial(b"X\0\xff\xff\xff\xff"),
            Ok(SaslInitialResponse { mechanism: "X", data: None })
        );
        assert_eq!(initial(b"X\0\xff\xff\xff\xfe"), Err(ErrorKind::InvalidLength));
        assert_eq!(initial(b"X\0\0\0\0\x02a"), Err(ErrorKind::Truncated));
        assert_eq!(initial(b"X\0\0\0\0\x01ab"), Err(ErrorKind::TrailingBytes));
        assert_eq!(initial(b"\xff\0\0\0\0\0"), Err(ErrorKind::InvalidText));
    }
}
