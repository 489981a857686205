//! The answers to the server's requests for a password.

use super::{Session, read_error};
use crate::endpoint::Endpoint;
use crate::error::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, Hasher, RandomState};

const NEEDS_A_PASSWORD: &str = "the server asks for a password and none was given";

impl Session {
    /// Answers everything up to the first ReadyForQuery.
    pub(super) fn log_in(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        let password = || endpoint.password().ok_or_else(|| Error::new(NEEDS_A_PASSWORD));
        let mut scram = None;
        loop {
            let (tag, body) = self.stream.receive()?;
            let Some((kind, rest)) = body.split_first_chunk::<4>().filter(|_| tag == b'R') else {
                match tag {
                    b'E' => return Err(read_error(&body)),
                    b'Z' => return Ok(()),
                    _ => continue,
                }
            };
            match (i32::from_be_bytes(*kind), scram.take()) {
                (0, _) => {}
                (3, _) => self.send_password(password()?)?,
                (5, _) => {
                    let inner = hex(&Md5::digest(format!("{}{}", password()?, endpoint.user())));
                    let outer = hex(&Md5::digest([inner.as_bytes(), rest].concat()));
                    self.send_password(&format!("md5{outer}"))?;
                }
                (10, _) => {
                    let begun = Scram::begin(password()?);
                    let first = begun.first_message();
                    let mut body = b"SCRAM-SHA-256\0".to_vec();
                    body.extend_from_slice(&(first.len() as u32).to_be_bytes());
                    body.extend_from_slice(first.as_bytes());
                    self.stream.send(Some(b'p'), &body)?;
                    scram = Some(begun);
                }
                (11, Some(mut begun)) => {
                    let answer = begun.answer(&String::from_utf8_lossy(rest))?;
                    self.stream.send(Some(b'p'), answer.as_bytes())?;
                    scram = Some(begun);
                }
                (12, Some(begun)) => begun.check(&String::from_utf8_lossy(rest))?,
                (kind, _) => {
                    return Err(Error::new(format!("can't answer authentication request {kind}")));
                }
            }
        }
    }

    fn send_password(&mut self, password: &str) -> Result<(), Error> {
        self.stream.send(Some(b'p'), format!("{password}\0").as_bytes())
    }
}

/// The client's side of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677). Passwords are
/// taken as they are: those of tests are ASCII, which SASLprep leaves alone.
struct Scram {
    password: String,
    nonce: String,
    server_signature: Vec<u8>,
}

impl Scram {
    fn begin(password: &str) -> Scram {
        // Unpredictable enough for tests: the standard library seeds its hashers at random.
        let mut nonce = String::new();
        for _ in 0..2 {
            nonce += &format!("{:016x}", RandomState::new().build_hasher().finish());
        }
        Scram { password: password.to_owned(), nonce, server_signature: Vec::new() }
    }

    fn first_message(&self) -> String {
        format!("n,,n=,r={}", self.nonce)
    }

    fn answer(&mut self, server_first: &str) -> Result<String, Error> {
        let malformed = || Error::new(format!("no SCRAM challenge: {server_first:?}"));
        let part = |name: &str| {
            server_first.split(',').find_map(|part| part.strip_prefix(name)).ok_or_else(malformed)
        };
        let (nonce, salt) = (part("r=")?, part("s=")?);
        let rounds: u32 = part("i=")?.parse().map_err(|_| malformed())?;
        if !nonce.starts_with(&self.nonce) || rounds > 1_000_000 {
            return Err(malformed());
        }
        let mut block = STANDARD.decode(salt).map_err(|_| malformed())?;
        block.extend_from_slice(&1_u32.to_be_bytes());
        let mut step = sign(self.password.as_bytes(), &block);
        let mut salted = step.clone();
        for _ in 1..rounds {
            step = sign(self.password.as_bytes(), &step);
            xor(&mut salted, &step);
        }
        let client_key = sign(&salted, b"Client Key");
        let bare = format!("c=biws,r={nonce}");
        let signed = format!("n=,r={},{server_first},{bare}", self.nonce);
        let mut proof = client_key.clone();
        xor(&mut proof, &sign(&Sha256::digest(&client_key), signed.as_bytes()));
        self.server_signature = sign(&sign(&salted, b"Server Key"), signed.as_bytes());
        Ok(format!("{bare},p={}", STANDARD.encode(proof)))
    }

    fn check(&self, server_final: &str) -> Result<(), Error> {
        let expected = format!("v={}", STANDARD.encode(&self.server_signature));
        if server_final == expected {
            return Ok(());
        }
        Err(Error::new("the server does not know the password: its SCRAM signature is wrong"))
    }
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error of the general interface never comes.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (byte, other) in into.iter_mut().zip(with) {
        *byte ^= other;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
