//! The login in progress: what each message of the server means, and what is answered.

use core::{fmt, mem};

use zeroize::Zeroizing;

use super::Login;
use crate::auth::{
    AuthMethod, BearerToken, ChannelBinding, KeyDerivation, Keys, OAUTHBEARER, REFUSAL_SEEN,
    SCRAM_SHA_256, SCRAM_SHA_256_PLUS, Scram, TokenChallenge, choose_binding, client_message,
    md5_password,
};
use crate::conversation::owed::unexpected;
use crate::error::{Error, ErrorKind, Result};
use crate::message::authentication::{
    Authentication, write_password, write_sasl_initial_response, write_sasl_response,
};
use crate::message::notice::ServerError;
use crate::message::startup::{BackendKey, NegotiateProtocolVersion, PROTOCOL_3_0, PROTOCOL_3_2};
use crate::message::status::TransactionStatus;
use crate::wire::buffer::Buffer;

/// An error for a way to log in that is known but not spoken.
macro_rules! unsupported {
    ($way:literal) => {
        refused(concat!(
            "the server asks for ",
            $way,
            ", which is not supported: in its pg_hba.conf, let it ask for scram-sha-256, or for md5, password or oauth"
        ))
    };
}
/// Where the login stands.
enum Step {
    /// The server has not asked for anything yet.
    Asked,
    /// The server asks for the password, which the caller has to hand in.
    PasswordAsked(Proof),
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
    /// The server asks for a token, which the caller has to hand in.
    TokenAsked,
    /// The token was sent.
    TokenSent,
    /// There is no token; the server was asked where tokens are to be had.
    TokenWanted,
    /// The server has refused the token, and was told that we know; an error has to follow.
    TokenRefused,
    /// AuthenticationOk came.
    LoggedIn,
    /// A message was refused; nothing goes on.
    Refused,
}

/// How the server wants to be shown that the client knows the password.
enum Proof {
    /// As it is.
    Cleartext,
    /// Hashed by MD5 with this salt.
    Md5([u8; 4]),
    /// By SCRAM.
    Scram(ChannelBinding),
}

/// What a message meant for the login.
pub(in crate::conversation) enum Progress {
    /// It goes on.
    Goes,
    /// It waits for [`LoginState::provide_keys`].
    NeedsKeys,
    /// It waits for [`LoginState::provide_password`].
    NeedsPassword,
    /// It waits for [`LoginState::provide_token`].
    NeedsToken,
    /// The key for cancel requests came.
    Key(BackendKey),
    /// The protocol version to speak, and options that the server does not know.
    Version(u32, Vec<Box<str>>),
    /// The session is ready.
    Done(TransactionStatus),
}

/// The login in progress.
pub(in crate::conversation) struct LoginState {
    login: Login,
    step: Step,
    /// The server has come down to another version, or named options that it does not know. It may do so once.
    negotiated: bool,
    /// What the server answered to a token that it does not take.
    challenge: Option<TokenChallenge>,
    /// The password or token that was sent as it is, so that the server may say it in an error. Empty for none.
    shown: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for LoginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.login.fmt(f)
    }
}

