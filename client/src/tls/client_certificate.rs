//! Showing the client's certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// The client's certificate, where there is one, and whether the server has asked for it.
#[derive(Debug)]
pub(super) struct ClientCertificate {
    certified: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ClientCertificate {
    pub(super) fn new(certified: Option<CertifiedKey>) -> Self {
        Self { certified: certified.map(Arc::new), asked: AtomicBool::new(false) }
    }

    /// Whether the server has asked for a certificate.
    pub(super) fn was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(
        &self,
        _root_hints: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certified.clone()
    }

    /// Said even without a certificate, so that it is known whether the server asks.
    fn has_certs(&self) -> bool {
        true
    }
}
