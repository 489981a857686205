//! Whether the server's certificate is believed.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use crate::error::{Error, ErrorKind, Result};
use crate::tls::material::Roots;

/// Looks at the server's certificate as far as the mode asks.
///
/// Whatever the mode, the server must show that it holds the key to its certificate: without that, somebody between could
/// show the certificate of another and the login could be bound to it.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    chain: Option<Chain>,
}

#[derive(Debug)]
struct Chain {
    webpki: Arc<WebPkiServerVerifier>,
    /// Roots that a server may show as its own certificate.
    own: Vec<CertificateDer<'static>>,
    /// Whether the certificate must name the host.
    name: bool,
}

impl Verifier {
    /// Believes every certificate.
    pub(super) fn of_all(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms, chain: None }
    }

    /// Believes certificates that come from `roots`; with `name` only those that name the host. With any list in
    /// `revoked`, each certificate but the root must be covered by a list that has not expired.
    pub(super) fn of_chains(
        provider: &Arc<CryptoProvider>,
        roots: Roots,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        name: bool,
    ) -> Result<Self> {
        // A list that covers it is not to be had for a certificate that signs itself.
        let own = if revoked.is_empty() { roots.named } else { Vec::new() };
        let webpki = WebPkiServerVerifier::builder_with_provider(roots.store, Arc::clone(provider))
            .with_crls(revoked)
            .enforce_revocation_expiration()
            .build()
            .map_err(|error| {
                let message = format!("the certificates to verify by can't be used: {error}");
                Error::with_source(ErrorKind::Config, message, error)
            })?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { algorithms, chain: Some(Chain { webpki, own, name }) })
    }
}

impl Chain {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        match self.webpki.verify_server_cert(certificate, intermediates, host, &[], now) {
            Ok(_) => Ok(()),
            // The name is looked at last, after the chain, the dates and the lists (a test holds it to that).
            Err(rustls::Error::InvalidCertificate(error)) if !self.name && is_of_name(&error) => {
                Ok(())
            }
            // A certificate that signs itself, given as the root and shown by the server: it is as trusted as can be, but
            // passes for an authority's. Its dates have been looked at before (a test holds it to that).
            Err(rustls::Error::InvalidCertificate(error))
                if is_of_authority(&error) && self.own.iter().any(|own| own == certificate) =>
            {
                if self.name {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, host)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_of_name(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

fn is_of_authority(error: &CertificateError) -> bool {
    match error {
        CertificateError::Other(other) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(chain) = &self.chain {
            chain.verify(certificate, intermediates, host, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, in words for whoever has to mend it.
pub(super) fn explain(error: &CertificateError, host: &str) -> Option<String> {
    use CertificateError::{
        Expired, ExpiredContext, ExpiredRevocationList, ExpiredRevocationListContext,
        NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext, Revoked,
        UnknownIssuer, UnknownRevocationStatus,
    };
    Some(match error {
        UnknownIssuer => "it does not come from a root that is trusted".to_owned(),
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        Revoked => "it is revoked".to_owned(),
        UnknownRevocationStatus => "no list of revoked certificates covers it".to_owned(),
        ExpiredRevocationList | ExpiredRevocationListContext { .. } => {
            "the list of revoked certificates has expired".to_owned()
        }
        NotValidForName | NotValidForNameContext { .. } => {
            format!("its alternative names (SAN) do not hold the host `{host}`")
        }
        other if is_of_authority(other) => {
            "it does not come from a root that is trusted, but is an authority's own".to_owned()
        }
        _ => return None,
    })
}
