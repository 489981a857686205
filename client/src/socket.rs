//! TCP sockets, unix sockets and streams of the caller's own as one type.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::config::{Config, Host};
use crate::error::{Error, ErrorKind, Result};

/// The stream of bytes to and from a server.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Other(Other),
}

/// A stream that the caller has opened.
pub(crate) struct Other {
    /// Never locked: it is here because a connection may be shared between threads, and a stream need not.
    stream: Mutex<Box<dyn Stream>>,
    /// Bytes were written that the stream may still hold back.
    unflushed: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Other {
    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut **stream)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = self.stream().poll_flush(cx);
        if flushed.is_ready() {
            self.unflushed = false;
        }
        flushed
    }
}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Other").field("unflushed", &self.unflushed).finish_non_exhaustive()
    }
}

impl Socket {
    /// A stream that is connected to a server already.
    pub(crate) fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Other(Other { stream: Mutex::new(Box::new(stream)), unflushed: false })
    }

    pub(crate) async fn connect(config: &Config) -> Result<Self> {
        match config.host() {
            Host::Tcp(host) => {
                let failed = |error| {
                    let place = format!("{host}:{}", config.port());
                    Error::with_source(
                        ErrorKind::Connect,
                        format!("no connection to {place}: {error}"),
                        error,
                    )
                };
                let stream = TcpStream::connect((&**host, config.port())).await.map_err(failed)?;
                // Requests are written whole; waiting for more would only delay them.
                stream.set_nodelay(true).map_err(failed)?;
                Ok(Self::Tcp(stream))
            }
            #[cfg(unix)]
            Host::Unix(folder) => {
                let path = folder.join(format!(".s.PGSQL.{}", config.port()));
                match UnixStream::connect(&path).await {
                    Ok(stream) => Ok(Self::Unix(stream)),
                    Err(error) => Err(Error::with_source(
                        ErrorKind::Connect,
                        format!("no connection to {}: {error}", path.display()),
                        error,
                    )),
                }
            }
            #[cfg(not(unix))]
            Host::Unix(_) => Err(Error::new(
                ErrorKind::Config,
                "unix sockets are not to be had on this platform",
            )),
        }
    }

    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        let read = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Other(other) => other.stream().poll_read(cx, &mut buffer),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// Reads what has come. It costs no system call when nothing has, and wakes nobody later.
    #[inline]
    pub(crate) fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(into),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read(into),
            Self::Other(_) => match self.poll_read(&mut Context::from_waker(Waker::noop()), into) {
                Poll::Ready(read) => read,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A socket nearly always takes what is written: asking to be woken can wait until it does not.
        let tried = match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Other(_) => Err(io::ErrorKind::WouldBlock.into()),
        };
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            tried => return Poll::Ready(tried),
        }
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Other(other) => {
                let written = other.stream().poll_write(cx, bytes);
                other.unflushed |= matches!(written, Poll::Ready(Ok(1..)));
                written
            }
        }
    }

    /// Sends on what a stream may hold back of what was written. A socket holds nothing back.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Other(other) => other.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Whether it is a socket of the system, where reading ends soon after writing has failed.
    pub(crate) fn is_system(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Closes the write side, so that the server sees the end after what was written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Other(other) => other.stream().poll_shutdown(cx),
        }
    }
}
