//! Opening a connection: socket, start-up, authentication.

use std::future::Future;
use std::time::Duration;

use stellata_protocol::auth::NONCE_LEN;
use stellata_protocol::{Conversation, Event, Login};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::connection::driver::Driver;
use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;

/// Connects and logs in, within the limit of the configuration.
pub(super) async fn connect(config: &Config) -> Result<Driver> {
    within(config, async { log_in(Socket::connect(config).await?, config).await }).await
}

/// Logs in over a stream that is connected, within the limit of the configuration.
pub(super) async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    config: &Config,
) -> Result<Driver> {
    within(config, log_in(Socket::over(stream), config)).await
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

async fn log_in(socket: Socket, config: &Config) -> Result<Driver> {
    let login = login(config)?;
    let conversation = Conversation::start_with(login, config.limits()).map_err(Error::encode)?;
    let mut driver = Driver::new(socket, conversation);
    loop {
        match driver.advance()?.map(|answer| answer.event) {
            None => driver.fill().await?,
            Some(Event::ReadyForQuery) => return Ok(driver),
            Some(Event::Error) => {
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
        .allow_cleartext(config.allows_cleartext());
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
