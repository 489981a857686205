//! The start-up of a session, from the StartupMessage to the first ReadyForQuery (manual: "Start-up").

use core::fmt;

use zeroize::Zeroizing;

use crate::auth::{
    ChannelBindingPolicy, DEFAULT_MAX_ITERATIONS, KeyDerivation, Keys, NONCE_LEN, Scram,
    choose_binding, md5_password,
};
use crate::conversation::owed::unexpected;
use crate::error::{Error, ErrorKind, Result};
use crate::message::authentication::{
    Authentication, write_password, write_sasl_initial_response, write_sasl_response,
};
use crate::message::startup::{
    BackendKey, NegotiateProtocolVersion, PROTOCOL_3_0, PROTOCOL_3_2, write_startup,
};
use crate::message::status::TransactionStatus;
use crate::wire::buffer::Buffer;

/// What a session needs to log in.
pub struct Login {
    user: String,
    parameters: Vec<(String, String)>,
    password: Option<Zeroizing<Vec<u8>>>,
    nonce: [u8; NONCE_LEN],
    version: u32,
    cleartext: bool,
    max_iterations: u32,
    binding: ChannelBindingPolicy,
    end_point: Option<Vec<u8>>,
}

impl Login {
    /// A login of `user`. The nonce is random and new for every login; it is handed in because this crate draws no random
    /// numbers.
    #[must_use]
    pub fn new(user: &str, nonce: [u8; NONCE_LEN]) -> Self {
        Self {
            user: user.to_owned(),
            parameters: Vec::new(),
            password: None,
            nonce,
            version: PROTOCOL_3_0,
            cleartext: false,
            max_iterations: DEFAULT_MAX_ITERATIONS,
            binding: ChannelBindingPolicy::Prefer,
            end_point: None,
        }
    }

    /// Adds a start-up parameter: `database`, or any setting of the session.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the protocol version to ask for: [`PROTOCOL_3_0`], the default, or [`PROTOCOL_3_2`]. A server that does not
    /// speak it comes down to what it speaks.
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

    /// Whether the password may be sent as it is when the server asks so. Off unless said: only a channel that nobody
    /// can listen to (a unix socket, TLS) makes it harmless.
    #[must_use]
    pub const fn allow_cleartext(mut self, allow: bool) -> Self {
        self.cleartext = allow;
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
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where the login stands.
enum Step {
    /// The server has not asked for anything yet.
    Asked,
    /// The password, or its hash, was sent.
    PasswordSent,
    /// The first message of SCRAM was sent.
    ScramFirst(Scram),
    /// The keys of SCRAM are being derived.
    ScramKeys(Scram, Option<KeyDerivation>),
    /// The proof was sent; the server has to send its own.
    ScramFinal(Scram),
    /// The server has proved that it knows the password.
    ScramProved,
    /// AuthenticationOk came.
    LoggedIn,
    /// A message was refused; nothing goes on.
    Refused,
}

/// What a message meant for the login.
pub(super) enum Progress {
    /// It goes on.
    Goes,
    /// It waits for [`LoginState::provide_keys`].
    NeedsKeys,
    /// The key for cancel requests came.
    Key(BackendKey),
    /// The protocol version to speak, and options that the server does not know.
    Version(u32, Vec<Box<str>>),
    /// The server reports a setting.
    Parameter,
    /// The session is ready.
    Done(TransactionStatus),
}

/// The login in progress.
pub(super) struct LoginState {
    login: Login,
    step: Step,
    /// The server has come down to another version, or named options that it does not know. It may do so once.
    negotiated: bool,
}

impl fmt::Debug for LoginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.login.fmt(f)
    }
}

