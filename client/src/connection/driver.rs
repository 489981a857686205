//! Moves bytes between the socket and the conversation. The only file that awaits the socket.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use stellata_protocol::{Answer, Conversation};

use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;

/// A socket and the conversation that is held over it.
#[derive(Debug)]
pub(crate) struct Driver {
    socket: Socket,
    pub(crate) conversation: Conversation,
    /// Why writing failed. The server may have said why it closed, so that reading goes on until it ends
    /// too; a stream of the caller's own may never do so, and is given up when it has nothing more to read.
    write_error: Option<io::Error>,
    closed: bool,
}

impl Driver {
    pub(crate) fn new(socket: Socket, conversation: Conversation) -> Self {
        Self { socket, conversation, write_error: None, closed: false }
    }

    /// The next event that is wanted; `None` when the bytes for it have yet to come.
    #[inline(always)]
    pub(crate) fn advance(&mut self) -> Result<Option<Answer>> {
        self.conversation.advance().map_err(Error::protocol)
    }

    /// Writes what is unsent and waits until more bytes have come.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was written is counted as written, what was read is in the conversation.
    #[inline]
    pub(crate) async fn fill(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Writes what is unsent and reads what has come; pending until more bytes have.
    #[inline]
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.closed {
            return Poll::Ready(Err(closed(None)));
        }
        self.poll_flush(cx);
        // Read even while writing waits: the server stops reading when nobody takes what it sends.
        match self.socket.poll_read(cx, self.conversation.space()) {
            Poll::Pending => match self.write_error.take_if(|_| !self.socket.is_system()) {
                None => Poll::Pending,
                Some(error) => {
                    self.closed = true;
                    Poll::Ready(Err(broken(error)))
                }
            },
            Poll::Ready(Ok(0)) => {
                self.closed = true;
                Poll::Ready(Err(closed(self.write_error.take())))
            }
            Poll::Ready(Ok(count)) => {
                self.conversation.received(count);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.closed = true;
                Poll::Ready(Err(broken(self.write_error.take().unwrap_or(error))))
            }
        }
    }

    /// As [`Driver::poll_fill`], but of what is unsent writes no more than the first `most` bytes, which are counted down.
    pub(crate) fn poll_fill_first(
        &mut self,
        cx: &mut Context<'_>,
        most: &mut usize,
    ) -> Poll<Result<()>> {
        while self.write_error.is_none() && !self.closed {
            let first = self.conversation.output().get(..*most).unwrap_or_default();
            if first.is_empty() {
                break;
            }
            match self.socket.poll_write(cx, first) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.write_error = Some(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.conversation.wrote(count);
                    *most = most.saturating_sub(count);
                }
                Poll::Ready(Err(error)) => self.write_error = Some(error),
            }
        }
        self.poll_receive(cx)
    }

    /// Reads what has come, and writes nothing new; pending until more bytes have.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.write_error.is_none()
            && self.socket.holds_back()
            && let Poll::Ready(Err(error)) = self.socket.poll_flush(cx)
        {
            self.write_error = Some(error);
        }
        if self.closed || self.write_error.is_some() {
            return self.poll_fill(cx);
        }
        match ready!(self.socket.poll_read(cx, self.conversation.space())) {
            Ok(count @ 1..) => {
                self.conversation.received(count);
                Poll::Ready(Ok(()))
            }
            ended => {
                self.closed = true;
                Poll::Ready(Err(ended.map_or_else(broken, |_| closed(None))))
            }
        }
    }

    /// Writes what is unsent and takes in what has come: true when something has, false when nothing has and all is written.
    pub(crate) fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        match self.poll_fill(cx) {
            Poll::Pending
                if self.conversation.output().is_empty() && self.write_error.is_none() =>
            {
                Poll::Ready(Ok(false))
            }
            filled => filled.map_ok(|()| true),
        }
    }

    /// Writes as much as the socket takes now.
    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) {
        while self.write_error.is_none() && !self.conversation.output().is_empty() {
            match self.socket.poll_write(cx, self.conversation.output()) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.write_error = Some(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.conversation.wrote(count),
                Poll::Ready(Err(error)) => self.write_error = Some(error),
            }
        }
        if self.write_error.is_none()
            && self.socket.holds_back()
            && let Poll::Ready(Err(error)) = self.socket.poll_flush(cx)
        {
            self.write_error = Some(error);
        }
    }

    /// Writes what is unsent, without reading; pending while the socket takes no more. A failure is told by the next
    /// [`Driver::poll_fill`].
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_flush(cx);
        if self.write_error.is_none() && !self.conversation.output().is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Takes in what has already come, without waiting and without a system call when nothing has. Between two requests
    /// nothing should come but notices, notifications, reports of settings, or the server's goodbye.
    ///
    /// Returns false when the connection can't be used any more.
    pub(crate) fn is_alive(&mut self) -> bool {
        loop {
            if self.is_closed() {
                return false;
            }
            match self.socket.try_read(self.conversation.space()) {
                None => return true,
                Some(Ok(count @ 1..)) => {
                    self.conversation.received(count);
                    while let Ok(Some(_)) = self.conversation.advance() {}
                }
                Some(_) => self.closed = true,
            }
        }
    }

    /// Says goodbye and closes the socket.
    pub(crate) async fn close(&mut self) {
        self.conversation.terminate();
        poll_fn(|cx| {
            self.poll_flush(cx);
            if self.write_error.is_none() && !self.conversation.output().is_empty() {
                return Poll::Pending;
            }
            self.socket.poll_shutdown(cx).map(|_| ())
        })
        .await;
        self.closed = true;
    }

    /// Gives the connection up: nothing is read or written any more.
    pub(crate) fn abort(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.socket.is_encrypted()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed || self.conversation.is_over()
    }
}

/// Writes bytes to a socket and waits until the other side has closed it. What it may say is passed over.
pub(crate) async fn write_to_end(mut socket: Socket, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match poll_fn(|cx| socket.poll_write(cx, rest)).await {
            Ok(0) => return Err(broken(io::ErrorKind::WriteZero.into())),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) => return Err(broken(error)),
        }
    }
    poll_fn(|cx| socket.poll_flush(cx)).await.map_err(broken)?;
    let mut space = [0; 64];
    // A reset is an end too.
    while let Ok(1..) = poll_fn(|cx| socket.poll_read(cx, &mut space)).await {}
    Ok(())
}

#[cold]
fn broken(cause: io::Error) -> Error {
    Error::with_source(ErrorKind::Io, format!("the connection broke: {cause}"), cause)
}

#[cold]
fn closed(cause: Option<io::Error>) -> Error {
    match cause {
        Some(cause) => Error::with_source(
            ErrorKind::Closed,
            format!("the server closed the connection: {cause}"),
            cause,
        ),
        None => Error::new(ErrorKind::Closed, "the server closed the connection"),
    }
}
