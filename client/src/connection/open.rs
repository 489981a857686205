//! Reaching a server: all hosts, all addresses of each, until one gives the session that is wanted.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};
use stellata_protocol::SqlState;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::config::endpoint::Endpoint;
use crate::config::routing::{LoadBalanceHosts, TargetSessionAttrs};
use crate::connection::cancel::Origin;
use crate::connection::limit::within;
use crate::connection::{Connection, attempt};
use crate::error::{Error, ErrorKind, Result};
use crate::socket::{Address, Socket};

/// Tries the hosts of the configuration in turn. Each is tried by the same rules of security.
///
/// `failures` are the attempts that came to nothing, where one came to a connection.
pub(super) async fn connect(config: &Config, failures: &mut Vec<Error>) -> Result<Box<Connection>> {
    let mut endpoints: SmallVec<[_; 4]> = config.places().collect();
    put_in_order(&mut endpoints, config)?;
    let wanted = config.target_session_attrs();
    if wanted != TargetSessionAttrs::PreferStandby {
        let (connection, _) = search(&endpoints, wanted, config, failures).await?;
        return connection.ok_or_else(|| Error::of_attempts(std::mem::take(failures)));
    }
    // For a standby first; where there is none, for anything among those that could be reached.
    let standby = TargetSessionAttrs::Standby;
    let (connection, others) = search(&endpoints, standby, config, failures).await?;
    if let Some(connection) = connection {
        return Ok(connection);
    }
    let any = TargetSessionAttrs::Any;
    let (connection, _) = search(&others, any, config, failures).await?;
    connection.ok_or_else(|| Error::of_attempts(std::mem::take(failures)))
}

/// Tries hosts in turn. Gives the connection, where one could be had, and the hosts before it whose session is of another
/// kind.
async fn search<'e>(
    endpoints: &[&'e Arc<Endpoint>],
    wanted: TargetSessionAttrs,
    config: &Config,
    failures: &mut Vec<Error>,
) -> Result<(Option<Box<Connection>>, Vec<&'e Arc<Endpoint>>)> {
    let mut unfit = Vec::new();
    for endpoint in endpoints {
        match try_host(endpoint, wanted, config, failures).await {
            Ok(Some(connection)) => return Ok((Some(connection), unfit)),
            Ok(None) if failures.last().is_some_and(Error::is_unfit) => unfit.push(*endpoint),
            Ok(None) => {}
            Err(error) => {
                failures.push(remark(error, endpoint, config));
                return Err(Error::of_attempts(std::mem::take(failures)));
            }
        }
    }
    Ok((None, unfit))
}

/// Logs in over a stream that the caller has opened.
pub(super) async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    config: &Config,
) -> Result<Box<Connection>> {
    let attempt = pin!(async {
        let driver = attempt::over(Socket::over(stream), config).await?;
        let connection = Connection::new(driver, None, config);
        if_wanted(connection, &"the server", config.target_session_attrs()).await
    });
    let limit = Some(config.connect_timeout());
    let opened = within(limit, || "logging in".to_owned(), attempt).await;
    opened.map_err(|error| remark(error, config.endpoint(), config))
}

/// Tries the addresses of a host in turn. `None` when the next host is to be tried: why is in `failures` then.
async fn try_host(
    endpoint: &Arc<Endpoint>,
    wanted: TargetSessionAttrs,
    config: &Config,
    failures: &mut Vec<Error>,
) -> Result<Option<Box<Connection>>> {
    let addresses: SmallVec<[Address; 1]> = match Address::known(endpoint)? {
        Some(address) => smallvec![address],
        None => match look_up(endpoint, config).await {
            Ok(mut addresses) => {
                put_in_order(&mut addresses, config)?;
                addresses.into()
            }
            Err(error) => {
                failures.push(error);
                return Ok(None);
            }
        },
    };
    for address in addresses {
        let attempt = pin!(try_address(&address, wanted, config));
        let what = || format!("{address}: connecting and logging in");
        match within(Some(config.connect_timeout()), what, attempt).await {
            Ok(connection) => return Ok(Some(connection)),
            Err(error) => match next(&error) {
                Next::Address => failures.push(error),
                Next::Host => {
                    failures.push(error);
                    return Ok(None);
                }
                Next::Nothing => return Err(error),
            },
        }
    }
    Ok(None)
}

async fn look_up(endpoint: &Arc<Endpoint>, config: &Config) -> Result<Vec<Address>> {
    let limit = config.phase_limits().reach().unwrap_or(Duration::MAX);
    let limit = limit.min(config.connect_timeout());
    let what = || format!("looking up {endpoint}");
    within(Some(limit), what, pin!(Address::look_up(endpoint))).await
}

