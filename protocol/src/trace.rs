//! A session as text: one line for each message, in the form of libpq's `PQtrace` without timestamps (manual: "Control
//! Functions").
//!
//! ```
//! use stellata_protocol::trace::Tracer;
//!
//! let (mut tracer, mut text) = (Tracer::new(), String::new());
//! tracer.frontend(b"\0\0\0\x11\0\x03\0\0user\0me\0\0", &mut text);
//! tracer.backend(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", &mut text);
//! tracer.frontend(b"Q\0\0\0\x0dselect 7\0", &mut text);
//! assert_eq!(text, "\
//! F\t17\tStartupMessage\t 3 0 \"user\" \"me\"
//! B\t8\tAuthenticationOk
//! B\t5\tReadyForQuery\t I
//! F\t13\tQuery\t \"select 7\"
//! ");
//! ```
//!
//! It differs from libpq in that nothing is left out (libpq shows neither AuthenticationOk nor the error that ends a
//! session), in that a message never takes more than one line (control characters in text are written as `\x0a`), and in
//! that secrets are hidden unless they are asked for. Parameters, rows and COPY data are shown: a trace is as confidential
//! as they are.

use core::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::reader::Reader;

/// Turns the bytes of one session into lines.
#[derive(Debug, Default)]
pub struct Tracer {
    frontend: Unfinished,
    backend: Unfinished,
    secrets: bool,
    start: Start,
    /// The code of the last authentication request, which tells what the next answer of the client is.
    asked: i32,
}

/// The start of a message whose rest has yet to come.
#[derive(Debug, Default)]
struct Unfinished {
    bytes: Vec<u8>,
    /// What comes can't be read any more: it is encrypted, or no message.
    opaque: bool,
}

impl Unfinished {
    /// Keeps the last `count` bytes of what was held.
    fn keep_last(&mut self, count: usize, mut held: Vec<u8>) {
        held.drain(..held.len().saturating_sub(count));
        self.bytes = held;
    }
}

/// What the first bytes of a session are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Start {
    /// The client sends messages without a tag.
    #[default]
    Untagged,
    /// The server answers a request for encryption of this name with one byte.
    Encryption(&'static str),
    /// All messages have a tag.
    Over,
}

/// Which side a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Frontend,
    Backend,
}

impl Tracer {
    /// A tracer at the start of a session, before its first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows what is hidden else: passwords, the exchanges of SASL, and the keys for cancel requests.
    #[must_use]
    pub fn with_secrets(self) -> Self {
        Self { secrets: true, ..self }
    }

    /// Takes in bytes that the client has sent, in pieces of any length, and appends a line to `out` for each message that
    /// is whole.
    pub fn frontend(&mut self, bytes: &[u8], out: &mut String) {
        if self.frontend.opaque {
            return;
        }
        let mut held = core::mem::take(&mut self.frontend.bytes);
        held.extend_from_slice(bytes);
        let mut rest = Reader::new(&held);
        while self.start == Start::Untagged {
            let Some(body) = self.next(&mut rest, false, Side::Frontend, out) else { break };
            self.untagged(body, out);
        }
        while self.start == Start::Over && !rest.is_empty() {
            let tag = rest.rest().first().copied().unwrap_or_default();
            let Some(body) = self.next(&mut rest, true, Side::Frontend, out) else { break };
            self.line(Side::Frontend, tag, body, out);
        }
        self.frontend.keep_last(rest.len(), held);
    }

    /// Takes in bytes that the server has sent, as [`Tracer::frontend`].
    pub fn backend(&mut self, bytes: &[u8], out: &mut String) {
        if self.backend.opaque {
            return;
        }
        let mut held = core::mem::take(&mut self.backend.bytes);
        held.extend_from_slice(bytes);
        let mut rest = Reader::new(&held);
        while let Start::Encryption(name) = self.start
            && let Ok(answer) = rest.u8()
        {
            let _ = writeln!(out, "B\t1\t{name}Response\t {}", char::from(answer));
            self.start = Start::Untagged;
            if answer != b'N' {
                self.frontend.opaque = true;
                self.backend.opaque = true;
                return;
            }
        }
        while !rest.is_empty() {
            let tag = rest.rest().first().copied().unwrap_or_default();
            let Some(body) = self.next(&mut rest, true, Side::Backend, out) else { break };
            self.line(Side::Backend, tag, body, out);
        }
        self.backend.keep_last(rest.len(), held);
    }

