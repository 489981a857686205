//! The SCRAM exchange of a client (RFC 5802 with SHA-256 as RFC 7677 has it, and PostgreSQL manual, "SASL
//! Authentication").

use core::{fmt, mem, num::NonZeroU32};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::binding::ChannelBinding;
use super::derivation::{Hash, KeyDerivation, Keys, MacKey};
use super::saslprep::saslprep;
use super::stack::without_traces;
use crate::error::{Error, ErrorKind, Result};

/// How many random bytes an exchange takes for its nonce: what libpq takes.
pub const NONCE_LEN: usize = 18;

/// The most iterations that a server may ask for, where nothing else is set.
///
/// PostgreSQL's own default is 4 096; 600 000 is what is advised for stored passwords today. A million takes a tenth
/// of a second to half a second, so that a hostile server can't buy much of our time.
pub const DEFAULT_MAX_ITERATIONS: u32 = 1_000_000;

/// One login by SCRAM-SHA-256, or by SCRAM-SHA-256-PLUS when there is a channel binding.
///
/// It is asked for the client's messages and fed the server's, in the one order that the standard knows. A step out of
/// this order is an error, and after any error every later step is one too. The login holds once
/// [`handle_server_final`](Self::handle_server_final) has returned `Ok`: only then has the server proved that it knows
/// the password. An `AuthenticationOk` before that is not to be believed; [`is_verified`](Self::is_verified) tells.
///
/// ```
/// use stellata_protocol::auth::{ChannelBinding, NONCE_LEN, Scram};
///
/// fn log_in(
///     password: &[u8],
///     random: [u8; NONCE_LEN],
///     mut ask: impl FnMut(&[u8]) -> Vec<u8>,
/// ) -> stellata_protocol::Result<()> {
///     let mut scram = Scram::new(password, random, ChannelBinding::None);
///     let server_first = ask(&scram.client_first()?);
///     let derivation = scram.handle_server_first(&server_first)?;
///     let keys = derivation.run(); // on a thread of its own where tasks are driven
///     let server_final = ask(&scram.client_final(keys)?);
///     scram.handle_server_final(&server_final)
/// }
/// # assert!(log_in(b"pencil", [0; NONCE_LEN], |_| Vec::new()).is_err());
/// ```
pub struct Scram {
    binding: ChannelBinding,
    max_iterations: u32,
    step: Step,
}

/// What comes next, with what is needed for it and no more.
enum Step {
    ClientFirst { password: Zeroizing<Vec<u8>>, nonce: String },
    ServerFirst { password: Zeroizing<Vec<u8>>, nonce: String },
    ClientFinal { messages: String, nonce: String },
    ServerFinal { signature: Hash },
    Verified,
    Failed,
}

impl Scram {
    /// Starts an exchange. `nonce` is fresh random bytes from a source that nobody can foresee.
    ///
    /// The password goes through [`saslprep`](super::saslprep()). The user name is not part of the exchange: the server
    /// knows it from the start-up message.
    #[must_use]
    pub fn new(password: &[u8], nonce: [u8; NONCE_LEN], binding: ChannelBinding) -> Self {
        Self::with_nonce(password, BASE64.encode(nonce), binding)
    }

    fn with_nonce(password: &[u8], nonce: String, binding: ChannelBinding) -> Self {
        Self {
            binding,
            max_iterations: DEFAULT_MAX_ITERATIONS,
            step: Step::ClientFirst { password: saslprep(password), nonce },
        }
    }

    /// The same exchange with another limit on the iterations that the server may ask for, in place of
    /// [`DEFAULT_MAX_ITERATIONS`]. There is no lower limit: old servers store fewer than 4 096.
    #[must_use]
    pub fn with_max_iterations(self, max_iterations: u32) -> Self {
        Self { max_iterations, ..self }
    }

