use super::*;

/// Name, expected hash and certificate of a way to sign.
type Signed = (&'static str, Option<Vec<u8>>, Vec<u8>);

fn certificates() -> Vec<Signed> {
    include_str!("../../../tests/data/certificates/signatures.txt")
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            let name = word();
            let hash = match word() {
                "-" => None,
                digits => Some(bytes(digits)),
            };
            (name, hash, bytes(word()))
        })
        .collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn certificate(wanted: &str) -> Vec<u8> {
    certificates().into_iter().find(|(name, ..)| *name == wanted).unwrap().2
}

#[test]
fn each_signature_has_the_hash_that_the_standard_prescribes() {
    let all = certificates();
    for (name, hash, certificate) in &all {
        assert_eq!(server_end_point(certificate), Ok(hash.clone()), "{name}");
    }
    let count = |bound: bool| all.iter().filter(|(_, hash, _)| hash.is_some() == bound).count();
    assert_eq!((count(true), count(false)), (15, 4));
}

#[test]
fn cve_2026_54291_certificates_without_a_hash_are_told_apart() {
    for name in ["ed25519", "ed448", "rsa-sha3-256", "pss-two-hashes"] {
        assert_eq!(server_end_point(&certificate(name)), Ok(None), "{name}");
    }
}

#[test]
fn a_certificate_that_is_cut_or_extended_is_refused() {
    for (name, _, certificate) in certificates() {
        for len in 0..certificate.len() {
            assert!(server_end_point(&certificate[..len]).is_err(), "{name} at {len}");
        }
        let longer = [&certificate[..], &[0]].concat();
        assert_eq!(server_end_point(&longer).unwrap_err().kind(), ErrorKind::TrailingBytes);
    }
}

#[test]
fn another_algorithm_outside_than_what_was_signed_is_refused() {
    // The hash function outside is not signed: SHA-384 in place of SHA-256.
    let mut certificate = certificate("rsa-sha256");
    let name = [RSA, &[11]].concat();
    let place = certificate.windows(name.len()).rposition(|bytes| bytes == name).unwrap();
    certificate[place + RSA.len()] = 12;
    let error = server_end_point(&certificate).unwrap_err();
    assert_eq!(error.message(), "a certificate names two signature algorithms");
}

#[test]
fn no_change_of_a_byte_makes_a_panic_or_another_function_for_the_same_name() {
    for (name, hash, certificate) in certificates() {
        let mut certificate = certificate;
        for at in 0..certificate.len() {
            let byte = certificate[at];
            for other in [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, byte ^ 1, byte ^ 0x20] {
                certificate[at] = other;
                if let Ok(Some(other)) = server_end_point(&certificate) {
                    // Two places name the function, so that no single byte changes it.
                    let len = hash.as_ref().map(Vec::len);
                    assert!(len.is_some_and(|len| other.len() == len), "{name} at {at}");
                }
            }
            certificate[at] = byte;
        }
    }
}

#[test]
fn lengths_are_written_in_one_way() {
    for (bytes, kind) in [
        (&b"\x30\x80\0\0"[..], ErrorKind::InvalidLength),
        (b"\x30\x81\x05\0\0\0\0\0", ErrorKind::InvalidLength),
        (b"\x30\x82\0\x81", ErrorKind::InvalidLength),
        (b"\x30\x83\0\xff\xff", ErrorKind::InvalidLength),
        (b"\x30\x84\x7f\xff\xff\xff", ErrorKind::InvalidLength),
        (b"\x30\xff", ErrorKind::InvalidLength),
        (b"\x30\x83\xff\xff\xff", ErrorKind::Truncated),
        (b"\x31\0", ErrorKind::InvalidValue),
        (b"", ErrorKind::Truncated),
    ] {
        assert_eq!(server_end_point(bytes).unwrap_err().kind(), kind, "{bytes:?}");
    }
}
