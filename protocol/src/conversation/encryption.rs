//! Asking the server for encryption, before the session begins (manual: "SSL Session Encryption").

use core::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::message::notice::ServerError;
use crate::message::startup::write_ssl_request;
use crate::wire::buffer::Buffer;
use crate::wire::frame::HEAD;

/// The longest error that is read before there is encryption. libpq takes as much.
const LONGEST: usize = 30_000;

/// How much of the text of such an error is kept, in characters.
const SHOWN: usize = 300;

/// The question whether the server encrypts, and its answer. It holds the bytes of this one exchange and nothing else:
/// what comes behind the answer never gets into the session (CVE-2021-23222).
///
/// ```
/// use stellata_protocol::{EncryptionAnswer, EncryptionRequest};
///
/// let mut request = EncryptionRequest::new();
/// // The bytes of `request.output()` go to the server; what it sends comes back in:
/// assert_eq!(request.output(), [0, 0, 0, 8, 4, 210, 22, 47]);
/// request.wrote(8);
/// assert_eq!(request.receive(b"S"), Ok(Some(EncryptionAnswer::Willing)));
/// ```
#[derive(Debug)]
pub struct EncryptionRequest {
    output: Buffer,
    written: usize,
    error: Vec<u8>,
    answered: bool,
}

/// What the server says to the question whether it encrypts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptionAnswer {
    /// `S`: the TLS handshake is to begin.
    Willing,
    /// `N`: it does not encrypt; the session may begin in plain, or not at all.
    Unwilling,
    /// `E`: an error. Whoever sits between client and server may have written it (CVE-2024-10977).
    Error(UntrustedText),
}

/// Text that anybody may have written who sits between client and server: not to be acted on, and not to be shown but as
/// [`fmt::Display`] does it, with everything escaped that a terminal might obey, 300 characters at most.
#[derive(Clone, PartialEq, Eq)]
pub struct UntrustedText(String);

impl fmt::Display for UntrustedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(SHOWN) {
            character.escape_debug().fmt(f)?;
        }
        if characters.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

impl fmt::Debug for UntrustedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Default for EncryptionRequest {
    fn default() -> Self {
        Self::new()
    }
}

impl EncryptionRequest {
    /// The question: an SSLRequest is the output.
    #[must_use]
    pub fn new() -> Self {
        let mut output = Buffer::with_capacity(8);
        // Eight bytes always fit.
        let _ = write_ssl_request(&mut output);
        Self { output, written: 0, error: Vec::new(), answered: false }
    }

