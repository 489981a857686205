//! Proving who we are, and that the server knows our password: the payloads of the authentication messages
//! (PostgreSQL manual, "SASL Authentication" and "Password Authentication").
//!
//! Nothing here waits, frames a message or draws a random number. [`Scram`] is a value that is asked for the client's
//! next message and fed the server's answer; the one slow step is a value of its own, [`KeyDerivation`], so that it
//! can run on a thread where nothing else waits.
//!
//! The server's messages are taken as hostile: whatever is not as the standard says is an
//! [`ErrorKind::Authentication`](crate::ErrorKind::Authentication), and after an error an exchange stays failed.
//! Passwords, tokens and keys are overwritten when they are dropped and do not stand in any `Debug`.

mod stack;
mod document;
mod bearer;
mod binding;
mod derivation;
mod end_point;
mod md5;
mod method;
mod saslprep;
mod scram;

pub use bearer::{BearerToken, OAUTHBEARER, TokenChallenge};
pub(crate) use bearer::{REFUSAL_SEEN, client_message};
pub use binding::{
    ChannelBinding, ChannelBindingPolicy, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, choose_binding,
};
pub use derivation::{KeyDerivation, Keys};
pub use end_point::server_end_point;
pub use md5::md5_password;
pub use method::{AuthMethod, RequireAuth, RequireAuthError};
pub use saslprep::saslprep;
pub use scram::{DEFAULT_MAX_ITERATIONS, NONCE_LEN, Scram};