    /// The body of the next message, if it is all there.
    fn next<'b>(
        &mut self,
        rest: &mut Reader<'b>,
        tagged: bool,
        side: Side,
        out: &mut String,
    ) -> Option<&'b [u8]> {
        let mut reader = *rest;
        if tagged {
            reader.u8().ok()?;
        }
        let length = reader.i32().ok()?;
        match usize::try_from(length.saturating_sub(4)) {
            Ok(length) => {
                let body = reader.take(length).ok()?;
                *rest = reader;
                Some(body)
            }
            Err(_) => {
                let _ = writeln!(out, "{}\t{length}\tno message of this protocol", side.letter());
                rest.take_rest();
                match side {
                    Side::Frontend => self.frontend.opaque = true,
                    Side::Backend => self.backend.opaque = true,
                }
                None
            }
        }
    }

    /// Writes a message without a tag.
    fn untagged(&mut self, body: &[u8], out: &mut String) {
        let mut line = Line::begin(Side::Frontend, body, self.secrets, out);
        let mut code = Reader::new(body);
        let done = match (code.u16(), code.u16()) {
            (Ok(1234), Ok(5678)) => line.cancel_request(),
            (Ok(1234), Ok(5679)) => {
                self.start = Start::Encryption("SSL");
                line.encryption_request("SSLRequest")
            }
            (Ok(1234), Ok(5680)) => {
                self.start = Start::Encryption("GSSENC");
                line.encryption_request("GSSENCRequest")
            }
            _ => {
                self.start = Start::Over;
                line.startup()
            }
        };
        line.end(done);
    }

    /// Writes a message with a tag.
    fn line(&mut self, side: Side, tag: u8, body: &[u8], out: &mut String) {
        let mut line = Line::begin(side, body, self.secrets, out);
        let done = match side {
            Side::Frontend => line.frontend(tag, self.asked),
            Side::Backend => {
                if tag == b'R' {
                    self.asked = Reader::new(body).i32().unwrap_or_default();
                }
                line.backend(tag)
            }
        };
        line.end(done);
    }
}

impl Side {
    const fn letter(self) -> char {
        match self {
            Self::Frontend => 'F',
            Self::Backend => 'B',
        }
    }
}

/// A line that is being written, and what is left of the message.
struct Line<'a> {
    body: Reader<'a>,
    secrets: bool,
    out: &'a mut String,
}

impl<'a> Line<'a> {
    fn begin(side: Side, body: &'a [u8], secrets: bool, out: &'a mut String) -> Self {
        let _ = write!(out, "{}\t{}\t", side.letter(), body.len().saturating_add(4));
        Self { body: Reader::new(body), secrets, out }
    }

