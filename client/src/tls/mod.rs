//! Encryption: what is asked of it, how the server is asked for it, and the stream that comes of it.

mod settings;
#[cfg(feature = "tls")]
mod material;
#[cfg(feature = "tls")]
mod verifier;
#[cfg(feature = "tls")]
mod client_certificate;
#[cfg(feature = "tls")]
mod stream;
#[cfg(feature = "tls")]
mod open;
#[cfg(not(feature = "tls"))]
mod without;

#[cfg(feature = "tls")]
pub(crate) use open::{Opened, Tls};
#[cfg(feature = "tls")]
pub(crate) use stream::Encrypted;
#[cfg(not(feature = "tls"))]
pub(crate) use without::{Encrypted, Opened, Tls};

pub use settings::{
    Pem, RootCertificates, SslCertMode, SslMode, SslNegotiation, TlsSettings, TlsVersion,
};
