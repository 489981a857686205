//! Opening a connection: encrypted or in plain, in the order that `sslmode` says (manual, "SSL Support").

use std::future::Future;
use std::time::Duration;

use stellata_protocol::SqlState;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::{Config, Host};
use crate::connection::driver::Driver;
use crate::connection::login::log_in;
use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;
use crate::tls::{Opened, SslMode, Tls};

/// Connects and logs in, within the limit of the configuration.
pub(super) async fn connect(config: &Config) -> Result<Driver> {
    within(config, attempts(config)).await
}

/// Logs in over a stream that is connected, within the limit of the configuration.
pub(super) async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    config: &Config,
) -> Result<Driver> {
    let socket = Socket::over(stream);
    within(config, async {
        match prepare(config).await? {
            // A second attempt would need a second stream.
            None => log_in(socket, None, config).await,
            Some(_) if config.tls().mode() == SslMode::Allow => log_in(socket, None, config).await,
            Some(tls) => match tls.open(socket).await? {
                Opened::Unwilling(socket) => in_plain(socket, config).await,
                Opened::Encrypted { stream, end_point } => {
                    log_in(Socket::Tls(stream), end_point, config).await
                }
            },
        }
    })
    .await
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

/// Makes ready for encryption, where it is not out of the question.
async fn prepare(config: &Config) -> Result<Option<Tls>> {
    match config.host() {
        Host::Tcp(host) => Tls::prepare(config.tls(), host).await,
        Host::Unix(_) => Ok(None),
    }
}

/// Makes one attempt, or two where the mode leaves it open whether to encrypt. From [`SslMode::Require`] on there is no
/// way to a connection in plain.
async fn attempts(config: &Config) -> Result<Driver> {
    let Some(tls) = prepare(config).await? else {
        return log_in(Socket::connect(config).await?, None, config).await;
    };
    if config.tls().mode() == SslMode::Allow {
        let first = match log_in(Socket::connect(config).await?, None, config).await {
            Err(error) if is_refused(&error) => error,
            done => return done,
        };
        let second = match tls.open(Socket::connect(config).await?).await {
            Ok(Opened::Encrypted { stream, end_point }) => {
                log_in(Socket::Tls(stream), end_point, config).await
            }
            Ok(Opened::Unwilling(_)) => return Err(first),
            Err(error) => Err(error),
        };
        return second.map_err(|second| telling(first, second));
    }
    let first = match tls.open(Socket::connect(config).await?).await {
        Ok(Opened::Unwilling(socket)) => return in_plain(socket, config).await,
        Ok(Opened::Encrypted { stream, end_point }) => {
            match log_in(Socket::Tls(stream), end_point, config).await {
                Err(error) if is_refused(&error) => error,
                done => return done,
            }
        }
        Err(error) if error.kind() == ErrorKind::Tls => error,
        Err(error) => return Err(error),
    };
    if config.tls().mode().requires_tls() {
        return Err(first);
    }
    let second = log_in(Socket::connect(config).await?, None, config).await;
    second.map_err(|second| telling(first, second))
}

/// Goes on with a server that does not encrypt, if that may be.
async fn in_plain(socket: Socket, config: &Config) -> Result<Driver> {
    let mode = config.tls().mode();
    if mode.requires_tls() {
        return Err(Error::new(
            ErrorKind::Tls,
            format!("the server does not encrypt connections, which sslmode={mode} demands"),
        ));
    }
    log_in(socket, None, config).await
}

/// Whether the server itself refused who logs in, so that it may think otherwise of a connection of the other kind. What
/// the client refused (a proof that does not hold) is never tried again.
fn is_refused(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| code.class() == "28")
}

/// The one of two errors that says more. That there is no rule for connections of the second kind says nothing.
fn telling(first: Error, second: Error) -> Error {
    if second.sqlstate() == Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION) {
        first
    } else {
        second
    }
}