    /// The name of the mechanism for `SASLInitialResponse`.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        self.binding.mechanism()
    }

    /// Whether the server has proved that it knows the password, so that an `AuthenticationOk` may be believed.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self.step, Step::Verified)
    }

    /// The first message of the client, for `SASLInitialResponse`.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when this is not the next step.
    pub fn client_first(&mut self) -> Result<Vec<u8>> {
        let Step::ClientFirst { password, nonce } = self.take_step() else {
            return Err(OUT_OF_ORDER);
        };
        let message = [self.binding.header(), &first_bare(&nonce)].concat();
        self.step = Step::ServerFirst { password, nonce };
        Ok(message.into_bytes())
    }

    /// Takes the payload of `AuthenticationSASLContinue`, and gives the work that is to be done before
    /// [`client_final`](Self::client_final).
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when this is not the next step, when the message is not just a nonce that extends
    /// ours, a salt and a number of iterations, in this order, or when it asks for more iterations than are allowed.
    /// Extensions are refused, as libpq means to.
    pub fn handle_server_first(&mut self, message: &[u8]) -> Result<KeyDerivation> {
        let Step::ServerFirst { password, nonce: ours } = self.take_step() else {
            return Err(OUT_OF_ORDER);
        };
        let message = core::str::from_utf8(message)
            .map_err(|_| refused("the server's first SCRAM message is not UTF-8"))?;
        let mut attributes = Attributes::new(message);

        let nonce = attributes
            .next('r', "the server's first SCRAM message lacks the nonce in its place")?;
        if !nonce.strip_prefix(ours.as_str()).is_some_and(is_nonce) {
            return Err(refused("the server's SCRAM nonce does not extend the client's"));
        }
        let salt =
            attributes.next('s', "the server's first SCRAM message lacks the salt in its place")?;
        let salt = BASE64
            .decode(salt)
            .ok()
            .filter(|salt| !salt.is_empty())
            .ok_or(refused("the server's SCRAM salt is empty or not in base64"))?;
        let iterations = attributes.next(
            'i',
            "the server's first SCRAM message lacks the number of iterations in its place",
        )?;
        let iterations = self.iterations(iterations)?;
        attributes.end()?;

        self.step = Step::ClientFinal {
            messages: [&first_bare(&ours), ",", message].concat(),
            nonce: nonce.to_owned(),
        };
        Ok(KeyDerivation::new(password, salt, iterations))
    }

    /// The final message of the client, for `SASLResponse`. The keys are those that the [`KeyDerivation`] of this
    /// exchange made.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when this is not the next step.
    pub fn client_final(&mut self, keys: Keys) -> Result<Vec<u8>> {
        let Step::ClientFinal { messages, nonce } = self.take_step() else {
            return Err(OUT_OF_ORDER);
        };
        let binding =
            BASE64.encode([self.binding.header().as_bytes(), self.binding.data()].concat());
        let mut message = ["c=", &binding, ",r=", &nonce].concat();

        // Both sides sign all that was said, up to the proof.
        let said = [messages.as_bytes(), b",", message.as_bytes()];
        let (proof, signature) = without_traces(|| {
            // `StoredKey`: who has it and hears a login can make `ClientKey` of it.
            let stored = Zeroizing::new(Hash::from(Sha256::digest(keys.client.as_slice())));
            let mut proof = MacKey::new(stored.as_slice()).mac(&said);
            for (byte, key) in proof.iter_mut().zip(keys.client.iter()) {
                *byte ^= key;
            }
            (proof, MacKey::new(keys.server.as_slice()).mac(&said))
        });
        drop(keys);

        message.push_str(",p=");
        BASE64.encode_string(proof, &mut message);
        self.step = Step::ServerFinal { signature };
        Ok(message.into_bytes())
    }

    /// Takes the payload of `AuthenticationSASLFinal`: the server's proof that it knows the password.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when this is not the next step, when the message is not just a signature, when
    /// the signature is wrong, or when the server tells of an error.
    pub fn handle_server_final(&mut self, message: &[u8]) -> Result<()> {
        let Step::ServerFinal { signature } = self.take_step() else {
            return Err(OUT_OF_ORDER);
        };
        let message = core::str::from_utf8(message)
            .map_err(|_| refused("the server's final SCRAM message is not UTF-8"))?;
        let mut attributes = Attributes::new(message);
        let theirs =
            attributes.next('v', "the server's final SCRAM message lacks the signature")?;
        attributes.end()?;
        let theirs = BASE64
            .decode(theirs)
            .map_err(|_| refused("the server's SCRAM signature is not in base64"))?;
        if !bool::from(signature.as_slice().ct_eq(&theirs)) {
            return Err(refused(
                "the server's SCRAM signature is wrong: it does not know the password",
            ));
        }
        self.step = Step::Verified;
        Ok(())
    }

    /// The step, with [`Step::Failed`] in its place until the caller puts the next one there.
    fn take_step(&mut self) -> Step {
        mem::replace(&mut self.step, Step::Failed)
    }

    /// `posit-number` of RFC 5802, within the limit.
    fn iterations(&self, digits: &str) -> Result<NonZeroU32> {
        if digits.starts_with('0')
            || digits.is_empty()
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(refused(
                "the server's number of SCRAM iterations is not a positive number",
            ));
        }
        digits
            .parse()
            .ok()
            .filter(|iterations: &NonZeroU32| iterations.get() <= self.max_iterations)
            .ok_or(refused("the server asks for more SCRAM iterations than are allowed: raise the limit for a server that you know"))
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = match self.step {
            Step::ClientFirst { .. } => "client-first-message",
            Step::ServerFirst { .. } => "server-first-message",
            Step::ClientFinal { .. } => "client-final-message",
            Step::ServerFinal { .. } => "server-final-message",
            Step::Verified => "none: verified",
            Step::Failed => "none: failed",
        };
        f.debug_struct("Scram")
            .field("mechanism", &self.mechanism())
            .field("max_iterations", &self.max_iterations)
            .field("next", &next)
            .finish_non_exhaustive()
    }
}