impl LoginState {
    pub(in crate::conversation) fn start(login: Login, output: &mut Buffer) -> Result<Self> {
        if !matches!(login.version, PROTOCOL_3_0 | PROTOCOL_3_2) {
            return Err(Error::new(
                ErrorKind::Usage,
                "the protocol version is neither 3.0 nor 3.2",
            ));
        }
        if let Some(error) = login.unfit {
            return Err(error);
        }
        if login.user().is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the user name is empty"));
        }
        login.parameters.write(output, login.version)?;
        Ok(Self {
            login,
            step: Step::Asked,
            negotiated: false,
            challenge: None,
            shown: Zeroizing::default(),
        })
    }

    /// The protocol version that is asked for.
    pub(in crate::conversation) const fn version(&self) -> u32 {
        self.login.version
    }

    pub(in crate::conversation) fn handle(
        &mut self,
        tag: u8,
        body: &[u8],
        version: u32,
        output: &mut Buffer,
    ) -> Result<Progress> {
        match (tag, &self.step) {
            (b'R', _) => self.authentication(Authentication::read(body)?, output),
            (b'K', Step::LoggedIn) => BackendKey::read(body, version).map(Progress::Key),
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
        match (mem::replace(&mut self.step, Step::Refused), request) {
            (Step::Asked, request) => self.first_request(request, output),
            (Step::PasswordSent | Step::ScramProved | Step::TokenSent, Authentication::Ok) => {
                Ok(self.logged_in())
            }
            (
                Step::ScramFirst(_) | Step::ScramKeys(..) | Step::ScramFinal(_),
                Authentication::Ok,
            ) => Err(refused("the server skips the proof that it knows the password")),
            (Step::TokenWanted | Step::TokenRefused, Authentication::Ok) => {
                Err(refused("the server lets a login pass that showed it no OAuth token it takes"))
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
            (Step::TokenSent | Step::TokenWanted, Authentication::SaslContinue { data }) => {
                self.challenge = Some(TokenChallenge::read(data)?);
                write_sasl_response(output, REFUSAL_SEEN)?;
                self.step = Step::TokenRefused;
                Ok(Progress::Goes)
            }
            _ => Err(refused("the messages of the login come out of order")),
        }
    }

    /// What the server asks for first, or that it asks for nothing.
    fn first_request(
        &mut self,
        request: Authentication<'_>,
        output: &mut Buffer,
    ) -> Result<Progress> {
        match request {
            Authentication::Ok => {
                self.admit(AuthMethod::None)?;
                Ok(self.logged_in())
            }
            Authentication::CleartextPassword => {
                self.admit(AuthMethod::Password)?;
                if !self.login.cleartext {
                    return Err(refused(
                        "the server asks for the password in clear text, which is not allowed on this connection: use \
                         TLS or a unix socket, or scram-sha-256 in its pg_hba.conf",
                    ));
                }
                self.prove(Proof::Cleartext, output)
            }
            Authentication::Md5Password { salt } => {
                self.admit(AuthMethod::Md5)?;
                self.prove(Proof::Md5(salt), output)
            }
            Authentication::Sasl { mechanisms } => {
                self.begin_sasl(&Authentication::mechanisms(mechanisms)?, output)
            }
            Authentication::Gss => {
                self.admit(AuthMethod::Gss)?;
                Err(unsupported!("GSSAPI (Kerberos)"))
            }
            Authentication::Sspi => {
                self.admit(AuthMethod::Sspi)?;
                Err(unsupported!("SSPI (Windows)"))
            }
            Authentication::KerberosV5 => {
                Err(unsupported!("Kerberos V5 in the form of old servers"))
            }
            Authentication::Other { code: 1 } => Err(unsupported!("Kerberos V4")),
            Authentication::Other { code: 4 } => Err(unsupported!("a password hashed by crypt")),
            Authentication::Other { code: 6 } => {
                Err(unsupported!("the credentials of a unix socket"))
            }
            Authentication::Other { .. } => Err(unsupported!("a way to log in that is not known")),
            Authentication::GssContinue { .. }
            | Authentication::SaslContinue { .. }
            | Authentication::SaslFinal { .. } => {
                Err(refused("the messages of the login come out of order"))
            }
        }
    }

    /// Whether the caller lets the server have the login this way.
    fn admit(&self, method: AuthMethod) -> Result<()> {
        if !self.login.require.allows(method) {
            return Err(refused(match method {
                AuthMethod::None => {
                    "the server lets the login pass without a proof, which require_auth does not allow"
                }
                AuthMethod::Password => {
                    "the server asks for the password in clear text, which require_auth does not allow"
                }
                AuthMethod::Md5 => {
                    "the server asks for the password hashed by MD5, which require_auth does not allow"
                }
                AuthMethod::Gss => "the server asks for GSSAPI, which require_auth does not allow",
                AuthMethod::Sspi => "the server asks for SSPI, which require_auth does not allow",
                AuthMethod::ScramSha256 => {
                    "the server asks for SCRAM-SHA-256, which require_auth does not allow"
                }
                AuthMethod::OAuth => {
                    "the server asks for an OAuth token, which require_auth does not allow"
                }
            }));
        }
        if !self.login.binding.admits_unbound() && method != AuthMethod::ScramSha256 {
            return Err(refused(match method {
                AuthMethod::None => "channel binding is required, but the server asks for no proof",
                AuthMethod::OAuth => {
                    "channel binding is required, but the server asks for an OAuth token, which can't be bound"
                }
                AuthMethod::Gss | AuthMethod::Sspi => {
                    "channel binding is required, but the server asks for Kerberos, which is not supported"
                }
                _ => "channel binding is required, but the server asks for a bare password",
            }));
        }
        Ok(())
    }

    /// Begins with a mechanism of those that the server names: SCRAM, or else a token, by what both sides can.
    fn begin_sasl(&mut self, names: &[&str], output: &mut Buffer) -> Result<Progress> {
        let offers_scram =
            names.iter().any(|&name| matches!(name, SCRAM_SHA_256 | SCRAM_SHA_256_PLUS));
        let offers_token = names.contains(&OAUTHBEARER);
        let takes_token = self.login.has_token && self.login.require.allows(AuthMethod::OAuth);
        let takes_scram = (self.login.password.is_some() || self.login.has_password)
            && self.login.require.allows(AuthMethod::ScramSha256);
        if offers_token && (!offers_scram || (takes_token && !takes_scram)) {
            self.admit(AuthMethod::OAuth)?;
            if !self.login.has_token {
                return Err(refused(
                    "the server asks for an OAuth token, and the configuration names nothing that gives one",
                ));
            }
            if !self.login.cleartext {
                return Err(refused(
                    "the server asks for an OAuth token, which is not to be sent on this connection, where others could \
                     read it: use TLS or a unix socket",
                ));
            }
            self.step = Step::TokenAsked;
            return Ok(Progress::NeedsToken);
        }
        if offers_scram {
            self.admit(AuthMethod::ScramSha256)?;
        }
        let end_point = self.login.end_point.take();
        let binding = choose_binding(names.iter().copied(), end_point, self.login.binding)?;
        self.prove(Proof::Scram(binding), output)
    }

    /// Answers with what the password makes, or has the caller asked for it first.
    fn prove(&mut self, proof: Proof, output: &mut Buffer) -> Result<Progress> {
        match self.login.password.take() {
            Some(password) => {
                self.answer(proof, password, output)?;
                Ok(Progress::Goes)
            }
            None if self.login.has_password => {
                self.step = Step::PasswordAsked(proof);
                Ok(Progress::NeedsPassword)
            }
            None => Err(refused("the server asks for a password, and none was given")),
        }
    }

    /// Answers with what the password makes, which is needed once.
    fn answer(
        &mut self,
        proof: Proof,
        password: Zeroizing<Vec<u8>>,
        output: &mut Buffer,
    ) -> Result<()> {
        self.step = match proof {
            Proof::Cleartext => {
                write_password(output, &password)?;
                self.shown = password;
                Step::PasswordSent
            }
            Proof::Md5(salt) => {
                let user = self.login.user().as_bytes();
                write_password(output, &*Zeroizing::new(md5_password(user, &password, salt)))?;
                Step::PasswordSent
            }
            Proof::Scram(binding) => {
                let mechanism = binding.mechanism();
                let mut scram = Scram::new(&password, self.login.nonce, binding)
                    .with_max_iterations(self.login.max_iterations);
                write_sasl_initial_response(output, mechanism, &scram.client_first()?)?;
                Step::ScramFirst(scram)
            }
        };
        Ok(())
    }

    fn logged_in(&mut self) -> Progress {
        self.login.password = None;
        self.step = Step::LoggedIn;
        Progress::Goes
    }

    /// Nothing goes on: the server reported an error.
    pub(in crate::conversation) fn refuse(&mut self) {
        self.step = Step::Refused;
    }

    pub(in crate::conversation) fn is_logged_in(&self) -> bool {
        matches!(self.step, Step::LoggedIn)
    }

    pub(in crate::conversation) fn take_key_derivation(&mut self) -> Option<KeyDerivation> {
        match &mut self.step {
            Step::ScramKeys(_, derivation) => derivation.take(),
            _ => None,
        }
    }

    pub(in crate::conversation) fn provide_keys(
        &mut self,
        keys: Keys,
        output: &mut Buffer,
    ) -> Result<()> {
        match mem::replace(&mut self.step, Step::Refused) {
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

    pub(in crate::conversation) fn provide_password(
        &mut self,
        password: &[u8],
        output: &mut Buffer,
    ) -> Result<()> {
        match mem::replace(&mut self.step, Step::Refused) {
            Step::PasswordAsked(proof) => {
                self.answer(proof, Zeroizing::new(password.to_vec()), output)
            }
            step => {
                self.step = step;
                Err(Error::new(ErrorKind::Usage, "the login does not wait for a password"))
            }
        }
    }

    pub(in crate::conversation) fn provide_token(
        &mut self,
        token: Option<&BearerToken>,
        output: &mut Buffer,
    ) -> Result<()> {
        if !matches!(self.step, Step::TokenAsked) {
            return Err(Error::new(ErrorKind::Usage, "the login does not wait for a token"));
        }
        write_sasl_initial_response(output, OAUTHBEARER, &client_message(token))?;
        self.step = match token {
            Some(token) => {
                self.shown = Zeroizing::new(token.as_bytes().to_vec());
                Step::TokenSent
            }
            None => Step::TokenWanted,
        };
        Ok(())
    }

    pub(in crate::conversation) fn token_challenge(&self) -> Option<&TokenChallenge> {
        self.challenge.as_ref()
    }

    /// Hides what the server says of the password or token that it was shown. A name that holds it may show.
    pub(in crate::conversation) fn hide_shown(&self, said: &mut ServerError) {
        let shown = Zeroizing::new(String::from_utf8_lossy(&self.shown).into_owned());
        let is_name = self.login.parameters.iter().any(|(_, value)| value.contains(&**shown));
        if !shown.is_empty() && !is_name {
            said.hide(&shown);
        }
    }
}

const fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

#[cfg(test)]
mod tests;
