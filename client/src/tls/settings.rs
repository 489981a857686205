//! What is asked of encryption: libpq's `ssl...` settings as values.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use stellata_protocol::auth::ChannelBindingPolicy;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// Whether the connection is encrypted, and how far the server's certificate is looked at: libpq's `sslmode`
/// (manual, "SSL Support").
///
/// Only [`SslMode::VerifyFull`] protects against somebody who sits between client and server. Over a unix socket TLS is
/// never asked for, whatever the mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SslMode {
    /// In plain, always.
    Disable,
    /// In plain; where the server refuses that login, encrypted.
    Allow,
    /// Encrypted; where the server can't, or refuses that login, in plain.
    #[default]
    Prefer,
    /// Encrypted, or not at all. The certificate is looked at only where root certificates are given: then as in
    /// [`SslMode::VerifyCa`], as libpq does.
    Require,
    /// Encrypted, and the certificate must come from one of the roots.
    VerifyCa,
    /// Encrypted, the certificate must come from one of the roots, and must name the host that is connected to.
    VerifyFull,
}

impl SslMode {
    /// Whether a connection in plain is out of the question.
    #[must_use]
    pub const fn requires_tls(self) -> bool {
        matches!(self, Self::Require | Self::VerifyCa | Self::VerifyFull)
    }
}

/// How encryption begins: libpq's `sslnegotiation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SslNegotiation {
    /// The server is asked first (SSLRequest), which all servers understand and which costs a round trip.
    #[default]
    Postgres,
    /// The TLS handshake is the first that is sent, with the name `postgresql` (ALPN): a round trip less. Servers from
    /// version 17 on understand it. It needs [`SslMode::Require`] at least.
    Direct,
}

/// A version of TLS. Older ones are broken and not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Whether a client certificate is shown: libpq's `sslcertmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SslCertMode {
    /// Never, even where there is one.
    Disable,
    /// Where the server asks for it and there is one.
    #[default]
    Allow,
    /// The server must ask for it, or the connection fails.
    Require,
}

/// Certificates, a key or revocation lists in PEM form (RFC 7468): the path of a file, read at each connect, or the text
/// itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(pub(crate) Source);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Text(Arc<Zeroizing<Vec<u8>>>),
}

impl Pem {
    /// What the file at `path` holds when a connection is made.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// This text. It stands in no `Debug` and is overwritten when the last copy is dropped.
    #[must_use]
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self(Source::Text(Arc::new(Zeroizing::new(text.into()))))
    }

    /// The path, where it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Source::File(path) => Some(path),
            Source::Text(_) => None,
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => path.fmt(f),
            Source::Text(_) => f.write_str("(text)"),
        }
    }
}

/// Whom the server's certificate must come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// These certificates: libpq's `sslrootcert`.
    Pem(Pem),
    /// Those that the system trusts: libpq's `sslrootcert=system`. Anybody can have a certificate from one of them, so
    /// that it needs [`SslMode::VerifyFull`].
    System,
}

/// What is asked of encryption.
///
/// ```
/// use stellata_client::{Config, Pem, SslMode, TlsSettings};
///
/// let tls = TlsSettings::new(SslMode::VerifyFull).with_roots(Pem::file("/etc/company/roots.pem"));
/// let config = Config::parse("postgres://me@db.example/music")?.with_tls(tls);
/// # Ok::<(), stellata_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    mode: SslMode,
    negotiation: SslNegotiation,
    roots: Option<RootCertificates>,
    certificate: Option<Pem>,
    key: Option<Pem>,
    certificate_mode: SslCertMode,
    crl: Option<Pem>,
    crl_folder: Option<PathBuf>,
    folder: Option<PathBuf>,
    sni: bool,
    versions: (TlsVersion, TlsVersion),
    channel_binding: ChannelBindingPolicy,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self::new(SslMode::default())
    }
}