/// `client-first-message-bare` of RFC 5802, the user name empty.
fn first_bare(nonce: &str) -> String {
    ["n=,r=", nonce].concat()
}

/// Whether the text may stand in a nonce (`printable` of RFC 5802; a comma can't come here), and is something.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The attributes of a server's message, which stand in a fixed order.
struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    const fn new(message: &'a str) -> Self {
        Self { rest: Some(message) }
    }

    /// The value of the next attribute, which must be `name`.
    fn next(&mut self, name: char, missing: &'static str) -> Result<&'a str> {
        let (attribute, rest) = match self.rest.unwrap_or_default().split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (self.rest.unwrap_or_default(), None),
        };
        self.rest = rest;
        match attribute.split_once('=') {
            Some((key, value)) if key.chars().eq([name]) => Ok(value),
            Some(("m", _)) => Err(MANDATORY_EXTENSION),
            Some(("e", reason)) => Err(server_error(reason)),
            _ => Err(refused(missing)),
        }
    }

    fn end(&self) -> Result<()> {
        match self.rest {
            None => Ok(()),
            Some(rest) if rest.starts_with("m=") => Err(MANDATORY_EXTENSION),
            Some(_) => Err(refused("a SCRAM message of the server goes on after its end")),
        }
    }
}

const OUT_OF_ORDER: Error =
    refused("a step of the SCRAM exchange is out of order, or follows an error");
const MANDATORY_EXTENSION: Error =
    refused("the server asks for a SCRAM extension that is not known");

const fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

/// `server-error-value` of RFC 5802. The text is the server's, so it stays out of the error where it is not one that
/// the standard knows.
fn server_error(reason: &str) -> Error {
    refused(match reason {
        "invalid-proof" => "the server refused the SCRAM proof: the password is wrong",
        "unknown-user" => "the server refused the SCRAM exchange: the user is not known",
        "channel-bindings-dont-match" => {
            "the server refused the SCRAM exchange: its certificate is not the one that the client saw"
        }
        "server-does-support-channel-binding" => {
            "the server refused the SCRAM exchange: it offers channel binding, but the client was told otherwise"
        }
        "channel-binding-not-supported" | "unsupported-channel-binding-type" => {
            "the server refused the SCRAM exchange: it does not know this channel binding"
        }
        _ => "the server refused the SCRAM exchange",
    })
}

#[cfg(test)]
mod tests;