impl LoginState {
    pub(super) fn start(login: Login, output: &mut Buffer) -> Result<Self> {
        if !matches!(login.version, PROTOCOL_3_0 | PROTOCOL_3_2) {
            return Err(Error::new(
                ErrorKind::Usage,
                "the protocol version is neither 3.0 nor 3.2",
            ));
        }
        if login.user.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the user name is empty"));
        }
        let parameters = login.parameters.iter().map(|(name, value)| (&**name, &**value));
        write_startup(
            output,
            login.version,
            core::iter::once(("user", &*login.user)).chain(parameters),
        )?;
        Ok(Self { login, step: Step::Asked, negotiated: false })
    }

    /// The protocol version that is asked for.
    pub(super) const fn version(&self) -> u32 {
        self.login.version
    }

    pub(super) fn handle(
        &mut self,
        tag: u8,
        body: &[u8],
        version: u32,
        output: &mut Buffer,
    ) -> Result<Progress> {
        match (tag, &self.step) {
            (b'R', _) => self.authentication(Authentication::read(body)?, output),
            (b'K', Step::LoggedIn) => BackendKey::read(body, version).map(Progress::Key),
            (b'S', Step::LoggedIn) => Ok(Progress::Parameter),
            (b'Z', Step::LoggedIn) => TransactionStatus::read(body).map(Progress::Done),
            (b'v', Step::Asked) if !self.negotiated => {
                self.negotiated = true;
                let answer = NegotiateProtocolVersion::read(body)?;
                // 3.1 was never a version of its own; some poolers claim it all the same.
                if answer.version < PROTOCOL_3_0 || answer.version > self.login.version {
                    return Err(Error::new(
                        ErrorKind::InvalidValue,
                        "the server negotiates a protocol version that was not asked for",
                    ));
                }
                let options = answer.options.into_iter().map(Into::into).collect();
                Ok(Progress::Version(answer.version, options))
            }
            _ => Err(unexpected(tag)),
        }
    }

    fn authentication(
        &mut self,
        request: Authentication<'_>,
        output: &mut Buffer,
    ) -> Result<Progress> {
        // A step that fails leaves `Refused` behind, so that nothing can be tried twice.
        match (core::mem::replace(&mut self.step, Step::Refused), request) {
            (Step::Asked, Authentication::Ok) if !self.login.binding.admits_unbound() => {
                Err(refused("channel binding is required, but the server asks for no proof"))
            }
            (Step::Asked | Step::PasswordSent | Step::ScramProved, Authentication::Ok) => {
                self.login.password = None;
                self.step = Step::LoggedIn;
                Ok(Progress::Goes)
            }
            (
                Step::ScramFirst(_) | Step::ScramKeys(..) | Step::ScramFinal(_),
                Authentication::Ok,
            ) => Err(refused("the server skips the proof that it knows the password")),
            (
                Step::Asked,
                Authentication::CleartextPassword | Authentication::Md5Password { .. },
            ) if !self.login.binding.admits_unbound() => {
                Err(refused("channel binding is required, but the server asks for a bare password"))
            }
            (Step::Asked, Authentication::CleartextPassword) => {
                if !self.login.cleartext {
                    return Err(refused(
                        "the server asks for the password in clear text, which is not allowed on this connection",
                    ));
                }
                write_password(output, self.password()?)?;
                self.step = Step::PasswordSent;
                Ok(Progress::Goes)
            }
            (Step::Asked, Authentication::Md5Password { salt }) => {
                let hash = md5_password(self.login.user.as_bytes(), self.password()?, salt);
                write_password(output, &hash)?;
                self.step = Step::PasswordSent;
                Ok(Progress::Goes)
            }
            (Step::Asked, Authentication::Sasl { mechanisms }) => {
                let names = Authentication::mechanisms(mechanisms)?;
                let end_point = self.login.end_point.take();
                let binding = choose_binding(names, end_point, self.login.binding)?;
                let mechanism = binding.mechanism();
                let mut scram = Scram::new(self.password()?, self.login.nonce, binding)
                    .with_max_iterations(self.login.max_iterations);
                write_sasl_initial_response(output, mechanism, &scram.client_first()?)?;
                self.login.password = None;
                self.step = Step::ScramFirst(scram);
                Ok(Progress::Goes)
            }
            (Step::ScramFirst(mut scram), Authentication::SaslContinue { data }) => {
                let derivation = scram.handle_server_first(data)?;
                self.step = Step::ScramKeys(scram, Some(derivation));
                Ok(Progress::NeedsKeys)
            }
            (Step::ScramFinal(mut scram), Authentication::SaslFinal { data }) => {
                scram.handle_server_final(data)?;
                self.step = Step::ScramProved;
                Ok(Progress::Goes)
            }
            (Step::Asked, Authentication::Other { .. }) => {
                Err(refused("the server asks for a way to log in that is not supported"))
            }
            _ => Err(refused("the messages of the login come out of order")),
        }
    }

    /// Nothing goes on: the server reported an error.
    pub(super) fn refuse(&mut self) {
        self.step = Step::Refused;
    }

    pub(super) fn is_logged_in(&self) -> bool {
        matches!(self.step, Step::LoggedIn)
    }

    fn password(&self) -> Result<&[u8]> {
        match &self.login.password {
            Some(password) => Ok(password),
            None => Err(refused("the server asks for a password, and none was given")),
        }
    }

    pub(super) fn take_key_derivation(&mut self) -> Option<KeyDerivation> {
        match &mut self.step {
            Step::ScramKeys(_, derivation) => derivation.take(),
            _ => None,
        }
    }

    pub(super) fn provide_keys(&mut self, keys: Keys, output: &mut Buffer) -> Result<()> {
        match core::mem::replace(&mut self.step, Step::Refused) {
            Step::ScramKeys(mut scram, None) => {
                write_sasl_response(output, &scram.client_final(keys)?)?;
                self.step = Step::ScramFinal(scram);
                Ok(())
            }
            step => {
                self.step = step;
                Err(Error::new(ErrorKind::Usage, "the login does not wait for keys"))
            }
        }
    }
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Authentication, message)
}
