//! Certificates made in the test: authorities, what they sign, and what they take back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, PKCS_RSA_SHA256, RevokedCertParams, SerialNumber, date_time_ymd,
};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};

/// A key of RSA takes seconds to make, and what makes the others here can't make one.
const RSA: &str = include_str!("certificates/rsa.pem");

/// `sha256WithRSAEncryption` as certificates name it (RFC 4055, section 5).
const PKCS_1: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";

/// RSASSA-PSS with SHA-256 in all places, as certificates name it (RFC 4055, section 3.1).
const PSS: &[u8] = b"\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0\x0f\x30\x0d\x06\x09\
    \x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\
    \x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\xa2\x03\x02\x01\x20";

/// How keys sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA over P-256, with SHA-256.
    P256,
    /// ECDSA over P-384, with SHA-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 bits as PKCS #1 version 1.5 has it, with SHA-256. All keys of this kind are
    /// the same key.
    Rsa,
    /// The same key, signing as PSS has it, with SHA-256.
    RsaPss,
}

impl KeyKind {
    fn make(self) -> KeyPair {
        let made = match self {
            KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyKind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            KeyKind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            KeyKind::Rsa | KeyKind::RsaPss => {
                KeyPair::from_pkcs8_pem_and_sign_algo(RSA, &PKCS_RSA_SHA256)
            }
        };
        done("making a key", made)
    }
}

/// From when to when a certificate or a list is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Now,
    /// No longer.
    Past,
    /// Not yet.
    Future,
}

impl Validity {
    /// The first and the last year.
    fn years(self) -> (i32, i32) {
        match self {
            Validity::Now => (2020, 2099),
            Validity::Past => (2020, 2021),
            Validity::Future => (2098, 2099),
        }
    }
}

/// What is to stand in a certificate.
#[derive(Clone, Debug)]
pub struct Leaf {
    names: Vec<String>,
    common_name: String,
    validity: Validity,
    key: KeyKind,
    serial: u64,
}

impl Leaf {
    /// A certificate with these alternative names, of hosts or addresses, valid now, with a key
    /// of ECDSA over P-256. Its common name is the first of them.
    pub fn new(names: &[&str]) -> Leaf {
        Leaf {
            names: names.iter().copied().map(str::to_owned).collect(),
            common_name: names.first().copied().unwrap_or("nobody").to_owned(),
            validity: Validity::Now,
            key: KeyKind::P256,
            serial: 7,
        }
    }

    /// Sets the common name.
    #[must_use]
    pub fn common_name(self, name: &str) -> Leaf {
        Leaf { common_name: name.to_owned(), ..self }
    }

    /// Sets when it is valid.
    #[must_use]
    pub fn validity(self, validity: Validity) -> Leaf {
        Leaf { validity, ..self }
    }

    /// Sets its key.
    #[must_use]
    pub fn key(self, key: KeyKind) -> Leaf {
        Leaf { key, ..self }
    }

    /// Sets its number, by which it can be taken back.
    #[must_use]
    pub fn serial(self, serial: u64) -> Leaf {
        Leaf { serial, ..self }
    }

    fn params(&self) -> CertificateParams {
        let mut params = done("naming a certificate", CertificateParams::new(self.names.clone()));
        params.distinguished_name.push(DnType::CommonName, &self.common_name);
        params.serial_number = Some(SerialNumber::from(self.serial));
        let (first, last) = self.validity.years();
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        params
    }

    /// Makes a certificate that signs itself, as `openssl req -x509` does: with `authority` it
    /// says of itself that it may sign others.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn self_signed(&self, authority: bool) -> Certificate {
        let key = self.key.make();
        let mut params = self.params();
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let made = done("signing a certificate", params.self_signed(&key));
        Certificate { chain: made.pem(), key: key_pem(&key) }
    }
}

/// A certificate, those between it and its root behind it, and its key, all in PEM form.
#[derive(Clone)]
pub struct Certificate {
    /// The certificates, its own first.
    pub chain: String,
    /// The key, not encrypted.
    pub key: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Whoever signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    kind: KeyKind,
    /// Its own certificate.
    pem: String,
    /// Whether it signs itself, so that its certificate is not sent along.
    is_root: bool,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("pem", &self.pem).finish_non_exhaustive()
    }
}