async fn try_address(
    address: &Address,
    wanted: TargetSessionAttrs,
    config: &Config,
) -> Result<Box<Connection>> {
    let driver = attempt::at(address, config).await?;
    let origin = Origin::new(address.clone(), driver.is_encrypted(), config.sockets());
    let connection = Connection::new(driver, Some(origin), config);
    if_wanted(connection, address, wanted).await
}

/// The connection, if its session is of the kind that is wanted.
async fn if_wanted(
    mut connection: Box<Connection>,
    server: &(dyn fmt::Display + Sync),
    wanted: TargetSessionAttrs,
) -> Result<Box<Connection>> {
    match mismatch(&mut connection, wanted).await? {
        None => Ok(connection),
        Some(is) => {
            connection.close().await;
            Err(Error::unfit(format!(
                "{server} is {is}, and target_session_attrs={wanted} asks for another"
            )))
        }
    }
}

/// What is to be tried after an error.
enum Next {
    Address,
    Host,
    Nothing,
}

/// As with libpq, a server that refuses the login ends the search; one that can't be reached, is silent or gone, can't
/// serve now or gives another kind of session does not.
fn next(error: &Error) -> Next {
    if error.is_unfit() || error.sqlstate() == Some(SqlState::CANNOT_CONNECT_NOW) {
        return Next::Host;
    }
    match error.kind() {
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Io | ErrorKind::Closed => {
            Next::Address
        }
        _ => Next::Nothing,
    }
}

/// What the session is, where that is not what is wanted. Servers report it; what does not, a pooler perhaps, is asked.
async fn mismatch(
    connection: &mut Connection,
    wanted: TargetSessionAttrs,
) -> Result<Option<&'static str>> {
    let (about_standby, good) = match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => return Ok(None),
        TargetSessionAttrs::ReadWrite => (false, false),
        TargetSessionAttrs::ReadOnly => (false, true),
        TargetSessionAttrs::Primary => (true, false),
        TargetSessionAttrs::Standby => (true, true),
    };
    let reported = |name| connection.parameter(name).map(|value| value == "on");
    let (standby, read_only) =
        (reported("in_hot_standby"), reported("default_transaction_read_only"));
    let is = if about_standby {
        match standby {
            Some(standby) => standby,
            None => ask(connection, "select pg_catalog.pg_is_in_recovery()").await?,
        }
    } else {
        match (standby, read_only) {
            (Some(standby), Some(read_only)) => standby || read_only,
            _ => ask(connection, "show transaction_read_only").await?,
        }
    };
    Ok((is != good).then_some(match (about_standby, is) {
        (false, true) => "read-only",
        (false, false) => "not read-only",
        (true, true) => "a standby",
        (true, false) => "no standby",
    }))
}

/// Asks a question whose answer is yes or no.
async fn ask(connection: &mut Connection, question: &str) -> Result<bool> {
    let results = connection.simple(question).await?;
    // Asking has left nothing in the session.
    connection.mark_clean();
    let answer = results.into_iter().flat_map(|result| result.rows).flatten().flatten().next();
    Ok(matches!(answer.as_deref(), Some("on" | "t")))
}

/// Says of a login that failed for want of the right password where that was to come from.
fn remark(error: Error, endpoint: &Endpoint, config: &Config) -> Error {
    match config.password_remark(endpoint) {
        Some(remark) if error.kind() == ErrorKind::Authentication => error.with_note(remark),
        _ => error,
    }
}

fn put_in_order<T>(items: &mut [T], config: &Config) -> Result<()> {
    if config.load_balance_hosts() == LoadBalanceHosts::Disable || items.len() < 2 {
        return Ok(());
    }
    let mut failure = None;
    shuffle(items, || match getrandom::u64() {
        Ok(number) => number,
        Err(error) => {
            failure = Some(error);
            0
        }
    });
    match failure {
        Some(error) => {
            Err(Error::new(ErrorKind::Connect, format!("no random numbers are to be had: {error}")))
        }
        None => Ok(()),
    }
}

/// Puts items into an order, each as likely as the others, by numbers that are drawn.
fn shuffle<T>(items: &mut [T], mut draw: impl FnMut() -> u64) {
    for count in (2..=items.len()).rev() {
        // A lot of 64 bits falls on some of a few items more often than on others by less than one in 2^58.
        let lot = usize::try_from(draw() % u64::try_from(count).unwrap_or(1)).unwrap_or(0);
        items.swap(count - 1, lot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_up_about_as_often() {
        // A small generator of our own (xorshift), so that the test says the same each time.
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut items = [1, 2, 3];
            shuffle(&mut items, || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            });
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6, "{counts:?}");
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
