//! Beginning a session: start-up, authentication.

use std::pin::pin;
use stellata_protocol::auth::{BearerToken, NONCE_LEN, TokenChallenge};
use stellata_protocol::{Conversation, Event, Login};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::config::endpoint::Endpoint;
use crate::config::provider::PasswordRequest;
use crate::connection::driver::Driver;
use crate::connection::limit::within;
use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;
use crate::tls::SslMode;
use crate::token::TokenRequest;

/// What a login came to.
pub(super) enum Outcome {
    LoggedIn(Box<Driver>),
    /// The server has told where tokens are to be had, and ended the session.
    Challenge(TokenChallenge),
}

/// Asks for an OAuth token.
pub(super) async fn fetch_token(
    config: &Config,
    challenge: Option<TokenChallenge>,
) -> Result<Option<BearerToken>> {
    let Some(provider) = config.token_provider() else {
        return Err(refused("nothing gives OAuth tokens"));
    };
    let request = TokenRequest {
        user: config.user().to_owned(),
        database: config.database().map(str::to_owned),
        challenge,
    };
    provider.ask(request).await.map_err(|error| {
        Error::with_source(ErrorKind::Authentication, "no OAuth token is to be had", error)
    })
}

pub(super) fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

/// Logs in over a socket on which no session has begun. `end_point` is the hash of the server's certificate, where there
/// is one; `token` an OAuth token that was fetched before.
pub(super) async fn log_in(
    socket: Socket,
    end_point: Option<Vec<u8>>,
    endpoint: &Endpoint,
    token: Option<&BearerToken>,
    config: &Config,
) -> Result<Outcome> {
    let verified = socket.is_encrypted() && config.tls().mode() == SslMode::VerifyFull;
    let private = endpoint.host().is_unix() || verified;
    let begun = async {
        let login = login(endpoint, config)?
            .allow_cleartext(private || config.allows_cleartext())
            .channel_binding(config.tls().channel_binding(), end_point);
        begin(socket, login, endpoint, token, config).await
    };
    within(config.phase_limits().login(), || format!("{endpoint}: the login"), pin!(begun)).await
}

/// Begins a session.
async fn begin(
    socket: Socket,
    login: Login,
    endpoint: &Endpoint,
    mut fetched: Option<&BearerToken>,
    config: &Config,
) -> Result<Outcome> {
    let conversation = Conversation::start_with(login, config.limits()).map_err(Error::encode)?;
    let mut driver = Box::new(Driver::new(socket, conversation));
    let mut wants_challenge = false;
    loop {
        match driver.advance()?.map(|answer| answer.event) {
            None => driver.fill().await?,
            Some(Event::ReadyForQuery) => {
                check_version(driver.conversation.protocol_version(), config)?;
                return Ok(Outcome::LoggedIn(driver));
            }
            Some(Event::Error) => {
                if let Some(challenge) = driver.conversation.token_challenge()
                    && wants_challenge
                {
                    return Ok(Outcome::Challenge(challenge.clone()));
                }
                let error = driver.conversation.server_error().map_err(Error::protocol)?;
                return Err(Error::from_server(error, None));
            }
            Some(Event::KeyDerivation) => {
                let Some(derivation) = driver.conversation.key_derivation() else {
                    return Err(Error::new(ErrorKind::Usage, "the key derivation is gone"));
                };
                // Milliseconds of computing: never on a thread that serves others.
                let keys = tokio::task::spawn_blocking(move || derivation.run()).await.map_err(
                    |error| {
                        Error::with_source(
                            ErrorKind::Authentication,
                            "the key derivation was stopped",
                            error,
                        )
                    },
                )?;
                driver.conversation.provide_keys(keys).map_err(Error::protocol)?;
            }
            Some(Event::Password) => {
                let password = fetch_password(endpoint, config).await?;
                let provided = driver.conversation.provide_password(password.as_bytes());
                provided.map_err(Error::protocol)?;
            }
            Some(Event::BearerToken) => {
                let provided = match fetched.take() {
                    Some(token) => driver.conversation.provide_token(Some(token)),
                    None => {
                        let token = fetch_token(config, None).await?;
                        wants_challenge = token.is_none();
                        driver.conversation.provide_token(token.as_ref())
                    }
                };
                provided.map_err(Error::protocol)?;
            }
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "an unknown event came while logging in",
                ));
            }
        }
    }
}

/// Whether the server speaks the oldest version of the protocol that will do.
fn check_version(spoken: u32, config: &Config) -> Result<()> {
    let (oldest, _) = config.protocol_versions();
    if spoken >= oldest.number() {
        return Ok(());
    }
    let message = format!(
        "the server speaks the protocol up to {}.{}, and {oldest} is asked for at least",
        spoken >> 16,
        spoken & 0xFFFF
    );
    Err(Error::new(ErrorKind::Connect, message))
}

/// Asks for the password of a login.
async fn fetch_password(endpoint: &Endpoint, config: &Config) -> Result<Zeroizing<String>> {
    let Some(provider) = config.provider() else {
        return Err(refused("nothing gives passwords"));
    };
    let request = PasswordRequest {
        endpoint: endpoint.clone(),
        user: config.user().to_owned(),
        database: config.database().unwrap_or(config.user()).to_owned(),
    };
    provider.ask(request).await.map_err(|error| {
        let message = format!("the password provider failed: {error}");
        Error::with_source(ErrorKind::Authentication, message, error)
    })
}

fn login(endpoint: &Endpoint, config: &Config) -> Result<Login> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|error| {
        Error::new(ErrorKind::Authentication, format!("no random numbers are to be had: {error}"))
    })?;
    let (_, newest) = config.protocol_versions();
    // Text must come as UTF-8, whatever the database holds; all else is the server's default.
    let mut login = Login::new(config.user(), nonce)
        .version(newest.number())
        .parameter("client_encoding", "UTF8")
        .require_auth(config.require_auth())
        .max_iterations(config.max_scram_iterations())
        .has_password(config.provider().is_some())
        .has_token(config.token_provider().is_some());
    let named = [
        ("database", config.database()),
        ("replication", config.replication()),
        ("options", Some(config.options()).filter(|options| !options.is_empty())),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in named.chain(config.settings()) {
        login = login.parameter(name, value);
    }
    if config.provider().is_none()
        && let Some(password) = config.password(endpoint)
    {
        login = login.password(&password);
    }
    Ok(login)
}