impl TlsSettings {
    /// Settings for this mode, all else as it is by default: the server is asked first, no root and no client certificate,
    /// the server's name is sent, TLS 1.2 and 1.3, channel binding where both sides can.
    #[must_use]
    pub const fn new(mode: SslMode) -> Self {
        Self {
            mode,
            negotiation: SslNegotiation::Postgres,
            roots: None,
            certificate: None,
            key: None,
            certificate_mode: SslCertMode::Allow,
            crl: None,
            crl_folder: None,
            folder: None,
            sni: true,
            versions: (TlsVersion::Tls12, TlsVersion::Tls13),
            channel_binding: ChannelBindingPolicy::Prefer,
        }
    }

    /// Sets the mode: `sslmode`. Default: [`SslMode::Prefer`].
    #[must_use]
    pub const fn with_mode(mut self, mode: SslMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how encryption begins: `sslnegotiation`. Default: [`SslNegotiation::Postgres`].
    #[must_use]
    pub const fn with_negotiation(mut self, negotiation: SslNegotiation) -> Self {
        self.negotiation = negotiation;
        self
    }

    /// Sets the certificates that the server's must come from: `sslrootcert`. Without any, [`SslMode::VerifyFull`] trusts
    /// those of the system and [`SslMode::VerifyCa`] is refused.
    #[must_use]
    pub fn with_roots(mut self, roots: Pem) -> Self {
        self.roots = Some(RootCertificates::Pem(roots));
        self
    }

    /// Trusts the certificates that the system trusts: `sslrootcert=system`.
    #[must_use]
    pub fn with_system_roots(mut self) -> Self {
        self.roots = Some(RootCertificates::System);
        self
    }

    /// Sets the client's certificate, with those between it and its root behind it: `sslcert`.
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: Pem) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Sets the key to the client's certificate: `sslkey`. Without it the key is looked for behind the certificate.
    /// Encrypted keys are not read. A file with a key may be read by its owner only, or by root and its group.
    #[must_use]
    pub fn with_client_key(mut self, key: Pem) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets whether the client's certificate is shown: `sslcertmode`. Default: [`SslCertMode::Allow`].
    #[must_use]
    pub const fn with_client_certificate_mode(mut self, mode: SslCertMode) -> Self {
        self.certificate_mode = mode;
        self
    }

    /// Sets the lists of revoked certificates: `sslcrl`. With any list given, every certificate of the server's chain
    /// but the root's must be covered by a list that has not expired, as with libpq. No list covers a certificate that
    /// signs itself as an authority: with lists it is refused.
    #[must_use]
    pub fn with_crl(mut self, lists: Pem) -> Self {
        self.crl = Some(lists);
        self
    }

    /// Sets a folder, each file of which holds lists of revoked certificates in PEM form: `sslcrldir`.
    #[must_use]
    pub fn with_crl_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.crl_folder = Some(folder.into());
        self
    }

    /// Sets the folder where files that are not named are looked for under libpq's names: `root.crt`, `root.crl`,
    /// `postgresql.crt` and `postgresql.key`. What is not there is passed over. Default: none; libpq's is
    /// `~/.postgresql`.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets whether the server is told, in the clear, by what name it is called: `sslsni`. Default: true. An address is
    /// never sent.
    #[must_use]
    pub const fn with_sni(mut self, send: bool) -> Self {
        self.sni = send;
        self
    }

    /// Sets the oldest and the newest version of TLS: `ssl_min_protocol_version`, `ssl_max_protocol_version`. Default:
    /// 1.2 to 1.3.
    #[must_use]
    pub const fn with_versions(mut self, oldest: TlsVersion, newest: TlsVersion) -> Self {
        self.versions = (oldest, newest);
        self
    }

    /// Sets whether the login is tied to the encrypted channel: `channel_binding`. Default:
    /// [`ChannelBindingPolicy::Prefer`].
    #[must_use]
    pub const fn with_channel_binding(mut self, policy: ChannelBindingPolicy) -> Self {
        self.channel_binding = policy;
        self
    }

    /// The mode.
    #[must_use]
    pub const fn mode(&self) -> SslMode {
        self.mode
    }

    /// How encryption begins.
    #[must_use]
    pub const fn negotiation(&self) -> SslNegotiation {
        self.negotiation
    }

    /// Whom the server's certificate must come from.
    #[must_use]
    pub const fn roots(&self) -> Option<&RootCertificates> {
        self.roots.as_ref()
    }

    /// The client's certificate.
    #[must_use]
    pub const fn client_certificate(&self) -> Option<&Pem> {
        self.certificate.as_ref()
    }

    /// The key to the client's certificate.
    #[must_use]
    pub const fn client_key(&self) -> Option<&Pem> {
        self.key.as_ref()
    }

    /// Whether the client's certificate is shown.
    #[must_use]
    pub const fn client_certificate_mode(&self) -> SslCertMode {
        self.certificate_mode
    }

    /// The lists of revoked certificates.
    #[must_use]
    pub const fn crl(&self) -> Option<&Pem> {
        self.crl.as_ref()
    }

    /// The folder with lists of revoked certificates.
    #[must_use]
    pub fn crl_folder(&self) -> Option<&Path> {
        self.crl_folder.as_deref()
    }

    /// The folder where files that are not named are looked for.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Whether the server is told by what name it is called.
    #[must_use]
    pub const fn sni(&self) -> bool {
        self.sni
    }

    /// The oldest and the newest version of TLS.
    #[must_use]
    pub const fn versions(&self) -> (TlsVersion, TlsVersion) {
        self.versions
    }

    /// Whether the login is tied to the encrypted channel.
    #[must_use]
    pub const fn channel_binding(&self) -> ChannelBindingPolicy {
        self.channel_binding
    }
}

