//! Encryption: what is asked of it.

mod settings;

pub use settings::{
    Pem, RootCertificates, SslCertMode, SslMode, SslNegotiation, TlsSettings, TlsVersion,
};
