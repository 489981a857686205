//! The server's side of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677).

use super::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A server that knows a password and answers the client's two messages.
///
/// Its texts are plain strings, so that a hostile script can send others in their place. The
/// password is taken as it is: those of tests are ASCII, which SASLprep leaves alone.
#[derive(Clone)]
pub struct ScramServer {
    password: String,
    iterations: u32,
    client_first: String,
    server_first: String,
}

impl std::fmt::Debug for ScramServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramServer").finish_non_exhaustive()
    }
}

impl ScramServer {
    /// The mechanism list of AuthenticationSASL.
    pub const MECHANISMS: &[u8] = b"SCRAM-SHA-256\0\0";

    /// A server that derives keys in `iterations` rounds.
    pub fn new(password: &str, iterations: u32) -> ScramServer {
        ScramServer {
            password: password.to_owned(),
            iterations,
            client_first: String::new(),
            server_first: String::new(),
        }
    }

    /// Takes the SASLInitialResponse; gives the nonce that it holds and the server's first text.
    ///
    /// # Errors
    /// What is wrong with the message.
    pub fn first(&mut self, request: &Request) -> Result<String, String> {
        let body = request.body();
        let data = body.split(|byte| *byte == 0).next().map(|name| name.len() + 5);
        let data = data.and_then(|start| body.get(start..)).unwrap_or_default();
        let text = String::from_utf8_lossy(data).into_owned();
        let Some(bare) = text.strip_prefix("n,,") else {
            return Err(format!("no first message of SCRAM: {text:?}"));
        };
        let nonce = bare.split(',').find_map(|part| part.strip_prefix("r=")).unwrap_or_default();
        let salt = STANDARD.encode(self.salt());
        self.server_first = format!("r={nonce}SCRIPTED,s={salt},i={}", self.iterations);
        self.client_first = bare.to_owned();
        Ok(self.server_first.clone())
    }

    /// Takes the SASLResponse; gives the server's last text, the proof that it knows the password.
    ///
    /// # Errors
    /// When the client does not prove that it knows the password.
    pub fn last(&self, request: &Request) -> Result<String, String> {
        let text = String::from_utf8_lossy(request.body()).into_owned();
        let Some((bare, proof)) = text.rsplit_once(",p=") else {
            return Err(format!("no last message of SCRAM: {text:?}"));
        };
        let signed = format!("{},{},{bare}", self.client_first, self.server_first);
        let salted = self.salted_password();
        let stored = Sha256::digest(sign(&salted, b"Client Key"));
        let mut client_key = STANDARD.decode(proof).unwrap_or_default();
        for (byte, other) in client_key.iter_mut().zip(sign(&stored, signed.as_bytes())) {
            *byte ^= other;
        }
        if Sha256::digest(&client_key) != stored {
            return Err("the client does not know the password".to_owned());
        }
        let signature = sign(&sign(&salted, b"Server Key"), signed.as_bytes());
        Ok(format!("v={}", STANDARD.encode(signature)))
    }

    fn salt(&self) -> &'static [u8] {
        b"a scripted salt"
    }

    fn salted_password(&self) -> Vec<u8> {
        let key = self.password.as_bytes();
        let mut step = sign(key, &[self.salt(), &1_u32.to_be_bytes()].concat());
        let mut salted = step.clone();
        for _ in 1..self.iterations {
            step = sign(key, &step);
            salted.iter_mut().zip(&step).for_each(|(byte, other)| *byte ^= other);
        }
        salted
    }
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error of the general interface never comes.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}
