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

mod line;

use core::fmt::{self, Write as _};

use crate::trace::line::Line;
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
#[derive(Default)]
struct Unfinished {
    bytes: Vec<u8>,
    /// What comes can't be read any more: it is encrypted, or no message.
    opaque: bool,
}

/// Without the bytes: they may be those of a password.
impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
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
        if let Start::Encryption(name) = self.start
            && let Some(&answer) = rest.rest().first()
        {
            self.start = Start::Untagged;
            // Instead of the one byte there may come a whole ErrorResponse.
            if answer != b'E' {
                let _ = writeln!(out, "B\t1\t{name}Response\t {}", answer.escape_ascii());
                self.frontend.opaque = answer != b'N';
                self.backend.opaque = answer != b'N';
                let _ = rest.u8();
            }
            if self.backend.opaque {
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
        let mut line = Line::begin('F', body, self.secrets, out);
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
        let mut line = Line::begin(side.letter(), body, self.secrets, out);
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

    #[test]
    fn an_error_may_answer_a_request_for_encryption() {
        let (mut tracer, mut text) = (Tracer::new(), String::new());
        tracer.frontend(b"\0\0\0\x08\x04\xd2\x16\x30", &mut text);
        text.clear();
        tracer.backend(b"E\0\0\0\x09Mno\0\0", &mut text);
        assert_eq!(text, "B\t9\tErrorResponse\t M \"no\" \\x00\n");
        text.clear();
        tracer.frontend(b"\0\0\0\x08\x04\xd2\x16\x2f", &mut text);
        tracer.backend(b"\nZ", &mut text);
        assert_eq!(text, "F\t8\tSSLRequest\t 1234 5679\nB\t1\tSSLResponse\t \\n\n");
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
