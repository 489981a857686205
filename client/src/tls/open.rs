//! Asking the server for encryption, and the handshake.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use stellata_protocol::auth::{ChannelBindingPolicy, server_end_point};
use stellata_protocol::{EncryptionAnswer, EncryptionRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Error, ErrorKind, Result};
use crate::tls::client_certificate::ClientCertificate;
use crate::tls::material::{Material, is_on_disk};
use crate::tls::settings::{SslCertMode, SslMode, SslNegotiation, TlsSettings, TlsVersion};
use crate::tls::stream::{Ahead, Encrypted};
use crate::tls::verifier::{Verifier, explain};

/// The name of the protocol that is spoken inside (ALPN), as it is registered for PostgreSQL.
const PROTOCOL: &[u8] = b"postgresql";

/// All that is needed to encrypt one connection to a host.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    certificate: Arc<ClientCertificate>,
    certificate_mode: SslCertMode,
    host: String,
    name: ServerName<'static>,
    negotiation: SslNegotiation,
    binding: ChannelBindingPolicy,
}

/// What asking for encryption came to.
pub(crate) enum Opened<S> {
    /// The server does not encrypt. It waits for the session to begin, in plain.
    Unwilling(S),
    /// The stream is encrypted.
    Encrypted {
        /// The stream.
        stream: Box<Encrypted<S>>,
        /// The hash of the server's certificate, where it has one that a login can be bound to.
        end_point: Option<Vec<u8>>,
    },
}

impl Tls {
    /// Reads what the settings name; `None` where they say that there is to be no encryption.
    pub(crate) async fn prepare(settings: &TlsSettings, host: &str) -> Result<Option<Self>> {
        let mode = settings.mode();
        if settings.negotiation() == SslNegotiation::Direct && !mode.requires_tls() {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "sslmode={mode} is too weak for sslnegotiation=direct (use require or better)"
                ),
            ));
        }
        if mode == SslMode::Disable {
            return Ok(None);
        }
        let material = if is_on_disk(settings) {
            let settings = settings.clone();
            tokio::task::spawn_blocking(move || Material::read(&settings)).await.map_err(
                |error| {
                    Error::with_source(ErrorKind::Config, "reading certificates was stopped", error)
                },
            )??
        } else {
            Material::read(settings)?
        };
        Self::new(settings, host, material).map(Some)
    }

    fn new(settings: &TlsSettings, host: &str, material: Material) -> Result<Self> {
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            Err(error) if settings.mode() == SslMode::VerifyFull => {
                return Err(Error::with_source(
                    ErrorKind::Config,
                    format!("no certificate can be for `{host}`, which is no name of a host"),
                    error,
                ));
            }
            // Nobody looks at the name, and an address is not sent.
            Err(_) => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        let provider = provider()?;
        let verifier = match material.roots {
            None => Verifier::of_all(&provider),
            Some(roots) => {
                let name = settings.mode() == SslMode::VerifyFull;
                Verifier::of_chains(&provider, roots, material.revoked, name)?
            }
        };
        let certified = match material.client {
            None => None,
            Some((chain, key)) => {
                Some(CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
                    let message =
                        format!("the client certificate and its key can't be used: {error}");
                    Error::with_source(ErrorKind::Config, message, error)
                })?)
            }
        };
        let certificate = Arc::new(ClientCertificate::new(certified));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(settings)?)
            .map_err(|error| {
                let message = format!("these versions of TLS can't be spoken: {error}");
                Error::with_source(ErrorKind::Config, message, error)
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.enable_sni = settings.sni();
        // Servers keep no sessions of TLS to be taken up again.
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            certificate,
            certificate_mode: settings.client_certificate_mode(),
            host: host.to_owned(),
            name,
            negotiation: settings.negotiation(),
            binding: settings.channel_binding(),
        })
    }

    /// Asks the server for encryption over a stream on which nothing was said yet, and shakes hands.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`] when the handshake fails. [`ErrorKind::Protocol`] for an answer that no server gives,
    /// [`ErrorKind::Connect`] when it answers with an error, [`ErrorKind::Closed`] or [`ErrorKind::Io`] when the stream
    /// ends before an answer; [`ErrorKind::Authentication`] when the login would have to be bound to a certificate that
    /// has no hash, or the server does not ask for the certificate that it must ask for.
    ///
    /// The future lies on the heap: whoever connects in plain does not carry about what a handshake needs.
    pub(crate) fn open<S>(
        &self,
        stream: S,
    ) -> Pin<Box<impl Future<Output = Result<Opened<S>>> + use<'_, S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Box::pin(self.shake_hands(stream))
    }

    async fn shake_hands<S>(&self, mut stream: S) -> Result<Opened<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.negotiation == SslNegotiation::Postgres && !ask(&mut stream).await? {
            return Ok(Opened::Unwilling(stream));
        }
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let handshake = connector.connect(self.name.clone(), Ahead::new(stream));
        let stream = handshake.await.map_err(|error| self.failed(error))?;
        let end_point = self.examine(&stream)?;
        Ok(Opened::Encrypted { stream: Box::new(Encrypted::new(stream)), end_point })
    }

    /// Looks at what the handshake came to; gives the hash of the server's certificate.
    fn examine<S>(&self, stream: &TlsStream<S>) -> Result<Option<Vec<u8>>> {
        let session = stream.get_ref().1;
        // Without it, what was meant for another protocol could be taken for this one. Servers that were asked before have
        // said that they speak it; old ones know nothing of such names.
        if self.negotiation == SslNegotiation::Direct && session.alpn_protocol() != Some(PROTOCOL) {
            return Err(Error::new(
                ErrorKind::Tls,
                "the server did not agree to speak `postgresql` inside TLS (ALPN), which sslnegotiation=direct demands",
            ));
        }
        if self.certificate_mode == SslCertMode::Require && !self.certificate.was_asked_for() {
            return Err(Error::new(
                ErrorKind::Authentication,
                "the server did not ask for the client certificate, which sslcertmode=require demands",
            ));
        }
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        let end_point = certificate.and_then(|der| server_end_point(der).ok().flatten());
        if end_point.is_none() && self.binding == ChannelBindingPolicy::Require {
            return Err(Error::new(
                ErrorKind::Authentication,
                "channel binding is required, but can't be had with the server's certificate: its signature (Ed25519, \
                 or one that is not known here) has no hash function of its own (RFC 5929, section 4.1)",
            ));
        }
        Ok(end_point)
    }

    /// Says why a handshake failed.
    #[cold]
    fn failed(&self, error: io::Error) -> Error {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let message = match inner {
            Some(rustls::Error::InvalidCertificate(fault)) => match explain(fault, &self.host) {
                Some(why) => format!("the server's certificate is refused: {why}"),
                None => format!("the server's certificate is refused: {fault}"),
            },
            Some(inner) => format!("the TLS handshake failed: {inner}"),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the server closed the connection during the TLS handshake".to_owned()
            }
            None => format!("the TLS handshake failed: {error}"),
        };
        let hint = match (self.negotiation, inner) {
            (SslNegotiation::Direct, None | Some(rustls::Error::InvalidMessage(_))) => {
                " (servers before version 17 do not understand sslnegotiation=direct)"
            }
            _ => "",
        };
        Error::with_source(ErrorKind::Tls, message + hint, error)
    }
}

