//! The start-up of a session, from the StartupMessage to the first ReadyForQuery (manual: "Start-up").

mod exchange;

use core::fmt;

use zeroize::Zeroizing;

use crate::auth::{ChannelBindingPolicy, DEFAULT_MAX_ITERATIONS, NONCE_LEN, RequireAuth};
use crate::error::Error;
use crate::message::startup::{PROTOCOL_3_0, StartupText};

pub(super) use exchange::{LoginState, Progress};

/// What a session needs to log in, and what it will not do for it.
///
/// Of what a server may ask for, that is refused which [`require_auth`](Self::require_auth) does not name, whatever is
/// not tied to the channel where [`channel_binding`](Self::channel_binding) requires it, and a password or token as it
/// is unless [`allow_cleartext`](Self::allow_cleartext) says so; each before anything is sent in answer.
pub struct Login {
    /// The start-up parameters, the user first.
    parameters: StartupText,
    /// Why they can't be sent.
    unfit: Option<Error>,
    password: Option<Zeroizing<Vec<u8>>>,
    nonce: [u8; NONCE_LEN],
    version: u32,
    cleartext: bool,
    has_password: bool,
    has_token: bool,
    require: RequireAuth,
    max_iterations: u32,
    binding: ChannelBindingPolicy,
    end_point: Option<Vec<u8>>,
}

impl Login {
    /// A login of `user`. The nonce is random and new for every login; it is handed in because this crate draws no random
    /// numbers.
    #[must_use]
    pub fn new(user: &str, nonce: [u8; NONCE_LEN]) -> Self {
        let mut parameters = StartupText::default();
        let unfit = parameters.push("user", user).err();
        Self {
            parameters,
            unfit,
            password: None,
            nonce,
            version: PROTOCOL_3_0,
            cleartext: false,
            has_password: false,
            has_token: false,
            require: RequireAuth::ANY,
            max_iterations: DEFAULT_MAX_ITERATIONS,
            binding: ChannelBindingPolicy::Prefer,
            end_point: None,
        }
    }

    /// Adds a start-up parameter: `database`, or any setting of the session. One without a name, or with a NUL in it, is
    /// refused when the session is to begin.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.parameters.push(name, value) {
            self.unfit.get_or_insert(error);
        }
        self
    }

    /// As whom to log in.
    pub(super) fn user(&self) -> &str {
        self.parameters.iter().next().map_or("", |(_, user)| user)
    }

    /// Sets the protocol version to ask for: [`PROTOCOL_3_0`], the default, or
    /// [`PROTOCOL_3_2`](crate::message::PROTOCOL_3_2). A server that does not speak it comes down to what it speaks.
    #[must_use]
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets the password, which need not be UTF-8. It is overwritten when it is no longer needed.
    #[must_use]
    pub fn password(mut self, password: &[u8]) -> Self {
        self.password = Some(Zeroizing::new(password.to_vec()));
        self
    }

    /// Whether a password can be had when the server asks for one, where none was given beforehand: then
    /// [`Event::Password`](super::Event::Password) comes, and waits for
    /// [`Conversation::provide_password`](super::Conversation::provide_password). Off unless said: the login is refused
    /// then.
    #[must_use]
    pub const fn has_password(mut self, has: bool) -> Self {
        self.has_password = has;
        self
    }

    /// Whether the password, or an OAuth token, may be sent as it is when the server asks so. Off unless said: only a
    /// channel that nobody can listen to (a unix socket, TLS) makes it harmless.
    #[must_use]
    pub const fn allow_cleartext(mut self, allow: bool) -> Self {
        self.cleartext = allow;
        self
    }

    /// Sets which ways to log in are taken, when the server asks for them: libpq's `require_auth`. Default: all.
    #[must_use]
    pub const fn require_auth(mut self, methods: RequireAuth) -> Self {
        self.require = methods;
        self
    }

    /// Whether an OAuth token can be had when the server asks for one: then
    /// [`Event::BearerToken`](super::Event::BearerToken) comes, and waits for
    /// [`Conversation::provide_token`](super::Conversation::provide_token). Off unless said: the login is refused then.
    #[must_use]
    pub const fn has_token(mut self, has: bool) -> Self {
        self.has_token = has;
        self
    }

    /// How many SCRAM iterations a server may ask for. Default: [`DEFAULT_MAX_ITERATIONS`].
    #[must_use]
    pub const fn max_iterations(mut self, iterations: u32) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// Whether SCRAM must be tied to the TLS channel, and the hash of the server's certificate to tie it to.
    #[must_use]
    pub fn channel_binding(
        mut self,
        policy: ChannelBindingPolicy,
        end_point: Option<Vec<u8>>,
    ) -> Self {
        self.binding = policy;
        self.end_point = end_point;
        self
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user()).finish_non_exhaustive()
    }
}