    /// Ends the line; a message that does not hold what it should says so.
    fn end(self, done: Result<()>) {
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

    fn startup(&mut self) -> Result<()> {
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

    fn cancel_request(&mut self) -> Result<()> {
        self.fields("CancelRequest", |line| {
            line.int16()?;
            line.int16()?;
            line.int32()?;
            line.secret_rest()
        })
    }

    fn encryption_request(&mut self, name: &str) -> Result<()> {
        self.fields(name, |line| {
            line.int16()?;
            line.int16().map(drop)
        })
    }

    fn frontend(&mut self, tag: u8, asked: i32) -> Result<()> {
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

    fn backend(&mut self, tag: u8) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STARTUP: &[u8] = b"\0\0\0\x11\0\x03\0\0user\0me\0\0";

    fn trace(frontend: &[u8], backend: &[u8]) -> String {
        let (mut tracer, mut text) = (Tracer::new(), String::new());
        tracer.frontend(STARTUP, &mut text);
        text.clear();
        tracer.backend(backend, &mut text);
        tracer.frontend(frontend, &mut text);
        text
    }

    #[test]
    fn secrets_are_hidden() {
        for (asked, answer) in [
            (&b"R\0\0\0\x08\0\0\0\x03"[..], &b"p\0\0\0\x0bhunter\0"[..]),
            (b"R\0\0\0\x0c\0\0\0\x05salt", b"p\0\0\0\x0bhunter\0"),
            (b"R\0\0\0\x08\0\0\0\x0b", b"p\0\0\0\x0ahunter"),
            (b"R\0\0\0\x08\0\0\0\x63", b"p\0\0\0\x0ahunter"),
            (b"R\0\0\0\x0e\0\0\0\x0bhunter", b""),
            (b"R\0\0\0\x0e\0\0\0\x0chunter", b""),
            (b"K\0\0\0\x0e\0\0\0\x01hunter", b""),
            (b"R\0\0\0\x0a\0\0\0\x0aX\0", b"p\0\0\0\x10X\0\0\0\0\x06hunter"),
        ] {
            let text = trace(answer, asked);
            assert!(!text.contains("hunter"), "{text}");
            assert!(text.contains("'BBBB'") || text.contains("\"SSSS\""), "{text}");
        }
        let mut text = String::new();
        let cancel = b"\0\0\0\x12\x04\xd2\x16\x2e\0\0\0\x07hunter";
        Tracer::new().frontend(cancel, &mut text);
        assert_eq!(text, "F\t18\tCancelRequest\t 1234 5678 7 'BBBB'\n");
    }

    #[test]
    fn a_message_takes_one_line_whatever_is_in_it() {
        let text = trace(b"Q\0\0\0\x13select\n'\\n\t\x7f\x1b'\0", b"");
        assert_eq!(text, "F\t19\tQuery\t \"select\\x0a'\\n\\x09\\x7f\\x1b'\"\n");
    }

    #[test]
    fn messages_that_are_not_what_they_should_be_say_so() {
        assert_eq!(trace(b"", b"C\0\0\0\x05x"), "B\t5\tCommandComplete\t (a string has no end)\n");
        assert_eq!(
            trace(b"", b"1\0\0\0\x05x"),
            "B\t5\tParseComplete (there is more data than belongs here)\n"
        );
        assert_eq!(
            trace(b"", b"!\0\0\0\x04"),
            "B\t4\tUnknown message: 21 (a message of an unknown type)\n"
        );
        assert_eq!(trace(b"", b"D\0\0\0\x03D\0\0\0\x04"), "B\t3\tno message of this protocol\n");
    }

    #[test]
    fn what_is_encrypted_is_left_alone() {
        let (mut tracer, mut text) = (Tracer::new(), String::new());
        tracer.frontend(b"\0\0\0\x08\x04\xd2\x16\x2f", &mut text);
        tracer.backend(b"S", &mut text);
        tracer.frontend(b"\x16\x03\x01", &mut text);
        tracer.backend(b"\x16\x03\x03", &mut text);
        assert_eq!(text, "F\t8\tSSLRequest\t 1234 5679\nB\t1\tSSLResponse\t S\n");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_lines(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            tag in proptest::sample::select(b"RKvSZENA123nsIctTDCGHWdV!".to_vec()),
            cut in any::<proptest::sample::Index>(),
        ) {
            let length = u32::try_from(bytes.len() + 4).unwrap().to_be_bytes();
            let message = [&[tag][..], &length, &bytes].concat();
            let whole = trace(b"", &message);
            prop_assert_eq!(whole.lines().count(), 1, "{}", whole);
            let (one, other) = message.split_at(cut.index(message.len()));
            let (mut tracer, mut text) = (Tracer::new(), String::new());
            tracer.backend(one, &mut text);
            tracer.backend(other, &mut text);
            prop_assert_eq!(text, whole);
        }
    }
}
