//! TCP and unix sockets as one type.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

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
}

impl Socket {
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
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// Reads what has come. It costs no system call when nothing has, and wakes nobody later.
    #[inline]
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(into),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read(into),
        }
    }

    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Closes the write side, so that the server sees the end after what was written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
