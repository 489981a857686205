//! One message as one line: its name, and its fields in the order in which they stand in it (manual: "Message Formats").

use core::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::reader::Reader;

/// A line that is being written, and what is left of the message.
pub(super) struct Line<'a> {
    body: Reader<'a>,
    secrets: bool,
    out: &'a mut String,
}

impl<'a> Line<'a> {
    pub(super) fn begin(side: char, body: &'a [u8], secrets: bool, out: &'a mut String) -> Self {
        let _ = write!(out, "{}\t{}\t", side, body.len().saturating_add(4));
        Self { body: Reader::new(body), secrets, out }
    }

    /// Ends the line; a message that does not hold what it should says so.
    pub(super) fn end(self, done: Result<()>) {
        if let Err(error) = done.and_then(|()| self.body.end()) {
            let _ = write!(self.out, " ({error})");
        }
        self.out.push('\n');
    }

    /// A message that has no fields.
    fn bare(&mut self, name: &str) -> Result<()> {
        self.out.push_str(name);
        Ok(())
    }

    /// A message's name, and its fields.
    fn fields<T>(&mut self, name: &str, fields: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.out.push_str(name);
        self.out.push('\t');
        fields(self)
    }

    // The kinds of fields.

    fn int16(&mut self) -> Result<u16> {
        let number = self.body.u16()?;
        let _ = write!(self.out, " {number}");
        Ok(number)
    }

    fn int32(&mut self) -> Result<i32> {
        let number = self.body.i32()?;
        let _ = write!(self.out, " {number}");
        Ok(number)
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.body.u8()?;
        self.out.push(' ');
        self.printed(byte);
        Ok(byte)
    }

