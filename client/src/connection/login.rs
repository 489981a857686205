//! Start-up and authentication.

use stellata_protocol::auth::NONCE_LEN;
use stellata_protocol::{Conversation, Event, Login};

use crate::config::Config;
use crate::connection::driver::Driver;
use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;
use crate::tls::SslMode;

/// Logs in over a socket on which no session has begun. `end_point` is the hash of the server's certificate, where there
/// is one.
pub(super) async fn log_in(
    socket: Socket,
    end_point: Option<Vec<u8>>,
    config: &Config,
) -> Result<Driver> {
    let verified = socket.is_encrypted() && config.tls().mode() == SslMode::VerifyFull;
    let login = login(config)?
        .allow_cleartext(config.allows_cleartext() || verified)
        .channel_binding(config.tls().channel_binding(), end_point);
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
    let mut login = Login::new(config.user(), nonce).parameter("client_encoding", "UTF8");
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
