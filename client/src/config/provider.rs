//! Passwords that are made when they are needed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::endpoint::Endpoint;

/// Why there is no password.
pub(crate) type Refusal = Box<dyn std::error::Error + Send + Sync>;

type Answer = Pin<Box<dyn Future<Output = Result<Zeroizing<String>, Refusal>> + Send>>;

/// For what login a password is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRequest {
    /// The server that is being connected to.
    pub endpoint: Endpoint,
    /// As whom.
    pub user: String,
    /// To what database.
    pub database: String,
}

/// Makes the password of a login.
#[derive(Clone)]
pub(crate) struct PasswordProvider(Arc<dyn Fn(PasswordRequest) -> Answer + Send + Sync>);

impl PasswordProvider {
    pub(crate) fn new<F, A, E>(provider: F) -> Self
    where
        F: Fn(PasswordRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        Self(Arc::new(move |request| {
            let answer = provider(request);
            Box::pin(async { answer.await.map(Zeroizing::new).map_err(Into::into) })
        }))
    }

    pub(crate) fn ask(&self, request: PasswordRequest) -> Answer {
        (self.0)(request)
    }
}

impl fmt::Debug for PasswordProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordProvider")
    }
}
