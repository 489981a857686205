//! Logging in by a token: OAUTHBEARER (RFC 7628; PostgreSQL 18, manual: "OAuth Authorization/Authentication").

use core::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::document::members;
use crate::error::{Error, ErrorKind, Result};

/// Bearer tokens of OAuth 2.0 (RFC 7628).
pub const OAUTHBEARER: &str = "OAUTHBEARER";

/// What a client answers to a server that has refused its token, so that the server may end the exchange by an error
/// (RFC 7628, section 3.2.3).
pub(crate) const REFUSAL_SEEN: &[u8] = b"\x01";

/// The longest token, in bytes: PostgreSQL takes no authentication message of more than 65 535.
const MAX_TOKEN: usize = 65_535 - 256;

/// The longest document of a server, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// An OAuth 2.0 bearer token.
///
/// Who has it can log in, so it stands in no `Debug` and is overwritten when it is dropped.
#[derive(Clone)]
pub struct BearerToken(Zeroizing<String>);

impl ZeroizeOnDrop for BearerToken {}

impl BearerToken {
    /// Takes a token: letters, digits, `-._~+/`, and `=` at the end (`b64token` of RFC 6750, section 2.1). Without the
    /// word `Bearer` in front.
    ///
    /// ```
    /// use stellata_protocol::auth::BearerToken;
    /// assert!(BearerToken::new("eyJhbGciOi.J9-_~+/==").is_ok());
    /// assert!(BearerToken::new("two words").is_err());
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] for an empty token, or one with other characters: behind such a one a server would
    /// read what was never meant for it. [`ErrorKind::TooLarge`] above 65 279 bytes. The token is overwritten then too.
    pub fn new(token: impl Into<String>) -> Result<Self> {
        let token = Self(Zeroizing::new(token.into()));
        let body = token.0.trim_end_matches('=');
        let is_sound = !body.is_empty()
            && body.bytes().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
            });
        if !is_sound {
            return Err(Error::new(
                ErrorKind::Authentication,
                "the OAuth token is empty, or holds characters that no token may hold",
            ));
        }
        if token.0.len() > MAX_TOKEN {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "the OAuth token is longer than a server takes",
            ));
        }
        Ok(token)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// The client's first message, for `SASLInitialResponse` (RFC 7628, section 3.1): `n,,^Aauth=Bearer token^A^A`.
///
/// Without a token it asks the server where tokens are to be had (section 4.3): `n,,^Aauth=^A^A`.
pub(crate) fn client_message(token: Option<&BearerToken>) -> Zeroizing<Vec<u8>> {
    let (scheme, token) = match token {
        Some(token) => (&b"Bearer "[..], token.as_bytes()),
        None => (&[][..], &[][..]),
    };
    // `concat` makes it in one piece: growing would leave a copy of the token behind.
    Zeroizing::new([b"n,,\x01auth=", scheme, token, b"\x01\x01"].concat())
}

/// What a server answers to a token that it does not take, or to the question where tokens are to be had (RFC 7628,
/// section 3.2.2).
///
/// It is the server's word: who fetches a token from the place that it names, for a user of theirs, must trust the
/// server, or hold the place against one that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenChallenge {
    status: String,
    configuration: Option<String>,
    scope: Option<String>,
}

impl TokenChallenge {
    /// Reads the document: a JSON object whose members `status`, `openid-configuration` and `scope` are text, each there
    /// once at most, and the first there always. Other members are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when it is not so, [`ErrorKind::TooLarge`] above 64 KiB.
    pub fn read(document: &[u8]) -> Result<Self> {
        if document.len() > MAX_DOCUMENT {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "the server's answer to the OAuth token is longer than 64 KiB",
            ));
        }
        match members(document, ["status", "openid-configuration", "scope"]) {
            Some([Some(status), configuration, scope]) => Ok(Self { status, configuration, scope }),
            _ => Err(Error::new(
                ErrorKind::Authentication,
                "the server's answer to the OAuth token is not the document that RFC 7628 describes",
            )),
        }
    }

    /// Why: `invalid_token`, or another word of RFC 6750, section 3.1.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }

    /// The URL of the document that describes who gives tokens (`openid-configuration`; OpenID Connect Discovery 1.0,
    /// RFC 8414).
    #[must_use]
    pub fn openid_configuration(&self) -> Option<&str> {
        self.configuration.as_deref()
    }

    /// The scopes that a token must have, with spaces between (RFC 6749, section 3.3).
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_standard() {
        // RFC 7628, section 4.1, without host and port, which PostgreSQL does not take.
        let token = BearerToken::new("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==").unwrap();
        assert_eq!(
            client_message(Some(&token)).as_slice(),
            b"n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
        );
        assert_eq!(client_message(None).as_slice(), b"n,,\x01auth=\x01\x01");
        assert_eq!(REFUSAL_SEEN, b"\x01");
    }

    #[test]
    fn a_token_holds_what_rfc_6750_lets_it_hold() {
        for token in ["a", "A9-._~+/", "a=", "a===", &"x".repeat(MAX_TOKEN)] {
            assert!(BearerToken::new(token).is_ok(), "{token}");
        }
        for token in [
            "", "=", "=a", "a=b", "a b", " a", "a\n", "a\x01", "a\0", "ä", "a,b", "Bearer a", "a\"",
        ] {
            let error = BearerToken::new(token).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{token:?}");
        }
        let error = BearerToken::new("x".repeat(MAX_TOKEN + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_token_is_overwritten_on_drop_and_never_shown() {
        fn check<T: ZeroizeOnDrop + Send + Sync + 'static>(_: &T) {}
        let token = BearerToken::new("sentinel").unwrap();
        check(&token);
        check(&client_message(Some(&token)));
        assert_eq!(format!("{token:?}"), "BearerToken(..)");
    }

    #[test]
    fn a_challenge_is_read_as_the_server_writes_it() {
        // As PostgreSQL 18 writes it (backend/libpq/auth-oauth.c).
        let document = br#"{ "status": "invalid_token", "openid-configuration": "https://id.example/.well-known/openid-configuration", "scope": "openid db" }"#;
        let challenge = TokenChallenge::read(document).unwrap();
        assert_eq!(challenge.status(), "invalid_token");
        assert_eq!(
            challenge.openid_configuration(),
            Some("https://id.example/.well-known/openid-configuration")
        );
        assert_eq!(challenge.scope(), Some("openid db"));

        let bare = TokenChallenge::read(br#"{"status":"invalid_request"}"#).unwrap();
        assert_eq!((bare.openid_configuration(), bare.scope()), (None, None));
    }

    #[test]
    fn what_is_no_challenge_is_refused() {
        for document in
            [&b""[..], b"{}", b"{\"scope\":\"a\"}", b"\x01", b"v=abc", b"{\"status\":401}"]
        {
            let error = TokenChallenge::read(document).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{}", document.escape_ascii());
        }
        let long = format!("{{\"status\":\"{}\"}}", "x".repeat(MAX_DOCUMENT));
        assert_eq!(TokenChallenge::read(long.as_bytes()).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
