//! Large objects as streams of bytes.

use std::fmt;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::large_object::{CHUNK, LargeObject};

/// A large object as a stream of bytes that is read, written and sought in, by way of buffers of 256 KB.
///
/// What was written and not flushed is lost when it is dropped.
pub struct LargeObjectStream<'c> {
    state: State<'c>,
    /// What was read ahead, and how much of it is used.
    ahead: Vec<u8>,
    taken: usize,
    /// What is to be written.
    behind: Vec<u8>,
    /// Where to go.
    to: Option<SeekFrom>,
}

enum State<'c> {
    Idle(LargeObject<'c>),
    Busy(Work<'c>),
    /// A call panicked.
    Gone,
}

type Work<'c> = Pin<Box<dyn Future<Output = (LargeObject<'c>, Result<Done>)> + Send + 'c>>;

enum Done {
    Read(Vec<u8>),
    Wrote(Vec<u8>),
    Sought(u64),
}

/// The work that has ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Read,
    Write,
    Seek(u64),
}

impl<'c> LargeObjectStream<'c> {
    pub(super) fn new(object: LargeObject<'c>) -> Self {
        Self {
            state: State::Idle(object),
            ahead: Vec::new(),
            taken: 0,
            behind: Vec::new(),
            to: None,
        }
    }

    /// Writes what is to be written, and gives the object back, at the position up to which was read or written.
    ///
    /// # Errors
    /// As [`LargeObject::write`].
    ///
    /// # Cancel safety
    /// When the future is dropped a part may be written.
    pub async fn into_object(mut self) -> Result<LargeObject<'c>> {
        std::future::poll_fn(|cx| self.poll_settle(cx)).await?;
        match self.state {
            State::Idle(object) => Ok(object),
            State::Busy(_) | State::Gone => Err(gone()),
        }
    }

    /// Begins work on the object.
    fn begin<F>(&mut self, work: impl FnOnce(LargeObject<'c>) -> F) -> Result<()>
    where
        F: Future<Output = (LargeObject<'c>, Result<Done>)> + Send + 'c,
    {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(object) => {
                self.state = State::Busy(Box::pin(work(object)));
                Ok(())
            }
            other => {
                self.state = other;
                Err(gone())
            }
        }
    }

    /// Waits for work that was begun; says what it was. What was read is kept.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Ended>>> {
        let State::Busy(work) = &mut self.state else { return Poll::Ready(Ok(None)) };
        let (object, done) = ready!(work.as_mut().poll(cx));
        self.state = State::Idle(object);
        Poll::Ready(Ok(Some(match done? {
            Done::Read(bytes) => {
                self.ahead = bytes;
                self.taken = 0;
                Ended::Read
            }
            Done::Wrote(mut buffer) => {
                buffer.clear();
                self.behind = buffer;
                Ended::Write
            }
            Done::Sought(position) => Ended::Seek(position),
        })))
    }

    /// Waits until nothing is to be written any more, and gives up what was read ahead.
    fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_work(cx))?;
        while !self.behind.is_empty() {
            let bytes = std::mem::take(&mut self.behind);
            self.begin(async move |mut object: LargeObject<'c>| {
                let done = object.write_all(&bytes).await;
                (object, done.map(|()| Done::Wrote(bytes)))
            })?;
            ready!(self.poll_work(cx))?;
        }
        let unused = self.ahead.len().saturating_sub(self.taken);
        if let State::Idle(object) = &mut self.state
            && unused > 0
        {
            object.position = object.position.saturating_sub(u64::try_from(unused).unwrap_or(0));
            object.moved = true;
        }
        self.ahead.clear();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if !self.behind.is_empty() {
            ready!(self.poll_settle(cx))?;
        }
        // What was read last may be nothing: the end.
        let is_fresh = ready!(self.poll_work(cx))? == Some(Ended::Read);
        if !is_fresh && self.taken >= self.ahead.len() && into.remaining() > 0 {
            let mut buffer = std::mem::take(&mut self.ahead);
            self.taken = 0;
            self.begin(async move |mut object: LargeObject<'c>| {
                buffer.resize(CHUNK, 0);
                let read = object.read(&mut buffer).await;
                let read = read.map(|count| {
                    buffer.truncate(count);
                    Done::Read(buffer)
                });
                (object, read)
            })?;
            ready!(self.poll_work(cx))?;
        }
        let unused = self.ahead.get(self.taken..).unwrap_or_default();
        let count = unused.len().min(into.remaining());
        into.put_slice(unused.get(..count).unwrap_or_default());
        self.taken = self.taken.saturating_add(count);
        Poll::Ready(Ok(()))
    }

    fn poll_put(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let is_reading = self.taken < self.ahead.len() || matches!(self.state, State::Busy(_));
        if is_reading || self.behind.len() >= CHUNK {
            ready!(self.poll_settle(cx))?;
        }
        let count = bytes.len().min(CHUNK.saturating_sub(self.behind.len()));
        self.behind.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        loop {
            if let Some(Ended::Seek(position)) = ready!(self.poll_work(cx))? {
                return Poll::Ready(Ok(position));
            }
            ready!(self.poll_settle(cx))?;
            let to = self.to.take().unwrap_or(SeekFrom::Current(0));
            self.begin(async move |mut object: LargeObject<'c>| {
                let sought = object.seek(to).await;
                (object, sought.map(Done::Sought))
            })?;
        }
    }
}

impl fmt::Debug for LargeObjectStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LargeObjectStream")
            .field("ahead", &self.ahead.len().saturating_sub(self.taken))
            .field("behind", &self.behind.len())
            .finish_non_exhaustive()
    }
}

impl AsyncRead for LargeObjectStream<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_take(cx, into).map_err(io::Error::other)
    }
}

impl AsyncWrite for LargeObjectStream<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_put(cx, bytes).map_err(io::Error::other)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_settle(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for LargeObjectStream<'_> {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().to = Some(to);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().poll_seek(cx).map_err(io::Error::other)
    }
}

#[cold]
fn gone() -> Error {
    Error::new(ErrorKind::Usage, "a call on the large object panicked")
}
