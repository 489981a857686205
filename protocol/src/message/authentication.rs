//! Authentication requests and the answers to them (manual: "Start-up", "SASL Authentication").

use crate::error::{Error, ErrorKind, Result};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// What a server asks for, or says, while a session logs in: the messages with the tag `R`.
///
/// Layout: Int32 code, and what belongs to it: nothing (0, 3), Byte4 salt (5), Strings and a zero byte (10), bytes up to the
/// end (11, 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Code 0: the login is done.
    Ok,
    /// Code 3: the password as it is.
    CleartextPassword,
    /// Code 5: the password as an MD5 hash with this salt.
    Md5Password {
        /// Four bytes of the server's choosing.
        salt: [u8; 4],
    },
    /// Code 10: SASL; the body lists the mechanisms, each with a zero byte behind it, and a last zero byte.
    Sasl {
        /// The list as it came; [`Authentication::mechanisms`] reads it.
        mechanisms: &'a [u8],
    },
    /// Code 11: the next step of a SASL exchange.
    SaslContinue {
        /// The mechanism's own bytes.
        data: &'a [u8],
    },
    /// Code 12: the last step of a SASL exchange.
    SaslFinal {
        /// The mechanism's own bytes.
        data: &'a [u8],
    },
    /// Any other code (Kerberos, GSSAPI, SSPI, or one not known).
    Other {
        /// The code.
        code: i32,
    },
}

impl<'a> Authentication<'a> {
    /// Reads the body: an Int32 code and what belongs to it.
    ///
    /// # Errors
    /// Any [`Error`] of a malformed body.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let request = match reader.i32()? {
            0 => Self::Ok,
            3 => Self::CleartextPassword,
            5 => Self::Md5Password { salt: reader.array()? },
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
        out.message(b'R', |body| {
            match *self {
                Self::Ok => body.put_i32(0),
                Self::CleartextPassword => body.put_i32(3),
                Self::Md5Password { salt } => {
                    body.put_i32(5);
                    body.put_slice(&salt);
                }
                Self::Sasl { mechanisms: data } => {
                    body.put_i32(10);
                    body.put_slice(data);
                }
                Self::SaslContinue { data } => {
                    body.put_i32(11);
                    body.put_slice(data);
                }
                Self::SaslFinal { data } => {
                    body.put_i32(12);
                    body.put_slice(data);
                }
                Self::Other { code } => body.put_i32(code),
            }
            Ok(())
        })
    }

    /// The names in the list of an AuthenticationSASL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] and [`ErrorKind::Truncated`] for a malformed list, [`ErrorKind::InvalidValue`] for an
    /// empty one.
    pub fn mechanisms(list: &'a [u8]) -> Result<Vec<&'a str>> {
        let mut reader = Reader::new(list);
        let mut names = Vec::new();
        loop {
            match reader.cstr()? {
                "" => break,
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

/// Writes a PasswordMessage (`p`): the password, or its hash, and a zero byte.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL in the password.
pub fn write_password(out: &mut Buffer, password: &[u8]) -> Result<()> {
    if password.contains(&0) {
        return Err(Error::new(ErrorKind::InvalidText, "the password holds a NUL byte"));
    }
    out.message(b'p', |body| {
        body.put_slice(password);
        body.put_u8(0);
        Ok(())
    })
}

/// Writes a SASLInitialResponse (`p`): String mechanism, Int32 length, and as many bytes of the mechanism's own.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL in the mechanism's name.
pub fn write_sasl_initial_response(out: &mut Buffer, mechanism: &str, data: &[u8]) -> Result<()> {
    out.message(b'p', |body| {
        body.put_cstr(mechanism)?;
        body.value(|value| {
            value.put_slice(data);
            Ok(())
        })
    })
}

/// Writes a SASLResponse (`p`): the mechanism's own bytes.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for 2 GiB.
pub fn write_sasl_response(out: &mut Buffer, data: &[u8]) -> Result<()> {
    out.message(b'p', |body| {
        body.put_slice(data);
        Ok(())
    })
}