    /// What is to be sent.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_slice().get(self.written..).unwrap_or_default()
    }

    /// Says that the first `count` bytes of the output were sent.
    pub fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count).min(self.output.len());
    }

    /// Takes all bytes that have come; `None` when the answer is not all there. Nothing may be read from the server beyond
    /// what is handed in here before the answer is known.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedMessage`] for an answer that there is not, or that comes before the question was sent;
    /// [`ErrorKind::TrailingBytes`] when something comes behind `S` or `N`: the server waits for the client then, so that
    /// somebody else must have sent it (CVE-2021-23222). [`ErrorKind::Usage`] after an answer.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<EncryptionAnswer>> {
        if self.answered {
            return Err(Error::new(ErrorKind::Usage, "the server has answered already"));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let answer = self.read(bytes);
        self.answered = !matches!(answer, Ok(None));
        answer
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Option<EncryptionAnswer>> {
        if !self.error.is_empty() {
            return Ok(self.read_error(bytes));
        }
        let answer = match bytes.first() {
            _ if !self.output().is_empty() => {
                return Err(Error::new(
                    ErrorKind::UnexpectedMessage,
                    "the server answers before it was asked for encryption",
                ));
            }
            Some(b'S') => EncryptionAnswer::Willing,
            Some(b'N') => EncryptionAnswer::Unwilling,
            Some(b'E') => return Ok(self.read_error(bytes)),
            _ => {
                return Err(Error::new(
                    ErrorKind::UnexpectedMessage,
                    "the server answers neither yes nor no to the question for encryption",
                ));
            }
        };
        if bytes.len() > 1 {
            return Err(Error::new(
                ErrorKind::TrailingBytes,
                "more came unencrypted behind the answer to the question for encryption: somebody may have slipped \
                 it in",
            ));
        }
        Ok(Some(answer))
    }

    /// Says that nothing more comes. An error that began is taken as far as it came.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when there was no answer, [`ErrorKind::Usage`] after an answer.
    pub fn end(&mut self) -> Result<EncryptionAnswer> {
        if self.answered {
            return Err(Error::new(ErrorKind::Usage, "the server has answered already"));
        }
        self.answered = true;
        if self.error.is_empty() {
            return Err(Error::new(
                ErrorKind::Truncated,
                "the server closed the connection when it was asked for encryption",
            ));
        }
        Ok(EncryptionAnswer::Error(self.text()))
    }

    fn read_error(&mut self, bytes: &[u8]) -> Option<EncryptionAnswer> {
        let room = LONGEST.saturating_sub(self.error.len());
        self.error.extend(bytes.iter().take(room));
        let whole = match self.declared() {
            // A whole message, or more than is read of one.
            Some(size) => self.error.len() >= size,
            None => self.error.len() >= HEAD && self.error.contains(&0),
        };
        if whole || self.error.len() >= LONGEST {
            Some(EncryptionAnswer::Error(self.text()))
        } else {
            None
        }
    }

    /// The size of the message that holds the error. `None` for the error of a server that could not even begin a session:
    /// it has no length, but is text up to a zero byte (the protocol before 3.0).
    fn declared(&self) -> Option<usize> {
        let &[_, a, b, c, d] = self.error.first_chunk::<HEAD>()?;
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        if (8..LONGEST).contains(&len) { len.checked_add(1) } else { None }
    }

    fn text(&self) -> UntrustedText {
        let bytes = match self.declared() {
            Some(size) => self
                .error
                .get(HEAD..size)
                .and_then(|body| ServerError::read(body).ok())
                .map(|error| error.message.into_string().into_bytes()),
            None => None,
        };
        let bytes = bytes.as_deref().unwrap_or_else(|| self.error.get(1..).unwrap_or_default());
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        UntrustedText(String::from_utf8_lossy(text).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> EncryptionRequest {
        let mut request = EncryptionRequest::new();
        request.wrote(8);
        request
    }

    fn shown(answer: &EncryptionAnswer) -> String {
        match answer {
            EncryptionAnswer::Error(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn yes_and_no_are_one_byte() {
        assert_eq!(asked().receive(b"S"), Ok(Some(EncryptionAnswer::Willing)));
        assert_eq!(asked().receive(b"N"), Ok(Some(EncryptionAnswer::Unwilling)));
        assert_eq!(asked().receive(b""), Ok(None));
    }

    #[test]
    fn cve_2021_23222_bytes_behind_the_answer_are_refused() {
        for stuffed in [&b"SR\0\0\0\x08\0\0\0\0"[..], b"SS", b"NZ", b"S\x16", b"N\0"] {
            let error = asked().receive(stuffed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TrailingBytes, "{stuffed:?}");
        }
    }

    #[test]
    fn every_other_byte_is_an_error() {
        for byte in (0..=u8::MAX).filter(|byte| !b"SNE".contains(byte)) {
            let error = asked().receive(&[byte]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedMessage, "{byte}");
        }
        // GSSAPI was not asked for.
        assert!(asked().receive(b"G").is_err());
    }

    #[test]
    fn an_answer_before_the_question_is_refused() {
        for written in 0..8 {
            let mut request = EncryptionRequest::new();
            request.wrote(written);
            assert_eq!(request.output().len(), 8 - written);
            assert_eq!(request.receive(b"S").unwrap_err().kind(), ErrorKind::UnexpectedMessage);
        }
    }

    #[test]
    fn there_is_one_answer() {
        let mut request = asked();
        request.receive(b"S").unwrap();
        assert_eq!(request.receive(b"S").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(request.end().unwrap_err().kind(), ErrorKind::Usage);
        let mut request = asked();
        assert_eq!(request.end().unwrap_err().kind(), ErrorKind::Truncated);
    }

    #[test]
    fn an_error_is_read_however_it_is_cut() {
        let mut message = Buffer::new();
        let fields: &[(u8, &str)] = &[(b'S', "FATAL"), (b'C', "53300"), (b'M', "too many")];
        ServerError::write(&mut message, b'E', fields).unwrap();
        let old = b"Ecould not fork new process: out of memory\n\0";
        for (bytes, text) in
            [(message.as_slice(), "too many"), (old, "could not fork new process: out of memory")]
        {
            for size in 1..=bytes.len() {
                let mut request = asked();
                let mut answer = None;
                for piece in bytes.chunks(size) {
                    assert_eq!(answer, None);
                    answer = request.receive(piece).unwrap();
                }
                assert_eq!(shown(&answer.unwrap()), text, "by {size}");
            }
            let mut request = asked();
            assert_eq!(request.receive(&bytes[..7]), Ok(None));
            shown(&request.end().unwrap());
        }
    }

    #[test]
    fn cve_2024_10977_nothing_of_an_error_reaches_a_terminal_raw() {
        let mut request = asked();
        let answer = request
            .receive(b"E\x1b]0;owned\x07\x1b[2J\rlogin ok\nroot# \xff\xe2\x80\xae\xc2\x9b\x7f\0")
            .unwrap()
            .unwrap();
        let text = shown(&answer);
        assert!(text.contains("\\u{1b}]0;owned"), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
        assert!(!format!("{answer:?}").chars().any(char::is_control));
    }

    #[test]
    fn an_error_without_end_is_cut_off() {
        let mut request = asked();
        let mut fed = 0;
        let answer = loop {
            fed += 1000;
            if let Some(answer) = request.receive(&[b'E'; 1000]).unwrap() {
                break answer;
            }
        };
        assert_eq!(fed, LONGEST);
        assert_eq!(shown(&answer).len(), SHOWN + 3);
        assert!(request.error.capacity() <= 2 * LONGEST);
    }
}