    fn string(&mut self) -> Result<()> {
        let text = self.body.cstr_bytes()?;
        self.out.push_str(" \"");
        for character in String::from_utf8_lossy(text).chars() {
            match u8::try_from(character) {
                Ok(byte) if character.is_control() => self.printed(byte),
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<()> {
        let bytes = self.body.take(length)?;
        self.out.push_str(" '");
        for &byte in bytes {
            self.printed(byte);
        }
        self.out.push('\'');
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        self.bytes(self.body.len())
    }

    /// A length, and as many bytes unless it is negative.
    fn value(&mut self) -> Result<()> {
        match usize::try_from(self.int32()?) {
            Ok(length) => self.bytes(length),
            Err(_) => Ok(()),
        }
    }

    /// A count, and as many fields of a kind.
    fn list<T>(&mut self, mut field: impl FnMut(&mut Self) -> Result<T>) -> Result<()> {
        for _ in 0..self.int16()? {
            field(self)?;
        }
        Ok(())
    }

    /// A field that is shown only when secrets are; `hidden` stands in its place.
    fn secret(&mut self, hidden: &str, shown: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.secrets {
            return shown(self);
        }
        self.body.take_rest();
        self.out.push(' ');
        self.out.push_str(hidden);
        Ok(())
    }

    fn secret_rest(&mut self) -> Result<()> {
        self.secret("'BBBB'", Self::rest)
    }

    fn printed(&mut self, byte: u8) {
        if byte == b' ' || byte.is_ascii_graphic() {
            self.out.push(char::from(byte));
        } else {
            let _ = write!(self.out, "\\x{byte:02x}");
        }
    }

    // The messages.

    pub(super) fn startup(&mut self) -> Result<()> {
        self.fields("StartupMessage", |line| {
            line.int16()?;
            line.int16()?;
            while line.body.rest().first().is_some_and(|byte| *byte != 0) {
                line.string()?;
                line.string()?;
            }
            line.body.u8().map(drop)
        })
    }

    pub(super) fn cancel_request(&mut self) -> Result<()> {
        self.fields("CancelRequest", |line| {
            line.int16()?;
            line.int16()?;
            line.int32()?;
            line.secret_rest()
        })
    }

    pub(super) fn encryption_request(&mut self, name: &str) -> Result<()> {
        self.fields(name, |line| {
            line.int16()?;
            line.int16().map(drop)
        })
    }

    pub(super) fn frontend(&mut self, tag: u8, asked: i32) -> Result<()> {
        match tag {
            b'P' => self.fields("Parse", |line| {
                line.string()?;
                line.string()?;
                line.list(Self::int32)
            }),
            b'B' => self.fields("Bind", |line| {
                line.string()?;
                line.string()?;
                line.list(Self::int16)?;
                line.list(Self::value)?;
                line.list(Self::int16)
            }),
            b'D' => self.fields("Describe", |line| line.byte().and_then(|_| line.string())),
            b'E' => self.fields("Execute", |line| {
                line.string()?;
                line.int32().map(drop)
            }),
            b'C' => self.fields("Close", |line| line.byte().and_then(|_| line.string())),
            b'S' => self.bare("Sync"),
            b'H' => self.bare("Flush"),
            b'X' => self.bare("Terminate"),
            b'Q' => self.fields("Query", Self::string),
            b'F' => self.fields("FunctionCall", |line| {
                line.int32()?;
                line.list(Self::int16)?;
                line.list(Self::value)?;
                line.int16().map(drop)
            }),
            b'd' => self.fields("CopyData", Self::rest),
            b'c' => self.bare("CopyDone"),
            b'f' => self.fields("CopyFail", Self::string),
            b'p' => self.login_answer(asked),
            _ => self.unknown(tag),
        }
    }

    /// The tag is one; what it means depends on what the server has asked for.
    fn login_answer(&mut self, asked: i32) -> Result<()> {
        match asked {
            3 | 5 => self.fields("PasswordMessage", |line| line.secret("\"SSSS\"", Self::string)),
            7..=9 => self.fields("GSSResponse", Self::secret_rest),
            10 => self.fields("SASLInitialResponse", |line| {
                line.string()?;
                let length = line.int32()?;
                // -1: the mechanism begins with no data.
                if length < 0 { Ok(()) } else { line.secret_rest() }
            }),
            11 => self.fields("SASLResponse", Self::secret_rest),
            _ => self.fields("UnknownAuthenticationResponse", Self::secret_rest),
        }
    }

    pub(super) fn backend(&mut self, tag: u8) -> Result<()> {
        match tag {
            b'R' => self.authentication(),
            b'K' => self.fields("BackendKeyData", |line| {
                line.int32()?;
                line.secret_rest()
            }),
            b'v' => self.fields("NegotiateProtocolVersion", |line| {
                line.int32()?;
                line.int32()?;
                while !line.body.is_empty() {
                    line.string()?;
                }
                Ok(())
            }),
            b'S' => self.fields("ParameterStatus", |line| {
                line.string()?;
                line.string()
            }),
            b'Z' => self.fields("ReadyForQuery", |line| line.byte().map(drop)),
            b'E' => self.error_fields("ErrorResponse"),
            b'N' => self.error_fields("NoticeResponse"),
            b'A' => self.fields("NotificationResponse", |line| {
                line.int32()?;
                line.string()?;
                line.string()
            }),
            b'1' => self.bare("ParseComplete"),
            b'2' => self.bare("BindComplete"),
            b'3' => self.bare("CloseComplete"),
            b'n' => self.bare("NoData"),
            b's' => self.bare("PortalSuspended"),
            b'I' => self.bare("EmptyQueryResponse"),
            b'c' => self.bare("CopyDone"),
            b't' => self.fields("ParameterDescription", |line| line.list(Self::int32)),
            b'T' => self.fields("RowDescription", |line| line.list(Self::column)),
            b'D' => self.fields("DataRow", |line| line.list(Self::value)),
            b'C' => self.fields("CommandComplete", Self::string),
            b'G' => self.copy_response("CopyInResponse"),
            b'H' => self.copy_response("CopyOutResponse"),
            b'W' => self.copy_response("CopyBothResponse"),
            b'd' => self.fields("CopyData", Self::rest),
            b'V' => self.fields("FunctionCallResponse", Self::value),
            _ => self.unknown(tag),
        }
    }

    fn authentication(&mut self) -> Result<()> {
        let name = match self.body.i32()? {
            0 => "AuthenticationOk",
            3 => "AuthenticationCleartextPassword",
            5 => {
                self.out.push_str("AuthenticationMD5Password");
                return self.body.array::<4>().map(drop);
            }
            7 => "AuthenticationGSS",
            8 => return self.fields("AuthenticationGSSContinue", Self::secret_rest),
            9 => "AuthenticationSSPI",
            10 => {
                return self.fields("AuthenticationSASL", |line| {
                    while !line.body.is_empty() {
                        line.string()?;
                    }
                    Ok(())
                });
            }
            11 => return self.fields("AuthenticationSASLContinue", Self::secret_rest),
            12 => return self.fields("AuthenticationSASLFinal", Self::secret_rest),
            code => {
                let _ = write!(self.out, "Unknown authentication message {code}");
                self.body.take_rest();
                return Ok(());
            }
        };
        self.bare(name)
    }

    fn error_fields(&mut self, name: &str) -> Result<()> {
        self.fields(name, |line| {
            while line.byte()? != 0 {
                line.string()?;
            }
            Ok(())
        })
    }

    fn column(&mut self) -> Result<()> {
        self.string()?;
        self.int32()?;
        self.int16()?;
        self.int32()?;
        self.int16()?;
        self.int32()?;
        self.int16().map(drop)
    }

    fn copy_response(&mut self, name: &str) -> Result<()> {
        self.fields(name, |line| {
            line.byte()?;
            line.list(Self::int16)
        })
    }

    fn unknown(&mut self, tag: u8) -> Result<()> {
        let _ = write!(self.out, "Unknown message: {tag:02x}");
        self.body.take_rest();
        Err(Error::new(ErrorKind::UnexpectedMessage, "a message of an unknown type"))
    }
}
