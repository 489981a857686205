//! Authentication requests and the answers to them (manual: "Start-up", "SASL Authentication", "Message Formats").

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

/// What the messages above have beside their data, at most: tag, length, a zero byte, a length.
const MESSAGE_OVERHEAD: usize = 16;
