//! From a password to the keys of SCRAM: HMAC (RFC 2104), PBKDF2 (RFC 8018) and `ClientKey`, `ServerKey` (RFC 5802).

use core::{fmt, num::NonZeroU32};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, block_api::compress256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::stack::without_traces;

/// The bytes of a SHA-256 digest.
pub(super) type Hash = [u8; 32];

/// The slow step of a SCRAM exchange: some thousands of hashes that take a millisecond or more.
///
/// It owns what it needs and is [`Send`], so that it can run where no task waits for it:
/// [`Scram::handle_server_first`](super::Scram::handle_server_first) gives it, and
/// [`Scram::client_final`](super::Scram::client_final) takes what it makes. The password is overwritten when it is
/// dropped.
pub struct KeyDerivation {
    password: Zeroizing<Vec<u8>>,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

/// What proves the password to the server, and the server to us: `ClientKey` and `ServerKey` of RFC 5802.
///
/// Who has them can log in, so they are overwritten when they are dropped, as is every copy. They lie on the heap: what is
/// moved from one thread to another leaves its bytes behind. They hold for one password, salt and number of iterations, so
/// that who logs in often need not derive them each time (RFC 5802, section 3).
#[derive(Clone)]
pub struct Keys {
    pub(super) client: Box<Zeroizing<Hash>>,
    pub(super) server: Box<Zeroizing<Hash>>,
}

impl ZeroizeOnDrop for KeyDerivation {}
impl ZeroizeOnDrop for Keys {}
impl ZeroizeOnDrop for MacKey {}

impl KeyDerivation {
    pub(super) const fn new(
        password: Zeroizing<Vec<u8>>,
        salt: Vec<u8>,
        iterations: NonZeroU32,
    ) -> Self {
        Self { password, salt, iterations }
    }

    /// How many iterations the server asks for: the measure of the time that [`run`](Self::run) takes, about 0.1 to
    /// 0.5 microseconds each.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// Makes the keys. This computes without a pause: keep it off threads that drive tasks.
    #[must_use]
    pub fn run(self) -> Keys {
        without_traces(|| self.keys())
    }

    fn keys(&self) -> Keys {
        let salted = MacKey::new(&*pbkdf2(&self.password, &self.salt, self.iterations));
        let mut keys = Keys { client: Box::default(), server: Box::default() };
        salted.mac_into(&[b"Client Key"], &mut keys.client);
        salted.mac_into(&[b"Server Key"], &mut keys.server);
        keys
    }
}

impl fmt::Debug for KeyDerivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyDerivation")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// A key of HMAC-SHA-256, brought to the size of a block.
pub(super) struct MacKey(Zeroizing<[u8; 64]>);

impl MacKey {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; 64]);
        if let Some(place) = block.get_mut(..key.len()) {
            place.copy_from_slice(key);
        } else {
            // A key that is longer than a block is replaced by its digest.
            for (place, byte) in block.iter_mut().zip(Sha256::digest(key)) {
                *place = byte;
            }
        }
        Self(block)
    }

    /// The code of the parts, one after the other.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Hash {
        let mut code = [0; 32];
        self.mac_into(parts, &mut code);
        code
    }

    fn mac_into(&self, parts: &[&[u8]], code: &mut Hash) {
        let mut mac = Hmac::<Sha256>::new((&*self.0).into());
        for part in parts {
            mac.update(part);
        }
        *code = mac.finalize().into_bytes().into();
    }

    /// The state of SHA-256 after the block of the key, combined with `pad`.
    fn state(&self, pad: u8) -> Zeroizing<[u32; 8]> {
        let mut block = self.0.clone();
        for byte in block.iter_mut() {
            *byte ^= pad;
        }
        let mut state = Zeroizing::new(INITIAL_STATE);
        compress256(&mut state, core::slice::from_ref(&*block));
        state
    }
}

