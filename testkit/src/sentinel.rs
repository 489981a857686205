//! Secrets that must show nowhere, and all that can be made of them.

use crate::endpoint;
use crate::roles::{MD5_USER, PASSWORD, PASSWORD_USER, SCRAM_USER, SUPERUSER};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

/// The superuser's password on the servers that tests share, where a journal is kept. It has characters that a URL must
/// encode.
pub(crate) const SENTINEL: &str = "s3ntinel: 'of' all @ 7 tests/100%";

/// A value for parameters that no journal may hold: spans tell none unless they are asked to.
pub const MARKER: &str = "marker-4c1f09b7-of-a-parameter";

/// A password or a token that tests use where a login does not come to pass, or which a hostile server throws back at us.
pub const SECRET: &str = "hunter2-SENTINEL-s3ntinel-Passw0rd";

/// The salt and the rounds of the sentinel's verifier: with others nobody could tell what a login makes of it.
const SALT: &[u8; 16] = b"salt of all logs";
const ROUNDS: u32 = 64;

/// The keys that SCRAM makes of a password (RFC 5802, 3).
struct Keys {
    salted: Vec<u8>,
    client: Vec<u8>,
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl Keys {
    fn of(password: &str) -> Keys {
        let mut step = sign(password.as_bytes(), &[SALT.as_slice(), &[0, 0, 0, 1]].concat());
        let mut salted = step.clone();
        for _ in 1..ROUNDS {
            step = sign(password.as_bytes(), &step);
            salted.iter_mut().zip(&step).for_each(|(byte, other)| *byte ^= other);
        }
        let client = sign(&salted, b"Client Key");
        let stored = Sha256::digest(&client).to_vec();
        let server = sign(&salted, b"Server Key");
        Keys { salted, client, stored, server }
    }
}

/// What a server keeps of [`SENTINEL`] ([manual, 52.8](https://www.postgresql.org/docs/current/catalog-pg-authid.html)).
pub(crate) fn verifier() -> String {
    let Keys { stored, server, .. } = Keys::of(SENTINEL);
    let text = |bytes: &[u8]| STANDARD.encode(bytes);
    format!("SCRAM-SHA-256${ROUNDS}:{}${}:{}", text(SALT), text(&stored), text(&server))
}

/// A text that may be found, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
}

/// All that must show nowhere.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for (name, secret, users) in [
        ("the sentinel", SENTINEL, &[SUPERUSER][..]),
        ("the password", PASSWORD, &[MD5_USER, SCRAM_USER, PASSWORD_USER]),
        ("the secret", SECRET, &["me", SCRAM_USER]),
        ("the marker", MARKER, &[]),
    ] {
        forms.extend(encoded(name, secret.as_bytes()));
        let in_url = endpoint::encode(secret);
        for text in [in_url.replace('/', "%2F"), in_url] {
            forms.push(Form { what: format!("{name} in a URL"), bytes: text.into_bytes() });
        }
        forms.extend(users.iter().map(|user| {
            let bytes = hex(&Md5::digest(format!("{secret}{user}"))).into_bytes();
            Form { what: format!("{name} as md5 of {user}"), bytes }
        }));
    }
    let Keys { salted, client, stored, server } = Keys::of(SENTINEL);
    for (key, bytes) in [
        ("the salted password", salted),
        ("the client key", client),
        ("the stored key", stored),
        ("the server key", server),
    ] {
        forms.extend(encoded(key, &bytes));
    }
    forms.sort_by(|one, other| one.bytes.cmp(&other.bytes));
    forms.dedup_by(|one, other| one.bytes == other.bytes);
    forms
}

/// Bytes as they are, and in every way to print them.
fn encoded(name: &str, bytes: &[u8]) -> Vec<Form> {
    let list = |form: fn(&u8) -> String, between: &str| {
        bytes.iter().map(form).collect::<Vec<_>>().join(between).into_bytes()
    };
    let mut forms = vec![
        ("", bytes.to_vec()),
        (" escaped", bytes.escape_ascii().collect()),
        (" in hexadecimal", list(|byte| format!("{byte:02x}"), "")),
        (" in large hexadecimal", list(|byte| format!("{byte:02X}"), "")),
        (" percent-encoded", list(|byte| format!("%{byte:02X}"), "")),
        (" percent-encoded small", list(|byte| format!("%{byte:02x}"), "")),
        (" as numbers", list(u8::to_string, ", ")),
        (" as lines of numbers", list(|byte| format!("    {byte},"), "\n")),
        (" as hexadecimal numbers", list(|byte| format!("{byte:x}"), ", ")),
    ];
    // Base64 of something that it stands in begins at one of three places; what hangs on its neighbours is left out.
    for before in 0..3_usize {
        let padded = [&vec![0; before], bytes].concat();
        let whole = padded.len() / 3 * 4;
        for text in [STANDARD.encode(&padded), URL_SAFE.encode(&padded)] {
            let inner = text.as_bytes().get((before * 8).div_ceil(6)..whole).unwrap_or_default();
            forms.push((" in base64", inner.to_vec()));
        }
    }
    forms.into_iter().map(|(how, bytes)| Form { what: format!("{name}{how}"), bytes }).collect()
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error of the general interface never comes.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_known_wherever_it_begins() {
        let forms = forms();
        for before in 0..7 {
            for behind in 0..4 {
                let text = [&vec![b'<'; before], SENTINEL.as_bytes(), &vec![b'>'; behind]].concat();
                let text = STANDARD.encode(text);
                let found = forms.iter().any(|form| {
                    text.as_bytes().windows(form.bytes.len()).any(|part| part == form.bytes)
                });
                assert!(found, "{before} before, {behind} behind: {text}");
            }
        }
    }

    #[test]
    fn no_form_is_so_short_that_it_stands_anywhere() {
        let forms = forms();
        assert!(forms.len() > 50, "{}", forms.len());
        for form in forms {
            assert!(form.bytes.len() >= 24, "{form:?}");
        }
    }
}
