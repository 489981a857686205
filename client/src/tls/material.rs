//! Certificates, keys and revocation lists, read from where the settings say they are.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::platform::{Others, is_open_to};
use crate::tls::settings::{Pem, RootCertificates, Source, SslCertMode, SslMode, TlsSettings};

/// What is needed for a handshake, read and parsed.
pub(super) struct Material {
    /// Whom the server's certificate must come from; `None` where it is not looked at.
    pub(super) roots: Option<Roots>,
    pub(super) revoked: Vec<CertificateRevocationListDer<'static>>,
    pub(super) client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Certificates that are trusted.
pub(super) struct Roots {
    pub(super) store: Arc<RootCertStore>,
    /// Those that were named, as they were read: a server may show one of them as its own.
    pub(super) named: Vec<CertificateDer<'static>>,
}

impl Material {
    /// Reads all that the settings ask for. It may wait for files.
    pub(super) fn read(settings: &TlsSettings) -> Result<Self> {
        let roots = roots(settings)?;
        // Without roots nothing is verified, and libpq passes the lists over too.
        let revoked = if roots.is_some() { revoked(settings)? } else { Vec::new() };
        Ok(Self { roots, revoked, client: client(settings)? })
    }
}

/// Whether reading may wait for files.
pub(super) fn is_on_disk(settings: &TlsSettings) -> bool {
    let is_file = |pem: Option<&Pem>| pem.is_some_and(|pem| pem.path().is_some());
    let system = match settings.roots() {
        Some(RootCertificates::Pem(pem)) => pem.path().is_some(),
        Some(RootCertificates::System) => true,
        None => settings.mode() == SslMode::VerifyFull,
    };
    system
        || is_file(settings.client_certificate())
        || is_file(settings.client_key())
        || is_file(settings.crl())
        || settings.crl_folder().is_some()
        || settings.folder().is_some()
}

/// What is named, or else the file of this name in libpq's folder, where there is one.
fn named_or_found<'s>(
    named: Option<&'s Pem>,
    settings: &TlsSettings,
    file: &str,
) -> Option<Cow<'s, Pem>> {
    named.map(Cow::Borrowed).or_else(|| {
        let path = settings.folder()?.join(file);
        path.exists().then(|| Cow::Owned(Pem::file(path)))
    })
}

fn roots(settings: &TlsSettings) -> Result<Option<Roots>> {
    let mode = settings.mode();
    let named = match settings.roots() {
        Some(RootCertificates::System) if mode != SslMode::VerifyFull => {
            return Err(invalid(format!(
                "anybody can have a certificate from a root that the system trusts: sslmode={mode} is too weak for \
                 sslrootcert=system (use verify-full)"
            )));
        }
        Some(RootCertificates::System) => return system_roots().map(Some),
        Some(RootCertificates::Pem(pem)) => Some(pem),
        None => None,
    };
    if !mode.requires_tls() {
        return Ok(None);
    }
    let Some(pem) = named_or_found(named, settings, "root.crt") else {
        return match mode {
            SslMode::VerifyFull => system_roots().map(Some),
            SslMode::VerifyCa => Err(invalid(
                "sslmode=verify-ca needs root certificates (sslrootcert), or use verify-full with those of the system",
            )),
            _ => Ok(None),
        };
    };
    let what = "root certificates";
    let named = certificates(&pem, what)?;
    let mut store = RootCertStore::empty();
    for certificate in &named {
        store
            .add(certificate.clone())
            .map_err(|error| unreadable(&pem, what, error.to_string()))?;
    }
    Ok(Some(Roots { store: Arc::new(store), named }))
}

/// The roots that the system trusts, read once in the life of the process.
fn system_roots() -> Result<Roots> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let store = match STORE.get() {
        Some(store) => Arc::clone(store),
        None => {
            let found = rustls_native_certs::load_native_certs();
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                return Err(invalid(format!(
                    "the system has no root certificates {}",
                    why.join("; ")
                )));
            }
            Arc::clone(STORE.get_or_init(|| Arc::new(store)))
        }
    };
    Ok(Roots { store, named: Vec::new() })
}

