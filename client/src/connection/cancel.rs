//! Cancelling what a session runs, over another connection (manual, "Canceling Requests in Progress").

use std::fmt;
use std::sync::Arc;

use stellata_protocol::Buffer;
use stellata_protocol::message::BackendKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinError;

use crate::config::endpoint::Host;
use crate::config::socket_options::SocketSettings;
use crate::connection::Connection;
use crate::connection::driver::write_to_end;
use crate::connection::limit::within;
use crate::error::{Error, ErrorKind, Result};
use crate::socket::{Address, Socket};
use crate::tls::{Opened, Tls};
#[cfg(feature = "tracing")]
use crate::trace::Labels;

/// Where a session is served, and how it is reached.
#[derive(Debug)]
pub(super) struct Origin {
    address: Address,
    encrypted: bool,
    /// Nothing that proves a login is among them: a connection that cancels does not log in.
    settings: Arc<SocketSettings>,
}

impl Origin {
    pub(super) fn new(address: Address, encrypted: bool, settings: &Arc<SocketSettings>) -> Self {
        Self { address, encrypted, settings: Arc::clone(settings) }
    }

    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// Opens another socket to the same place, encrypted if the session is: the key that goes over it is a secret.
    async fn open(&self) -> Result<Socket> {
        let socket = Socket::connect(&self.address, &self.settings).await?;
        if !self.encrypted {
            return Ok(socket);
        }
        let tls = match self.address.endpoint().host() {
            Host::Tcp(host) => Tls::prepare(&self.settings.tls, host).await?,
            Host::Unix(_) | Host::Abstract(_) => None,
        };
        match tls {
            Some(tls) => match tls.open(socket).await? {
                Opened::Encrypted { stream, .. } => Ok(Socket::Tls(stream)),
                Opened::Unwilling(_) => Err(unencrypted()),
            },
            None => Err(unencrypted()),
        }
    }
}

#[cold]
fn unencrypted() -> Error {
    Error::new(ErrorKind::Tls, "the session is encrypted, and the connection to cancel it is not")
}

/// Cancels what a session runs, from anywhere: from another task, from a signal handler, after the connection was given
/// up. A clone is another handle of the same session.
///
/// ```no_run
/// # async fn example(mut connection: stellata_client::Connection) -> Result<(), stellata_client::Error> {
/// let handle = connection.cancel_handle();
/// tokio::spawn(async move {
///     tokio::time::sleep(std::time::Duration::from_secs(2)).await;
///     handle.cancel().await
/// });
/// let error = connection.execute("select pg_sleep(60)", ()).await.unwrap_err();
/// assert_eq!(error.sqlstate(), Some(stellata_client::SqlState::QUERY_CANCELED));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CancelHandle(Arc<Target>);

struct Target {
    key: Option<BackendKey>,
    origin: Option<Origin>,
    /// What tracers are told.
    #[cfg(feature = "tracing")]
    labels: Labels,
}

impl CancelHandle {
    pub(super) fn new(
        key: Option<BackendKey>,
        origin: Option<Origin>,
        #[cfg(feature = "tracing")] labels: &Labels,
    ) -> Self {
        Self(Arc::new(Target {
            key,
            origin,
            #[cfg(feature = "tracing")]
            labels: labels.clone(),
        }))
    }

    /// Asks the server to cancel what the session runs now, over a connection of its own to the address that the session
    /// uses, encrypted by TLS if the session is. It ends when the server has closed that connection: it has then told the
    /// session, if there was anything to tell, so that a statement that is sent afterwards is not hit.
    ///
    /// Whether the statement was cancelled, the statement itself tells: it fails with SQLSTATE 57014, or it was done
    /// already.
    ///
    /// # Errors
    /// As [`Connection::connect`](crate::Connection::connect), within the limit of the configuration;
    /// [`ErrorKind::Usage`] for a session over a stream of the caller's own, which can't be opened a second time (see
    /// [`CancelHandle::cancel_over`]), or where the server gave no key.
    ///
    /// # Cancel safety
    /// When the future is dropped, the request may reach the server at any time after, and then hit the session's next
    /// statement.
    pub async fn cancel(&self) -> Result<()> {
        let cancelling = self.ask_to_cancel();
        #[cfg(feature = "tracing")]
        let cancelling = self.0.labels.watch_cancelling(cancelling);
        cancelling.await
    }

    async fn ask_to_cancel(&self) -> Result<()> {
        let request = self.request()?;
        let Some(origin) = &self.0.origin else {
            return Err(Error::new(
                ErrorKind::Usage,
                "the session runs over a stream that was given: only another such stream can cancel it",
            ));
        };
        let what = || format!("{}: cancelling", origin.address);
        let cancelling = async { write_to_end(origin.open().await?, request.as_slice()).await };
        within(Some(origin.settings.connect_timeout), what, cancelling).await
    }

    /// As [`CancelHandle::cancel`], over a stream that leads to the same server, and has no time limit of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the stream fails, [`ErrorKind::Usage`] where the server gave no key.
    ///
    /// # Cancel safety
    /// As [`CancelHandle::cancel`].
    pub async fn cancel_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<()> {
        let cancelling = async {
            let request = self.request()?;
            write_to_end(Socket::over(stream), request.as_slice()).await
        };
        #[cfg(feature = "tracing")]
        let cancelling = self.0.labels.watch_cancelling(cancelling);
        cancelling.await
    }

    /// The address of the server, where it is reached by TCP.
    #[cfg(feature = "tracing")]
    pub(super) fn peer(&self) -> Option<std::net::SocketAddr> {
        self.0.origin.as_ref().and_then(|origin| origin.address.server().address)
    }

    /// Whether [`CancelHandle::cancel`] knows a way to the server.
    pub(super) fn has_origin(&self) -> bool {
        self.0.origin.is_some() && self.0.key.is_some()
    }

    fn request(&self) -> Result<Buffer> {
        let Some(key) = &self.0.key else {
            return Err(Error::new(ErrorKind::Usage, "the server gave no key to cancel by"));
        };
        let mut request = Buffer::new();
        key.write_cancel_request(&mut request).map_err(Error::encode)?;
        Ok(request)
    }
}

impl Connection {
    /// Takes in how a cancellation has ended. Where it failed the connection is closed: whether its request reaches the server
    /// all the same is not known.
    #[cold]
    pub(super) fn note_cancelled(
        &mut self,
        ended: std::result::Result<Result<()>, JoinError>,
    ) -> Result<()> {
        let ended = ended.unwrap_or_else(|error| {
            Err(Error::with_source(ErrorKind::Closed, "the cancellation was stopped", error))
        });
        ended.inspect_err(|_| self.driver.abort())
    }
}

/// Without the secret.
impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").field("key", &self.0.key).finish_non_exhaustive()
    }
}
