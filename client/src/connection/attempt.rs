//! An attempt at one address: encrypted or in plain, in the order that `sslmode` says (manual, "SSL Support").

use std::pin::pin;
use stellata_protocol::SqlState;
use stellata_protocol::auth::{BearerToken, TokenChallenge};

use crate::config::Config;
use crate::config::endpoint::{Endpoint, Host};
use crate::connection::driver::Driver;
use crate::connection::limit::within;
use crate::connection::login::{Outcome, fetch_token, log_in, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::socket::{Address, Socket};
use crate::tls::{Opened, SslMode, SslNegotiation, Tls};

/// How to log in at a host.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    endpoint: &'a Endpoint,
    token: Option<&'a BearerToken>,
    config: &'a Config,
}

/// Logs in at an address of a host.
pub(super) async fn at(address: &Address, config: &Config) -> Result<Box<Driver>> {
    let attempt = Attempt { endpoint: address.endpoint(), token: None, config };
    match attempt.at(address).await? {
        Outcome::LoggedIn(driver) => Ok(driver),
        Outcome::Challenge(challenge) => Box::pin(attempt.again(challenge, address)).await,
    }
}

/// Logs in over a stream that is connected.
pub(super) async fn over(socket: Socket, config: &Config) -> Result<Box<Driver>> {
    match (Attempt { endpoint: config.endpoint(), token: None, config }).over(socket).await? {
        Outcome::LoggedIn(driver) => Ok(driver),
        Outcome::Challenge(_) => Err(refused(
            "there was no OAuth token at the first question, and a given stream can't be opened a second time: have the \
             token ready",
        )),
    }
}

impl Attempt<'_> {
    /// Makes one attempt at an address, or two where the mode leaves it open whether to encrypt.
    ///
    /// What may encrypt lies on the heap, so that whoever connects in plain does not carry it about.
    async fn at(self, address: &Address) -> Result<Outcome> {
        if self.is_plain() {
            return self.log_in(self.reach(address).await?, None).await;
        }
        Box::pin(self.at_encrypting(address)).await
    }

    /// Makes an attempt with a token from where the server says that tokens are to be had.
    async fn again(self, challenge: TokenChallenge, address: &Address) -> Result<Box<Driver>> {
        let token = fetch_token(self.config, Some(challenge)).await?.ok_or_else(|| {
            refused("nothing gave an OAuth token, though the server has told where to get it")
        })?;
        match (Attempt { token: Some(&token), ..self }).at(address).await? {
            Outcome::LoggedIn(driver) => Ok(driver),
            Outcome::Challenge(_) => Err(refused("the server takes no OAuth token")),
        }
    }

    /// Makes one attempt, or two, where the settings speak of encryption. From [`SslMode::Require`] on there is no way to a
    /// connection in plain.
    async fn at_encrypting(self, address: &Address) -> Result<Outcome> {
        let Some(tls) = self.prepare().await? else {
            return self.log_in(self.reach(address).await?, None).await;
        };
        if self.mode() == SslMode::Allow {
            let first = match self.log_in(self.reach(address).await?, None).await {
                Err(error) if is_refused(&error) => error,
                done => return done,
            };
            let second = match self.open(&tls, self.reach(address).await?).await {
                Ok(Opened::Encrypted { stream, end_point }) => {
                    self.log_in(Socket::Tls(stream), end_point).await
                }
                Ok(Opened::Unwilling(_)) => return Err(first),
                Err(error) => Err(error),
            };
            return second.map_err(|second| telling(first, second));
        }
        let first = match self.open(&tls, self.reach(address).await?).await {
            Ok(Opened::Unwilling(socket)) => return self.in_plain(socket).await,
            Ok(Opened::Encrypted { stream, end_point }) => {
                match self.log_in(Socket::Tls(stream), end_point).await {
                    Err(error) if is_refused(&error) => error,
                    done => return done,
                }
            }
            Err(error) if error.kind() == ErrorKind::Tls => error,
            Err(error) => return Err(error),
        };
        if self.mode().requires_tls() {
            return Err(first);
        }
        let second = self.log_in(self.reach(address).await?, None).await;
        second.map_err(|second| telling(first, second))
    }

    /// Whether encryption is out of the question.
    fn is_plain(self) -> bool {
        let tls = self.config.tls();
        self.endpoint.host().is_unix()
            || (tls.mode() == SslMode::Disable && tls.negotiation() == SslNegotiation::Postgres)
    }

    /// Makes one attempt over a stream that is connected. A second would need a second stream.
    async fn over(self, socket: Socket) -> Result<Outcome> {
        match self.prepare().await? {
            None => self.log_in(socket, None).await,
            Some(_) if self.mode() == SslMode::Allow => self.log_in(socket, None).await,
            Some(tls) => match self.open(&tls, socket).await? {
                Opened::Unwilling(socket) => self.in_plain(socket).await,
                Opened::Encrypted { stream, end_point } => {
                    self.log_in(Socket::Tls(stream), end_point).await
                }
            },
        }
    }

    fn mode(self) -> SslMode {
        self.config.tls().mode()
    }

    /// Makes ready for encryption, where it is not out of the question.
    async fn prepare(self) -> Result<Option<Tls>> {
        match self.endpoint.host() {
            Host::Tcp(host) => Tls::prepare(self.config.tls(), host).await,
            Host::Unix(_) | Host::Abstract(_) => Ok(None),
        }
    }

    async fn reach(self, address: &Address) -> Result<Socket> {
        let limit = self.config.phase_limits().reach();
        let socket = Socket::connect(address, self.config.sockets());
        within(limit, || format!("{address}: reaching it"), pin!(socket)).await
    }

    async fn open(self, tls: &Tls, socket: Socket) -> Result<Opened<Socket>> {
        let limit = self.config.phase_limits().tls();
        within(limit, || format!("{}: agreeing on TLS", self.endpoint), pin!(tls.open(socket)))
            .await
    }

    /// Goes on with a server that does not encrypt, if that may be.
    async fn in_plain(self, socket: Socket) -> Result<Outcome> {
        let mode = self.mode();
        if mode.requires_tls() {
            return Err(Error::new(
                ErrorKind::Tls,
                format!("the server does not encrypt connections, which sslmode={mode} demands"),
            ));
        }
        self.log_in(socket, None).await
    }

    async fn log_in(self, socket: Socket, end_point: Option<Vec<u8>>) -> Result<Outcome> {
        log_in(socket, end_point, self.endpoint, self.token, self.config).await
    }
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