fn revoked(settings: &TlsSettings) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let what = "lists of revoked certificates";
    let mut lists = Vec::new();
    let mut read = |pem: &Pem| -> Result<()> {
        let text = text(pem, what)?;
        let before = lists.len();
        for list in CertificateRevocationListDer::pem_slice_iter(&text) {
            lists.push(list.map_err(|error| unreadable(pem, what, explain(&error)))?);
        }
        if lists.len() == before {
            return Err(unreadable(pem, what, "it holds none".to_owned()));
        }
        Ok(())
    };
    // A folder that is named says that the file of the usual name is not wanted, as with libpq.
    match settings.crl_folder() {
        None => {
            if let Some(pem) = named_or_found(settings.crl(), settings, "root.crl") {
                read(&pem)?;
            }
        }
        Some(folder) => {
            if let Some(pem) = settings.crl() {
                read(pem)?;
            }
            let failed = |error| {
                invalid(format!("the {what} in {} can't be read: {error}", folder.display()))
            };
            for entry in fs::read_dir(folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_file() {
                    read(&Pem::file(path))?;
                }
            }
        }
    }
    Ok(lists)
}

type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client(settings: &TlsSettings) -> Result<Option<Client>> {
    if settings.client_certificate_mode() == SslCertMode::Disable {
        return Ok(None);
    }
    let found = named_or_found(settings.client_certificate(), settings, "postgresql.crt");
    let Some(certificate) = found else {
        return match settings.client_certificate_mode() {
            SslCertMode::Require => {
                Err(invalid("sslcertmode=require needs a client certificate (sslcert)"))
            }
            _ => Ok(None),
        };
    };
    let chain = certificates(&certificate, "client certificate")?;
    let key = match named_or_found(settings.client_key(), settings, "postgresql.key") {
        Some(key) => private_key(&key)?,
        None => private_key(&certificate)?,
    };
    Ok(Some((chain, key)))
}

fn certificates(pem: &Pem, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let text = text(pem, what)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unreadable(pem, what, "it holds none".to_owned())),
        Err(error) => Err(unreadable(pem, what, explain(&error))),
    }
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>> {
    let what = "key to the client certificate";
    if let Some(path) = pem.path() {
        is_private(path).map_err(|why| unreadable(pem, what, why))?;
    }
    let text = text(pem, what)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = text.windows(9).any(|word| word.eq_ignore_ascii_case(b"ENCRYPTED"));
        let why = match error {
            pem::Error::NoItemsFound if encrypted => {
                "it is encrypted; remove its password (openssl pkey)".to_owned()
            }
            pem::Error::NoItemsFound => "it holds none".to_owned(),
            error => explain(&error),
        };
        unreadable(pem, what, why)
    })
}

/// Only its owner may read a key, or root and its group: libpq's rule.
fn is_private(path: &Path) -> Result<(), String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no file".to_owned());
    }
    if is_open_to(Others::AllButRootsGroup, &about) {
        return Err(
            "others may read it; its permissions must be 0600, or 0640 where it belongs to root"
                .to_owned(),
        );
    }
    Ok(())
}

fn text<'p>(pem: &'p Pem, what: &str) -> Result<Cow<'p, Zeroizing<Vec<u8>>>> {
    match &pem.0 {
        Source::Text(text) => Ok(Cow::Borrowed(&**text)),
        Source::File(path) => match fs::read(path) {
            Ok(text) => Ok(Cow::Owned(Zeroizing::new(text))),
            Err(error) => Err(unreadable(pem, what, error.to_string())),
        },
    }
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "it holds none".to_owned(),
        // The other errors quote what they read.
        _ => "it is not PEM".to_owned(),
    }
}

#[cold]
fn unreadable(pem: &Pem, what: &str, why: String) -> Error {
    match pem.path() {
        Some(path) => invalid(format!("the {what} in {} can't be used: {why}", path.display())),
        None => invalid(format!("the {what} can't be used: {why}")),
    }
}

#[cold]
fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}
