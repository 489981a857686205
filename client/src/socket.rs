//! TCP sockets, unix sockets, streams of the caller's own, and all of them encrypted, as one type.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};

use crate::config::account;
use crate::config::endpoint::{Endpoint, Host, Server, socket_file};
use crate::config::socket_options::SocketSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::plain::Plain;
use crate::platform::{self, UNIX_SOCKETS, UnixStream};
use crate::tls::Encrypted;

/// Where a socket leads, and what that place was called.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    way: Way,
    endpoint: Arc<Endpoint>,
}

#[derive(Clone, Debug)]
enum Way {
    Tcp(SocketAddr),
    /// The file of a unix socket; the name of an abstract one has a zero byte in front.
    Unix(PathBuf),
}

impl Address {
    /// The address of a place that is known without asking anybody: `None` where the name has to be looked up.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a unix socket where there are none.
    pub(crate) fn known(endpoint: &Arc<Endpoint>) -> Result<Option<Self>> {
        let way = match endpoint.host() {
            Host::Tcp(host) => match endpoint.address().or_else(|| host.parse().ok()) {
                Some(address) => Way::Tcp(SocketAddr::new(address, endpoint.port())),
                None => return Ok(None),
            },
            Host::Unix(_) if !UNIX_SOCKETS => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "unix sockets are not to be had on this platform",
                ));
            }
            Host::Unix(folder) => Way::Unix(folder.join(socket_file(endpoint.port()))),
            Host::Abstract(_) if cfg!(not(target_os = "linux")) => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "abstract unix sockets are a thing of Linux",
                ));
            }
            Host::Abstract(socket) => {
                Way::Unix(format!("\0{socket}/{}", socket_file(endpoint.port())).into())
            }
        };
        Ok(Some(Self { way, endpoint: Arc::clone(endpoint) }))
    }

    /// Looks the addresses of a place up. A name may have several.
    pub(crate) async fn look_up(endpoint: &Arc<Endpoint>) -> Result<Vec<Self>> {
        let host = endpoint.host().to_string();
        let found: Vec<Self> = match lookup_host((host.as_str(), endpoint.port())).await {
            Ok(found) => {
                found.map(|to| Self { way: Way::Tcp(to), endpoint: Arc::clone(endpoint) }).collect()
            }
            Err(error) => {
                let message = format!("the host {host} is not found: {error}");
                return Err(Error::with_source(ErrorKind::Connect, message, error));
            }
        };
        if found.is_empty() {
            let message = format!("the host {host} has no address");
            return Err(Error::new(ErrorKind::Connect, message));
        }
        Ok(found)
    }

    /// The place whose address it is.
    pub(crate) const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// What tells the server from others.
    pub(crate) fn server(&self) -> Server {
        let address = match self.way {
            Way::Tcp(address) => Some(address),
            Way::Unix(_) => None,
        };
        Server { endpoint: Arc::clone(&self.endpoint), address }
    }
}

/// The place, and which of its addresses it is where the place does not say so itself.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)?;
        match (&self.way, self.endpoint.host()) {
            (Way::Tcp(address), Host::Tcp(host)) if host.parse() != Ok(address.ip()) => {
                write!(f, " ({})", address.ip())
            }
            _ => Ok(()),
        }
    }
}

