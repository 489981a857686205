//! A stream that is encrypted.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// How much is read at once: the longest record, and what has come of the next.
const AHEAD: usize = 32 * 1024;

/// A stream that is encrypted, and that holds back what it could not write at once.
#[derive(Debug)]
pub(crate) struct Encrypted<S> {
    stream: TlsStream<Ahead<S>>,
    /// Bytes were written that may still be held back.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Encrypted<S> {
    pub(super) fn new(mut stream: TlsStream<Ahead<S>>) -> Self {
        stream.get_mut().0.shakes_hands = false;
        Self { stream, unflushed: false }
    }

    /// The stream below.
    pub(crate) fn inner(&self) -> &S {
        &self.stream.get_ref().0.stream
    }

    /// Reads what has been decrypted already, or else what comes. Messages carry their lengths, so that an end that the
    /// server did not announce is an end like another.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_read(cx, into)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unflushed |= matches!(written, Poll::Ready(Ok(1..)));
        written
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.unflushed = false;
        }
        flushed
    }

    /// Announces the end and closes the write side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream that is read in large pieces: what decrypts asks for a few thousand bytes at a time, each time a system call.
///
/// While hands are shaken, a write that breaks is passed over. A server that refuses says why and closes, so that what the
/// client writes meanwhile breaks: reading goes on to the server's words, or to its end.
pub(super) struct Ahead<S> {
    stream: S,
    shakes_hands: bool,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<S> Ahead<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            shakes_hands: true,
            buffer: vec![0; AHEAD].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Ahead<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.start == this.end {
            let mut buffer = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer))?;
            this.start = 0;
            this.end = buffer.filled().len();
        }
        let waiting = &this.buffer[this.start..this.end];
        let count = waiting.len().min(into.remaining());
        into.put_slice(&waiting[..count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Err(error)) if self.shakes_hands && is_gone(&error) => {
                Poll::Ready(Ok(bytes.len()))
            }
            written => written,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) if self.shakes_hands && is_gone(&error) => Poll::Ready(Ok(())),
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Whether a write failed because the other side has closed.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}