/// Asks the server whether it encrypts.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<bool> {
    let mut request = EncryptionRequest::new();
    let failed = |error: io::Error| {
        let message = format!("the connection broke when the server was asked for TLS: {error}");
        Error::with_source(ErrorKind::Io, message, error)
    };
    while !request.output().is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, request.output()));
        match written.await.map_err(failed)? {
            0 => return Err(failed(io::ErrorKind::WriteZero.into())),
            count => request.wrote(count),
        }
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await.map_err(failed)?;
    // Room for more than an answer, so that what somebody slipped in behind it is seen.
    let mut room = [0; 512];
    let answer = loop {
        let read = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            std::task::Poll::Ready(Ok(buffer.filled().len()))
        });
        match read.await.map_err(failed)? {
            0 => {
                let closed =
                    |error| Error::with_source(ErrorKind::Closed, format!("{error}"), error);
                break request.end().map_err(closed)?;
            }
            count => {
                if let Some(answer) = request.receive(&room[..count]).map_err(Error::protocol)? {
                    break answer;
                }
            }
        }
    };
    match answer {
        EncryptionAnswer::Willing => Ok(true),
        EncryptionAnswer::Unwilling => Ok(false),
        EncryptionAnswer::Error(text) => Err(Error::new(
            ErrorKind::Connect,
            format!(
                "the server answered with an error when it was asked for TLS. Nothing proves that it comes from the \
                 server: \"{text}\""
            ),
        )),
    }
}

fn versions(settings: &TlsSettings) -> Result<Vec<&'static SupportedProtocolVersion>> {
    let (oldest, newest) = settings.versions();
    let known = [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)];
    let wanted = known.into_iter().filter(|(version, _)| (oldest..=newest).contains(version));
    let versions: Vec<_> = wanted.map(|(_, version)| version).collect();
    if versions.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            format!("no version of TLS lies between {oldest} and {newest}"),
        ));
    }
    Ok(versions)
}

/// The cryptography that this crate was built with.
#[cfg(feature = "aws-lc-rs")]
fn provider() -> Result<Arc<CryptoProvider>> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// The cryptography that this crate was built with.
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

/// The cryptography that the process has chosen.
#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn provider() -> Result<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            "TLS needs cryptography: switch on the feature `ring` or `aws-lc-rs`, or install a provider for rustls",
        )
    })
}
