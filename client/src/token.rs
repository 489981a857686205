//! OAuth tokens that are fetched when a server asks for one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use stellata_protocol::auth::{BearerToken, TokenChallenge};

/// Why there is no token.
pub(crate) type Refusal = Box<dyn std::error::Error + Send + Sync>;

type Answer = Pin<Box<dyn Future<Output = Result<Option<BearerToken>, Refusal>> + Send>>;

/// For what login a token is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// As whom.
    pub user: String,
    /// To what database, where one is named.
    pub database: Option<String>,
    /// What the server says of where tokens are to be had. It is there when the provider has returned no token at the
    /// first question. It is the server's word: hold the place against one that is known before a user's password or
    /// consent goes there.
    pub challenge: Option<TokenChallenge>,
}

/// Fetches the token of a login.
#[derive(Clone)]
pub(crate) struct TokenProvider(Arc<dyn Fn(TokenRequest) -> Answer + Send + Sync>);

impl TokenProvider {
    pub(crate) fn new<F, A, E>(provider: F) -> Self
    where
        F: Fn(TokenRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<BearerToken>, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        Self(Arc::new(move |request| {
            let answer = provider(request);
            Box::pin(async { answer.await.map_err(Into::into) })
        }))
    }

    pub(crate) fn ask(&self, request: TokenRequest) -> Answer {
        (self.0)(request)
    }
}

impl fmt::Debug for TokenProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenProvider")
    }
}
