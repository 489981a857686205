//! Messages as a client writes them.

use std::fmt;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// One message of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    tag: char,
    body: Vec<u8>,
}

impl Request {
    /// The type byte, or `^` for the messages that have none.
    pub fn tag(&self) -> char {
        self.tag
    }

    /// What follows the length.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body's `n`th string, counted from 0, where the body begins with strings.
    pub fn string(&self, n: usize) -> String {
        let text = self.body.split(|byte| *byte == 0).nth(n).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// Whether a session begins with it, so that all messages behind it have a type byte.
    pub(super) fn begins_session(&self) -> bool {
        self.body.starts_with(&[0, 3])
    }

    /// The next message; `None` when the client has left, in order or not.
    pub(super) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        tagged: bool,
    ) -> Option<Request> {
        Request::try_read(stream, tagged).await.ok()
    }

    async fn try_read(stream: &mut (impl AsyncRead + Unpin), tagged: bool) -> io::Result<Request> {
        let tag = if tagged { char::from(stream.read_u8().await?) } else { '^' };
        let length = u64::from(stream.read_u32().await?).saturating_sub(4);
        let mut body = Vec::new();
        // `take` lets memory grow with what arrives, not with what is announced.
        stream.take(length).read_to_end(&mut body).await?;
        if (body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Request { tag, body })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", name(self.tag), self.body.len())
    }
}

/// What a message of a client is called.
pub(super) fn name(tag: char) -> &'static str {
    match tag {
        '^' => "a start-up message",
        'p' => "PasswordMessage",
        'P' => "Parse",
        'B' => "Bind",
        'D' => "Describe",
        'E' => "Execute",
        'C' => "Close",
        'S' => "Sync",
        'H' => "Flush",
        'Q' => "Query",
        'F' => "FunctionCall",
        'd' => "CopyData",
        'c' => "CopyDone",
        'f' => "CopyFail",
        'X' => "Terminate",
        _ => "a message of an unknown type",
    }
}
