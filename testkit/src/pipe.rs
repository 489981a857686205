//! A stream in memory that is cut into pieces and fails when it is told to.

use crate::journal;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// What a client does with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// It sends on what the stream holds back.
    Flush,
}

/// A fault: the `n`th operation of a kind fails, once or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub operation: Operation,
    /// How many of its kind succeed before it.
    pub after: u64,
    /// What it fails with.
    pub error: io::ErrorKind,
    /// Whether the stream is broken from there on, so that all operations fail. Otherwise it goes
    /// on as if nothing had been, which a client must not rely on.
    pub lasting: bool,
}

/// How often each operation was tried with a result; waiting does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Flushes.
    pub flushes: u64,
}

impl Operations {
    /// The count of one kind.
    pub fn of(&self, operation: Operation) -> u64 {
        match operation {
            Operation::Read => self.reads,
            Operation::Write => self.writes,
            Operation::Flush => self.flushes,
        }
    }
}

/// Tells what happened on a [`Pipe`] that a client has taken, and makes it fail.
#[derive(Clone, Debug)]
pub struct PipeControl {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    done: Operations,
    fault: Option<Fault>,
    has_failed: bool,
}

impl State {
    /// Counts an operation, which fails if the fault says so.
    fn begin(&mut self, operation: Operation) -> io::Result<()> {
        let Some(fault) = self.fault else { return Ok(()) };
        let due = fault.operation == operation && self.done.of(operation) == fault.after;
        if (due && !self.has_failed) || (fault.lasting && self.has_failed) {
            self.has_failed = true;
            return Err(fault.error.into());
        }
        Ok(())
    }

    fn end<T>(&mut self, operation: Operation, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            match operation {
                Operation::Read => self.done.reads += 1,
                Operation::Write => self.done.writes += 1,
                Operation::Flush => self.done.flushes += 1,
            }
        }
        result
    }
}

impl PipeControl {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often each operation was done so far.
    pub fn done(&self) -> Operations {
        self.state().done
    }

    /// Whether the fault has come.
    pub fn has_failed(&self) -> bool {
        self.state().has_failed
    }
}

/// A stream that hands out and takes its bytes in pieces of limited length, and fails at a given
/// operation. It works over any stream, a socket or the end of a pipe in memory.
///
/// ```
/// use stellata_testkit::Pipe;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # stellata_testkit::run(async {
/// let (client, mut server) = Pipe::pair(1024);
/// let mut client = client.chunks(1);
/// server.write_all(b"two").await.unwrap();
/// assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 1);
/// # });
/// ```
#[derive(Debug)]
pub struct Pipe<S = DuplexStream> {
    stream: S,
    chunk: usize,
    control: PipeControl,
}

impl Pipe {
    /// Two ends of a pipe in memory, each of which holds up to `capacity` bytes for the other.
    /// Nothing but the two ends moves its bytes, so that time may stand still meanwhile.
    pub fn pair(capacity: usize) -> (Pipe, Pipe) {
        journal::begin();
        let (one, other) = tokio::io::duplex(capacity);
        (Pipe::new(one), Pipe::new(other))
    }
}

impl<S> Pipe<S> {
    /// A stream that is neither cut nor fails.
    pub fn new(stream: S) -> Pipe<S> {
        let control = PipeControl { state: Arc::default() };
        Pipe { stream, chunk: usize::MAX, control }
    }

    /// Lets no read or write move more than this many bytes (at least 1).
    #[must_use]
    pub fn chunks(self, bytes: usize) -> Pipe<S> {
        Pipe { chunk: bytes.max(1), ..self }
    }

    /// Lets an operation fail, and all that follow it.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Pipe<S> {
        self.control.state().fault = Some(fault);
        self
    }

    /// What tells of the stream when somebody else has it.
    pub fn control(&self) -> PipeControl {
        self.control.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pipe<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let control = self.control.clone();
        let mut state = control.state();
        state.begin(Operation::Read)?;
        let chunk = self.chunk;
        let mut piece = ReadBuf::new(into.initialize_unfilled_to(chunk.min(into.remaining())));
        let result = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        let read = piece.filled().len();
        into.advance(read);
        state.end(Operation::Read, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pipe<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let control = self.control.clone();
        let mut state = control.state();
        state.begin(Operation::Write)?;
        let piece = bytes.get(..self.chunk).unwrap_or(bytes);
        let result = Pin::new(&mut self.stream).poll_write(cx, piece);
        state.end(Operation::Write, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let control = self.control.clone();
        let mut state = control.state();
        state.begin(Operation::Flush)?;
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        state.end(Operation::Flush, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn fault(operation: Operation, after: u64, lasting: bool) -> Fault {
        Fault { operation, after, error: io::ErrorKind::BrokenPipe, lasting }
    }

    #[test]
    fn bytes_come_in_pieces() {
        crate::run(async {
            let (client, mut server) = Pipe::pair(64);
            let mut client = client.chunks(2);
            let control = client.control();
            server.write_all(b"abcde").await.unwrap();
            drop(server);
            let mut piece = [0; 8];
            for length in [2, 2, 1, 0] {
                assert_eq!(client.read(&mut piece).await.unwrap(), length);
            }
            assert_eq!(control.done(), Operations { reads: 4, writes: 0, flushes: 0 });
        });
    }

    #[test]
    fn the_nth_operation_fails_once_or_for_good() {
        crate::run(async {
            for lasting in [true, false] {
                let (client, mut server) = Pipe::pair(64);
                let mut client = client.fault(fault(Operation::Write, 1, lasting));
                let control = client.control();
                client.write_all(b"one").await.unwrap();
                assert!(!control.has_failed());
                assert!(client.write_all(b"two").await.is_err());
                assert!(control.has_failed());
                assert_eq!(client.write_all(b"three").await.is_err(), lasting);
                assert_eq!(client.flush().await.is_err(), lasting);
                server.write_all(b"answer").await.unwrap();
                assert_eq!(client.read(&mut [0; 8]).await.is_err(), lasting);
            }
        });
    }

    #[test]
    fn reads_and_flushes_fail_too() {
        crate::run(async {
            let (client, mut server) = Pipe::pair(64);
            let mut client = client.chunks(1).fault(fault(Operation::Read, 2, true));
            server.write_all(b"abc").await.unwrap();
            let mut all = Vec::new();
            assert!(client.read_to_end(&mut all).await.is_err());
            assert_eq!(all, b"ab");
            let mut client = Pipe::pair(64).0.fault(fault(Operation::Flush, 0, false));
            assert!(client.flush().await.is_err());
            assert!(client.flush().await.is_ok());
        });
    }
}