/// Reads libpq's word for it.
macro_rules! words {
    ($type:ident, $name:literal, $($word:literal => $value:ident),+) => {
        impl FromStr for $type {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$value),)+
                    _ => Err(Error::new(
                        ErrorKind::Config,
                        format!(concat!($name, " is one of" $(, " ", $word)+, "; not `{}`"), word),
                    )),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$value => $word,)+
                })
            }
        }
    };
}

words!(SslMode, "sslmode",
    "disable" => Disable, "allow" => Allow, "prefer" => Prefer, "require" => Require,
    "verify-ca" => VerifyCa, "verify-full" => VerifyFull);
words!(SslNegotiation, "sslnegotiation", "postgres" => Postgres, "direct" => Direct);
words!(SslCertMode, "sslcertmode", "disable" => Disable, "allow" => Allow, "require" => Require);

/// libpq reads the version whatever its case.
impl FromStr for TlsVersion {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        if word.eq_ignore_ascii_case("TLSv1.2") {
            Ok(Self::Tls12)
        } else if word.eq_ignore_ascii_case("TLSv1.3") {
            Ok(Self::Tls13)
        } else {
            Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the versions of TLS that are spoken are TLSv1.2 and TLSv1.3; not `{word}`"
                ),
            ))
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for word in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
            assert_eq!(word.parse::<SslMode>().unwrap().to_string(), word);
        }
        for word in ["postgres", "direct"] {
            assert_eq!(word.parse::<SslNegotiation>().unwrap().to_string(), word);
        }
        for word in ["disable", "allow", "require"] {
            assert_eq!(word.parse::<SslCertMode>().unwrap().to_string(), word);
        }
        assert_eq!("tlsV1.3".parse::<TlsVersion>().unwrap().to_string(), "TLSv1.3");
        let error = "Require".parse::<SslMode>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "sslmode is one of disable allow prefer require verify-ca verify-full; not `Require`"
        );
        assert!("TLSv1.1".parse::<TlsVersion>().is_err());
    }

    #[test]
    fn a_key_never_shows() {
        let tls = TlsSettings::default()
            .with_client_certificate(Pem::file("/x.pem"))
            .with_client_key(Pem::text(*b"PRIVATE"));
        let shown = format!("{tls:?}");
        assert!(shown.contains("x.pem") && !shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn only_the_three_strong_modes_require_tls() {
        use SslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
        assert!(![Disable, Allow, Prefer].iter().any(|mode| mode.requires_tls()));
        assert!([Require, VerifyCa, VerifyFull].iter().all(|mode| mode.requires_tls()));
        assert_eq!(SslMode::default(), Prefer);
    }
}