/// The initial hash value of SHA-256 (FIPS 180-4, section 5.3.3).
const INITIAL_STATE: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// PBKDF2 with HMAC-SHA-256, for one block of output: `Hi` of RFC 5802.
///
/// HMAC hashes the key, then the text, then the key again, then the digest. The two states after the key are the same
/// in each iteration, so they are kept: two compressions per iteration instead of four. And the text is always one
/// digest, so its padded block is kept too, and nothing goes through the buffers of a general hash function.
fn pbkdf2(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Zeroizing<Hash> {
    let key = MacKey::new(password);
    let first = Zeroizing::new(key.mac(&[salt, &1_u32.to_be_bytes()]));
    let (inner, outer) = (key.state(0x36), key.state(0x5c));

    let mut block = Zeroizing::new([0; 64]);
    let (text, padding) = block.split_at_mut(32);
    text.copy_from_slice(&*first);
    // A one bit, zeros, and the length in bits of what is hashed: the block of the key and one digest.
    if let [bit, .., high, low] = padding {
        *bit = 0x80;
        [*high, *low] = (8_u16 * (64 + 32)).to_be_bytes();
    }

    let mut sum = Zeroizing::new([0; 8]);
    for (word, bytes) in sum.iter_mut().zip(first.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut state = Zeroizing::new([0; 8]);
    for _ in 1..iterations.get() {
        for start in [&inner, &outer] {
            state.copy_from_slice(&**start);
            compress256(&mut state, core::slice::from_ref(&*block));
            for (bytes, word) in block.as_chunks_mut::<4>().0.iter_mut().zip(state.iter()) {
                *bytes = word.to_be_bytes();
            }
        }
        for (total, word) in sum.iter_mut().zip(state.iter()) {
            *total ^= word;
        }
    }
    let mut salted = Zeroizing::new([0; 32]);
    for (bytes, word) in salted.as_chunks_mut::<4>().0.iter_mut().zip(sum.iter()) {
        *bytes = word.to_be_bytes();
    }
    salted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// HMAC as RFC 2104 defines it, with nothing kept.
    fn plain_hmac(key: &[u8], text: &[u8]) -> Hash {
        let mut block = [0; 64];
        if key.len() > 64 {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text);
        Sha256::new()
            .chain_update(block.map(|byte| byte ^ 0x5c))
            .chain_update(inner.finalize())
            .finalize()
            .into()
    }

    /// PBKDF2 as RFC 8018 defines it.
    fn plain_pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> Hash {
        let mut u = plain_hmac(password, &[salt, &[0, 0, 0, 1]].concat());
        let mut sum = u;
        for _ in 1..iterations {
            u = plain_hmac(password, &u);
            sum.iter_mut().zip(u).for_each(|(byte, other)| *byte ^= other);
        }
        sum
    }

    fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Hash {
        *pbkdf2(password, salt, NonZeroU32::new(iterations).unwrap())
    }

    #[test]
    fn equals_the_plain_loop_at_the_usual_count() {
        for password in [&b""[..], b"pencil", &[0xff; 64], &[7; 65], &[1; 1000]] {
            let salt = b"0123456789abcdef";
            assert_eq!(derive(password, salt, 4096), plain_pbkdf2(password, salt, 4096));
        }
    }

    // Test vectors of RFC 7914, section 11 (the first 32 bytes), and the last computed with Python's hashlib.
    #[test]
    fn known_keys() {
        #[rustfmt::skip]
        let cases = [
            (&b"passwd"[..], &b"salt"[..], 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
            (b"Password", b"NaCl", 80_000, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"),
            (b"\xff\0\xfe", b"\0", 2, "50fe2dd0427ac562731b84f46282de721e1795f40f0982487e79c1c4ff99e6f7"),
        ];
        for (password, salt, iterations, key) in cases {
            let derived = derive(password, salt, iterations);
            let hex: String = derived.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, key);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let derivation = KeyDerivation::new(
            Zeroizing::new(b"sentinel".to_vec()),
            b"salt".to_vec(),
            NonZeroU32::MIN,
        );
        assert_eq!(format!("{derivation:?}"), "KeyDerivation { iterations: 1, .. }");
        assert_eq!(format!("{:?}", derivation.run()), "Keys { .. }");
    }

    #[test]
    fn secrets_are_overwritten_on_drop_and_may_change_threads() {
        fn check<T: ZeroizeOnDrop + Send + 'static>() {}
        check::<KeyDerivation>();
        check::<Keys>();
        check::<MacKey>();
        check::<Zeroizing<Hash>>();
        // That hashes, and so what an `Hmac` is made of, overwrite what they were fed is a feature that must stay on.
        check::<Sha256>();
        check::<md5::Md5>();
    }

    proptest! {
        #[test]
        fn equals_the_plain_loop(
            password in proptest::collection::vec(any::<u8>(), 0..150),
            salt in proptest::collection::vec(any::<u8>(), 0..150),
            iterations in 1_u32..40,
        ) {
            prop_assert_eq!(
                derive(&password, &salt, iterations),
                plain_pbkdf2(&password, &salt, iterations)
            );
        }
    }
}
