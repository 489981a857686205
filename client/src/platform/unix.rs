//! A system that has unix sockets, and numbers its accounts.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::Interest;
pub(crate) use tokio::net::UnixStream;

use crate::plain::Watched;
use crate::platform::Others;

/// Whether there are unix sockets.
pub(crate) const UNIX_SOCKETS: bool = true;

/// Opens the socket of a file.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// The number of the account that opened the other end.
pub(crate) fn peer(stream: &UnixStream) -> io::Result<u32> {
    stream.peer_cred().map(|peer| peer.uid())
}

/// Whether a file is open to those to whom it is not to be.
pub(crate) fn is_open_to(others: Others, about: &Metadata) -> bool {
    let forbidden = match others {
        Others::AllButRootsGroup if about.uid() == 0 => 0o037,
        Others::All | Others::AllButRootsGroup => 0o077,
    };
    about.mode() & forbidden != 0
}

impl Watched for UnixStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn try_reading(&self, read: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.try_io(Interest::READABLE, read)
    }

    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        (&*SockRef::from(self)).read(into)
    }
}
