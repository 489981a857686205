//! The answer to `AuthenticationMD5Password` (PostgreSQL manual, "Password Authentication").

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::stack::without_traces;

/// What a client answers to `AuthenticationMD5Password`: `md5` and 32 hexadecimal digits.
///
/// It is `"md5" + hex(md5(hex(md5(password + user)) + salt))`. The password is taken as it is, without
/// [`saslprep`](super::saslprep()), as the server does when it stores one. The final zero byte of the
/// `PasswordMessage` is not part of it.
///
/// ```
/// use stellata_protocol::auth::md5_password;
/// assert_eq!(&md5_password(b"joe", b"secret", [1, 2, 3, 4]), b"md5850be429f1fe77df3f603ac424abb440");
/// ```
#[must_use]
pub fn md5_password(user: &[u8], password: &[u8], salt: [u8; 4]) -> [u8; 35] {
    let outer = without_traces(|| {
        // The inner digest is what the server stores: who has it can log in, so it is as secret as the password.
        let inner = Zeroizing::new(hex(&Zeroizing::new(digest(&[password, user]))));
        digest(&[inner.as_slice(), &salt])
    });

    let mut answer = *b"md5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (place, digit) in answer.iter_mut().skip(3).zip(hex(&outer)) {
        *place = digit;
    }
    answer
}

/// The digest of the parts, one after the other.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn hex(digest: &[u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

const fn digit(value: u8) -> u8 {
    if value < 10 { b'0'.wrapping_add(value) } else { b'a'.wrapping_add(value.wrapping_sub(10)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_in_lower_case_with_all_its_zeros() {
        // RFC 1321, appendix A.5.
        assert_eq!(&hex(&Md5::digest(b"").into()), b"d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            &hex(&Md5::digest(b"message digest").into()),
            b"f96b697d7cb7938d525a2f31aaf161d0"
        );
        assert_eq!(
            &hex(&[0x00, 0x09, 0x0a, 0x0f, 0x10, 0x90, 0xa0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
            b"00090a0f1090a0ff0000000000000000"
        );
    }

    // The expected texts are of Python's hashlib, not of this crate.
    #[test]
    fn answers_as_the_manual_says() {
        assert_eq!(
            &md5_password(b"md5_user", b"password", [0x2a, 0x3d, 0x8f, 0xe0]),
            b"md562af4dd09bbb41884907a838a3233294"
        );
        assert_eq!(&md5_password(b"", b"", [0; 4]), b"md591b86670dcd47857d222fa05653500aa");
        assert_eq!(
            &md5_password("käthe".as_bytes(), &[0xff, 0x00, 0x80], [0xff; 4]),
            b"md53f7696d5cf2d7ab054e7054d36c89dfc"
        );
    }

    #[test]
    fn user_password_and_salt_all_count() {
        let answers = [
            md5_password(b"a", b"b", [0, 0, 0, 1]),
            md5_password(b"a", b"b", [0, 0, 0, 2]),
            md5_password(b"b", b"a", [0, 0, 0, 1]),
            md5_password(b"a", b"c", [0, 0, 0, 1]),
        ];
        for (i, left) in answers.iter().enumerate() {
            for right in &answers[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }
}
