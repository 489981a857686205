//! What stands for encryption in a client that was built without it: nothing of this can be made.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use crate::error::{Error, ErrorKind, Result};
use crate::tls::settings::TlsSettings;

/// An encrypted connection is not to be had.
pub(crate) enum Tls {}

/// What asking for encryption came to: it is never asked for.
#[expect(dead_code, reason = "whoever opens a connection looks for both, and neither comes")]
pub(crate) enum Opened<S> {
    /// The server does not encrypt.
    Unwilling(S),
    /// The stream is encrypted.
    Encrypted {
        /// The stream.
        stream: Box<Encrypted<S>>,
        /// The hash of the server's certificate.
        end_point: Option<Vec<u8>>,
    },
}

/// An encrypted stream, of which there is none.
#[derive(Debug)]
pub(crate) struct Encrypted<S>(Infallible, PhantomData<S>);

impl Tls {
    /// There is no encryption to prepare.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the settings demand it.
    pub(crate) async fn prepare(settings: &TlsSettings, _host: &str) -> Result<Option<Self>> {
        if settings.mode().requires_tls() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("sslmode={} needs the feature `tls` of stellata-client", settings.mode()),
            ));
        }
        Ok(None)
    }

    pub(crate) async fn open<S>(&self, _stream: S) -> Result<Opened<S>> {
        match *self {}
    }
}

impl<S> Encrypted<S> {
    pub(crate) fn inner(&self) -> &S {
        match self.0 {}
    }

    pub(crate) fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    pub(crate) fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