fn set_options(stream: &TcpStream, settings: &SocketSettings) -> io::Result<()> {
    // Requests are written whole; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if let Some(wanted) = settings.keepalive {
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = wanted.idle() {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = wanted.interval() {
            keepalive = keepalive.with_interval(interval);
        }
        #[cfg(not(windows))]
        if let Some(count) = wanted.count() {
            keepalive = keepalive.with_retries(count);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(all(target_os = "linux", not(elsewhere)))]
    if settings.tcp_user_timeout.is_some() {
        socket.set_tcp_user_timeout(settings.tcp_user_timeout)?;
    }
    Ok(())
}

/// Whether the account that opened the other end of a unix socket is the one that must have.
fn check_peer(address: &Address, peer: u32, wanted: &str) -> Result<()> {
    let found = account::name_of(peer);
    if found.as_deref() == Some(wanted) {
        return Ok(());
    }
    let found = found.unwrap_or_else(|| format!("account {peer}, which has no name here"));
    let message = format!("requirepeer asks for `{wanted}`, but {address} is served by {found}");
    Err(Error::new(ErrorKind::Authentication, message))
}

/// The stream of bytes to and from a server.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(Plain<TcpStream>),
    Unix(Plain<UnixStream>),
    Other(Other),
    /// One of the others, encrypted.
    Tls(Box<Encrypted<Self>>),
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

    /// Opens a socket that is connected to a server.
    pub(crate) async fn connect(address: &Address, settings: &SocketSettings) -> Result<Self> {
        let failed = |error| {
            Error::with_source(
                ErrorKind::Connect,
                format!("no connection to {address}: {error}"),
                error,
            )
        };
        match &address.way {
            Way::Tcp(to) => {
                let stream = TcpStream::connect(to).await.map_err(failed)?;
                set_options(&stream, settings).map_err(failed)?;
                Ok(Self::Tcp(Plain::new(stream)))
            }
            Way::Unix(path) => {
                let stream = platform::connect(path).await.map_err(failed)?;
                if let Some(wanted) = &settings.require_peer {
                    let peer = platform::peer(&stream).map_err(failed)?;
                    check_peer(address, peer, wanted)?;
                }
                Ok(Self::Unix(Plain::new(stream)))
            }
        }
    }

    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(plain) => plain.poll_read(cx, into),
            other => other.poll_read_other(cx, into),
        }
    }

    /// Apart, so that the way of the others is short.
    #[inline(never)]
    fn poll_read_other(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        let read = match self {
            Self::Tcp(plain) => return plain.poll_read(cx, into),
            Self::Unix(plain) => return plain.poll_read(cx, into),
            Self::Other(other) => other.stream().poll_read(cx, &mut buffer),
            Self::Tls(encrypted) => encrypted.poll_read(cx, &mut buffer),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// Reads what has come; `None` when nothing has. That costs no system call, and wakes nobody later.
    #[inline]
    pub(crate) fn try_read(&mut self, into: &mut [u8]) -> Option<io::Result<usize>> {
        match self {
            Self::Tcp(plain) => plain.try_read(into),
            Self::Unix(plain) => plain.try_read(into),
            // What is decrypted already may wait inside.
            Self::Other(_) | Self::Tls(_) => {
                match self.poll_read(&mut Context::from_waker(Waker::noop()), into) {
                    Poll::Ready(read) => Some(read),
                    Poll::Pending => None,
                }
            }
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
            Self::Tcp(plain) => plain.stream.try_write(bytes),
            Self::Unix(plain) => plain.stream.try_write(bytes),
            Self::Other(_) | Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        };
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.poll_write_later(cx, bytes)
            }
            tried => Poll::Ready(tried),
        }
    }

    /// Writes as soon as that can be done.
    #[inline(never)]
    fn poll_write_later(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(plain) => Pin::new(&mut plain.stream).poll_write(cx, bytes),
            Self::Unix(plain) => Pin::new(&mut plain.stream).poll_write(cx, bytes),
            Self::Other(other) => {
                let written = other.stream().poll_write(cx, bytes);
                other.unflushed |= matches!(written, Poll::Ready(Ok(1..)));
                written
            }
            Self::Tls(encrypted) => encrypted.poll_write(cx, bytes),
        }
    }

    /// Sends on what a stream may hold back of what was written. A socket holds nothing back.
    #[inline]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Other(other) => other.poll_flush(cx),
            Self::Tls(encrypted) => encrypted.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Whether it is a socket of the system, where reading ends soon after writing has failed.
    pub(crate) fn is_system(&self) -> bool {
        match self {
            Self::Other(_) => false,
            Self::Tls(encrypted) => encrypted.inner().is_system(),
            _ => true,
        }
    }

    /// Whether what was written may be held back until it is flushed.
    #[inline]
    pub(crate) fn holds_back(&self) -> bool {
        matches!(self, Self::Other(_) | Self::Tls(_))
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Closes the write side, so that the server sees the end after what was written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(plain) => Pin::new(&mut plain.stream).poll_shutdown(cx),
            Self::Unix(plain) => Pin::new(&mut plain.stream).poll_shutdown(cx),
            Self::Other(other) => other.stream().poll_shutdown(cx),
            Self::Tls(encrypted) => encrypted.poll_shutdown(cx),
        }
    }
}

// What is encrypted is read and written as a stream.

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Self::poll_read(self.get_mut(), cx, into.initialize_unfilled());
        read.map_ok(|count| into.advance(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(self.get_mut(), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(self.get_mut(), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(self.get_mut(), cx)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::socket_options::Keepalive;

    /// What the system says of a socket that was opened with these settings, by a listener of our own.
    async fn opened(settings: &SocketSettings) -> TcpStream {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Arc::new(Endpoint::new("127.0.0.1", port));
        let address = Address::known(&endpoint).unwrap().unwrap();
        match Socket::connect(&address, settings).await.unwrap() {
            Socket::Tcp(plain) => plain.stream,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn every_setting_reaches_the_socket() {
        let keepalive = Keepalive::new()
            .with_idle(Duration::from_secs(61))
            .with_interval(Duration::from_secs(7))
            .with_count(4);
        let limit = Some(Duration::from_millis(30_500));
        let settings = SocketSettings {
            keepalive: Some(keepalive),
            tcp_user_timeout: limit,
            ..SocketSettings::default()
        };
        let stream = opened(&settings).await;
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(61));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        assert_eq!(socket.tcp_user_timeout().unwrap(), limit);
    }

    #[tokio::test]
    async fn what_is_not_set_is_the_systems() {
        let fresh = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let fresh = SockRef::from(&fresh);
        for keepalive in [Some(Keepalive::new()), None] {
            let stream = opened(&SocketSettings { keepalive, ..SocketSettings::default() }).await;
            let socket = SockRef::from(&stream);
            assert!(socket.tcp_nodelay().unwrap());
            assert_eq!(socket.keepalive().unwrap(), keepalive.is_some());
            let times = |socket: &SockRef<'_>| {
                (
                    socket.tcp_keepalive_time().unwrap(),
                    socket.tcp_keepalive_interval().unwrap(),
                    socket.tcp_keepalive_retries().unwrap(),
                    socket.tcp_user_timeout().unwrap(),
                )
            };
            assert_eq!(times(&socket), times(&fresh));
        }
    }
}
