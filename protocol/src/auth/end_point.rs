//! The hash that stands for a server's certificate: `tls-server-end-point` (RFC 5929, section 4.1).

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::error::{Error, ErrorKind, Result};
use crate::wire::reader::Reader;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]` and so on, as X.509 and RSASSA-PSS number what may be left out.
const CONTEXT: [u8; 4] = [0xa0, 0xa1, 0xa2, 0xa3];

/// 1.2.840.113549.1.1: RSA.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.1: ECDSA with SHA-1.
const ECDSA_SHA_1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
/// 1.2.840.10045.4.3: ECDSA with SHA-2.
const ECDSA_SHA_2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 1.3.14.3.2.26: SHA-1.
const SHA_1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
/// 2.16.840.1.101.3.4.2: SHA-2.
const SHA_2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// 1.2.840.113549.1.1.8: MGF1.
const MGF_1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];

/// A hash function by which a certificate was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HashFunction {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl HashFunction {
    /// The hash of a certificate: SHA-256 in place of those that are broken.
    fn hash(self, certificate: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha224 => Sha224::digest(certificate).to_vec(),
            Self::Md5 | Self::Sha1 | Self::Sha256 => Sha256::digest(certificate).to_vec(),
            Self::Sha384 => Sha384::digest(certificate).to_vec(),
            Self::Sha512 => Sha512::digest(certificate).to_vec(),
        }
    }
}

/// The hash of a server's certificate in DER, for
/// [`ChannelBinding::TlsServerEndPoint`](super::ChannelBinding::TlsServerEndPoint).
///
/// The certificate's signature settles the hash function (RFC 5929, section 4.1): that of RSA (PKCS #1 version 1.5, or
/// PSS with its parameters) or ECDSA, SHA-256 in place of MD5 and SHA-1. `None` where the signature names not exactly
/// one hash function that is known here: Ed25519 and Ed448, PSS with two different ones, SHA-3, and what the future
/// brings. Such a certificate can't be bound to.
///
/// # Errors
/// [`ErrorKind::InvalidValue`], [`ErrorKind::InvalidLength`], [`ErrorKind::TrailingBytes`] or [`ErrorKind::Truncated`]
/// when the bytes are not DER up to the signature, or name two signature algorithms.
pub fn server_end_point(certificate: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut outside = Reader::new(certificate);
    let mut parts = Reader::new(element(&mut outside, SEQUENCE)?);
    outside.end()?;
    let mut signed = Reader::new(element(&mut parts, SEQUENCE)?);
    let algorithm = element(&mut parts, SEQUENCE)?;
    element(&mut parts, BIT_STRING)?;
    parts.end()?;

    // What is signed names the algorithm again: outside it could have been exchanged.
    optional(&mut signed, CONTEXT[0])?;
    element(&mut signed, INTEGER)?;
    if element(&mut signed, SEQUENCE)? != algorithm {
        return Err(invalid("a certificate names two signature algorithms"));
    }
    Ok(signature_hash(algorithm)?.map(|function| function.hash(certificate)))
}

/// The hash function of a signature algorithm: the content of an `AlgorithmIdentifier`.
fn signature_hash(algorithm: &[u8]) -> Result<Option<HashFunction>> {
    use HashFunction::{Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
    let mut reader = Reader::new(algorithm);
    let name = element(&mut reader, OBJECT_IDENTIFIER)?;
    Ok(match name.split_last() {
        Some((10, RSA)) => return pss_hash(reader),
        Some((4, RSA)) => Some(Md5),
        Some((5, RSA)) => Some(Sha1),
        Some((14, RSA)) | Some((1, ECDSA_SHA_2)) => Some(Sha224),
        Some((11, RSA)) | Some((2, ECDSA_SHA_2)) => Some(Sha256),
        Some((12, RSA)) | Some((3, ECDSA_SHA_2)) => Some(Sha384),
        Some((13, RSA)) | Some((4, ECDSA_SHA_2)) => Some(Sha512),
        _ if name == ECDSA_SHA_1 => Some(Sha1),
        _ => None,
    })
}

/// The hash function that RSASSA-PSS names in its parameters (RFC 4055, section 3.1), where its mask comes from the same.
fn pss_hash(mut reader: Reader<'_>) -> Result<Option<HashFunction>> {
    let mut parameters = Reader::new(element(&mut reader, SEQUENCE)?);
    reader.end()?;
    let hash = match optional(&mut parameters, CONTEXT[0])? {
        None => Some(HashFunction::Sha1),
        Some(content) => hash_function(content)?,
    };
    let mask = match optional(&mut parameters, CONTEXT[1])? {
        None => Some(HashFunction::Sha1),
        Some(content) => mask_hash(content)?,
    };
    optional(&mut parameters, CONTEXT[2])?;
    optional(&mut parameters, CONTEXT[3])?;
    parameters.end()?;
    Ok(hash.filter(|_| hash == mask))
}

/// The hash function of MGF1, the only mask that there is; `None` for another.
fn mask_hash(content: &[u8]) -> Result<Option<HashFunction>> {
    let mut outside = Reader::new(content);
    let algorithm = element(&mut outside, SEQUENCE)?;
    outside.end()?;
    let mut reader = Reader::new(algorithm);
    if element(&mut reader, OBJECT_IDENTIFIER)? != MGF_1 {
        return Ok(None);
    }
    hash_function(reader.rest())
}

/// The hash function that an `AlgorithmIdentifier` names; its parameters, NULL or none, say nothing.
fn hash_function(content: &[u8]) -> Result<Option<HashFunction>> {
    let mut outside = Reader::new(content);
    let mut reader = Reader::new(element(&mut outside, SEQUENCE)?);
    outside.end()?;
    let name = element(&mut reader, OBJECT_IDENTIFIER)?;
    Ok(match name.split_last() {
        Some((4, SHA_2)) => Some(HashFunction::Sha224),
        Some((1, SHA_2)) => Some(HashFunction::Sha256),
        Some((2, SHA_2)) => Some(HashFunction::Sha384),
        Some((3, SHA_2)) => Some(HashFunction::Sha512),
        _ if name == SHA_1 => Some(HashFunction::Sha1),
        _ => None,
    })
}

/// Reads an element with this tag, if it is what comes next.
fn optional<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<Option<&'a [u8]>> {
    if reader.rest().first() == Some(&tag) { element(reader, tag).map(Some) } else { Ok(None) }
}

/// Reads an element of DER that must have this tag; gives its content.
fn element<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<&'a [u8]> {
    if reader.u8()? != tag {
        return Err(reader.error(ErrorKind::InvalidValue, "a certificate is not built as it must"));
    }
    let len = match reader.u8()? {
        len @ ..=0x7f => usize::from(len),
        0x81 => match reader.u8()? {
            len @ 0x80.. => usize::from(len),
            _ => return Err(wasteful(reader)),
        },
        0x82 => match reader.u16()? {
            len @ 0x100.. => usize::from(len),
            _ => return Err(wasteful(reader)),
        },
        0x83 => {
            let [high, middle, low] = reader.array()?;
            match u32::from_be_bytes([0, high, middle, low]) {
                len @ 0x1_0000.. => usize::try_from(len).unwrap_or(usize::MAX),
                _ => return Err(wasteful(reader)),
            }
        }
        // 16 MiB and more, or a length that is told at the end, which DER does not have.
        _ => {
            return Err(
                reader.error(ErrorKind::InvalidLength, "a certificate has a length out of bounds")
            );
        }
    };
    reader.take(len)
}

/// DER writes each length in one way only; two ways to write one certificate would be two hashes.
#[cold]
fn wasteful(reader: &Reader<'_>) -> Error {
    reader
        .error(ErrorKind::InvalidLength, "a certificate writes a length in more bytes than needed")
}

const fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

#[cfg(test)]
mod tests;