impl Authority {
    /// A root.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn new(name: &str, kind: KeyKind) -> Authority {
        let (params, key) = (Authority::params(name), kind.make());
        let pem = done("signing a root", params.self_signed(&key)).pem();
        Authority { issuer: Issuer::new(params, key), kind, pem, is_root: true }
    }

    /// An authority that this one vouches for.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn intermediate(&self, name: &str) -> Authority {
        let (params, key) = (Authority::params(name), KeyKind::P256.make());
        let pem = done("signing an authority", params.signed_by(&key, &self.issuer)).pem();
        Authority { issuer: Issuer::new(params, key), kind: KeyKind::P256, pem, is_root: false }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    /// Its own certificate in PEM form.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn issue(&self, leaf: &Leaf) -> Certificate {
        let key = leaf.key.make();
        let made = done("signing a certificate", leaf.params().signed_by(&key, &self.issuer));
        let mut chain = match self.kind {
            KeyKind::RsaPss => pem("CERTIFICATE", &signed_by_pss(made.der())),
            _ => made.pem(),
        };
        if !self.is_root {
            chain += &self.pem;
        }
        Certificate { chain, key: key_pem(&key) }
    }

    /// A list in PEM form of the certificates, by their numbers, that it takes back.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn revocations(&self, serials: &[u64], validity: Validity) -> String {
        let (first, last) = validity.years();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 6, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(first, 1, 1),
            next_update: date_time_ymd(last, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = done("signing a list", params.signed_by(&self.issuer));
        done("writing a list", list.pem())
    }
}

/// A key in PEM form, as everybody reads it: OpenSSL knows nothing of keys of Ed25519 that have the
/// public half with them (RFC 5958), as they are made here.
fn key_pem(key: &KeyPair) -> String {
    const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let whole = key.serialized_der();
    match whole.windows(ED25519.len()).position(|bytes| bytes == ED25519) {
        Some(place) => {
            let end = place + ED25519.len() + 32;
            pem("PRIVATE KEY", &[b"\x30\x2e\x02\x01\x00", &whole[place..end]].concat())
        }
        None => key.serialize_pem(),
    }
}

/// The same certificate with a signature of PSS, made by the key of RSA.
fn signed_by_pss(certificate: &[u8]) -> Vec<u8> {
    let (_, content) = parted(certificate);
    let (whole, _) = parted(content);
    let place = whole.windows(PKCS_1.len()).position(|bytes| bytes == PKCS_1);
    let Some(place) = place else { panic!("the certificate is not signed by RSA") };
    let head = whole.len() - parted(whole).1.len();
    let signed = sequence(&[&whole[head..place], PSS, &whole[place + PKCS_1.len()..]].concat());
    let key: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
    let key = done("reading a key", BASE64.decode(key));
    let key = done("reading a key", RsaKeyPair::from_pkcs8(&key));
    let mut signature = vec![0; key.public().modulus_len()];
    let made = key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), &signed, &mut signature);
    done("signing by PSS", made);
    let bits = [&[0x03, 0x82, 0x01, 0x01, 0x00], &signature[..]].concat();
    sequence(&[&signed[..], PSS, &bits].concat())
}

/// The first element of DER, and what is in it. Its length takes three bytes.
fn parted(bytes: &[u8]) -> (&[u8], &[u8]) {
    let [0x30, 0x82, high, low, ..] = bytes else { panic!("an element of another length") };
    let end = 4 + usize::from(*high) * 256 + usize::from(*low);
    (&bytes[..end], &bytes[4..end])
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let len = done("counting bytes", u16::try_from(content.len()));
    [&[0x30, 0x82], &len.to_be_bytes()[..], content].concat()
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = BASE64.encode(bytes);
    let mut lines = String::new();
    for line in text.as_bytes().chunks(64) {
        lines += &String::from_utf8_lossy(line);
        lines.push('\n');
    }
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

fn done<T, E: std::fmt::Display>(what: &str, made: Result<T, E>) -> T {
    match made {
        Ok(made) => made,
        Err(cause) => panic!("{what}: {cause}"),
    }
}
