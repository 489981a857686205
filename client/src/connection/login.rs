//! Opening a connection: socket, start-up, authentication.

use std::future::Future;
use std::time::Duration;

use stellata_protocol::auth::{BearerToken, NONCE_LEN, TokenChallenge};
use stellata_protocol::{Conversation, Event, Login};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::connection::driver::Driver;
use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;
use crate::token::TokenRequest;

/// Connects and logs in, within the limit of the configuration.
pub(super) async fn connect(config: &Config) -> Result<Driver> {
    within(config, async {
        match log_in(Socket::connect(config).await?, config, None).await? {
            Outcome::LoggedIn(driver) => Ok(*driver),
            Outcome::Challenge(challenge) => {
                let token = fetch_token(config, Some(challenge)).await?.ok_or_else(|| {
                    refused(
                        "nothing gave an OAuth token, though the server has told where to get it",
                    )
                })?;
                match log_in(Socket::connect(config).await?, config, Some(token)).await? {
                    Outcome::LoggedIn(driver) => Ok(*driver),
                    Outcome::Challenge(_) => Err(refused("the server takes no OAuth token")),
                }
            }
        }
    })
    .await
}

/// Logs in over a stream that is connected, within the limit of the configuration.
pub(super) async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    config: &Config,
) -> Result<Driver> {
    within(config, async {
        match log_in(Socket::over(stream), config, None).await? {
            Outcome::LoggedIn(driver) => Ok(*driver),
            Outcome::Challenge(_) => Err(refused(
                "there was no OAuth token at the first question, and a given stream can't be opened a second time: have \
                 the token ready",
            )),
        }
    })
    .await
}

/// What a login came to.
enum Outcome {
    LoggedIn(Box<Driver>),
    /// The server has told where tokens are to be had, and ended the session.
    Challenge(TokenChallenge),
}

async fn fetch_token(
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

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

async fn within(config: &Config, opening: impl Future<Output = Result<Driver>>) -> Result<Driver> {
    let limit = config.connect_timeout();
    if limit == Duration::MAX {
        return opening.await;
    }
    match tokio::time::timeout(limit, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("connecting and logging in took longer than {limit:?}"),
        )),
    }
}

/// Logs in, with a token that was fetched before, or one that is at hand when the server asks for it.
async fn log_in(
    socket: Socket,
    config: &Config,
    mut fetched: Option<BearerToken>,
) -> Result<Outcome> {
    let login = login(config)?;
    let conversation = Conversation::start_with(login, config.limits()).map_err(Error::encode)?;
    let mut driver = Driver::new(socket, conversation);
    let mut wants_challenge = false;
    loop {
        match driver.advance()?.map(|answer| answer.event) {
            None => driver.fill().await?,
            Some(Event::ReadyForQuery) => return Ok(Outcome::LoggedIn(Box::new(driver))),
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
            Some(Event::BearerToken) => {
                let token = match fetched.take() {
                    Some(token) => Some(token),
                    None => fetch_token(config, None).await?,
                };
                wants_challenge = token.is_none();
                let provided = driver.conversation.provide_token(token.as_ref());
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

fn login(config: &Config) -> Result<Login> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|error| {
        Error::new(ErrorKind::Authentication, format!("no random numbers are to be had: {error}"))
    })?;
    // Text must come as UTF-8, whatever the database holds; all else is the server's default.
    let mut login = Login::new(config.user(), nonce)
        .parameter("client_encoding", "UTF8")
        .allow_cleartext(config.allows_cleartext())
        .require_auth(config.require_auth())
        .max_iterations(config.max_scram_iterations())
        .has_token(config.token_provider().is_some());
    if let Some(database) = config.database() {
        login = login.parameter("database", database);
    }
    for (name, value) in config.settings() {
        login = login.parameter(name, value);
    }
    if let Some(password) = config.password() {
        login = login.password(password.as_bytes());
    }
    Ok(login)
}
