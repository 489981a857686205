//! A system without unix sockets, or without such as tokio knows: none can be made. Who may use a file is not looked at, as
//! libpq does not there.

use std::convert::Infallible;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use crate::plain::Watched;
use crate::platform::Others;

/// Whether there are unix sockets.
pub(crate) const UNIX_SOCKETS: bool = false;

/// A unix socket, of which there is none.
#[derive(Debug)]
pub(crate) struct UnixStream(Infallible);

/// Nothing is opened.
pub(crate) async fn connect(_: &Path) -> io::Result<UnixStream> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn peer(stream: &UnixStream) -> io::Result<u32> {
    match stream.0 {}
}

pub(crate) fn is_open_to(_: Others, _: &Metadata) -> bool {
    false
}

impl UnixStream {
    pub(crate) fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl Watched for UnixStream {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn try_reading(&self, _: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        match self.0 {}
    }

    fn receive(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
