//! Which places the words name, and what they are called in the password file.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::endpoint::{Endpoint, Host};
use crate::config::environment::Environment;
use crate::config::passfile::PasswordFile;
use crate::config::words::{Words, integer};
use crate::config::{defaults, invalid};
use crate::error::Result;

/// A host, and what it was called.
pub(super) struct Place {
    name: String,
    pub(super) endpoint: Endpoint,
}

/// The hosts, their addresses and their ports: lists with commas between, of the same length; one port may stand for all.
pub(super) fn places(words: &Words) -> Result<Vec<Place>> {
    let list = |name| words.filled(name).map(|text| text.split(',').collect::<Vec<_>>());
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = addresses.as_ref().or(hosts.as_ref()).map_or(1, Vec::len);
    if let Some(hosts) = hosts.as_ref().filter(|hosts| hosts.len() != count) {
        return Err(invalid(format!("{} hosts are named, and {count} addresses", hosts.len())));
    }
    if let Some(ports) = ports.as_ref().filter(|ports| ports.len() != 1 && ports.len() != count) {
        return Err(invalid(format!("{} ports are named for {count} hosts", ports.len())));
    }
    let at = |list: &Option<Vec<&str>>, index: usize| {
        let text = list.as_ref().and_then(|list| list.get(index).copied());
        text.unwrap_or_default().to_owned()
    };
    (0..count)
        .map(|index| {
            let one_for_all = ports.as_ref().is_some_and(|ports| ports.len() == 1);
            let port = port(&at(&ports, if one_for_all { 0 } else { index }))?;
            place(at(&hosts, index), &at(&addresses, index), port)
        })
        .collect()
}

fn place(name: String, address: &str, port: u16) -> Result<Place> {
    if name.chars().skip(1).any(|c| c == '@') && !name.starts_with(['/', '@']) {
        // Most likely the rest of a password: it is not repeated.
        return Err(invalid(
            "a host holds an @; in a URL, the @ of a user or password is written %40",
        ));
    }
    let endpoint = match (name.as_str(), address) {
        ("", "") => Endpoint::at(Host::of_this_machine(port), port),
        (name, "") => Endpoint::new(name, port),
        (name, address) => {
            let address: IpAddr = address.parse().map_err(|_| {
                invalid(format!("hostaddr is a numeric address, unlike `{address}`"))
            })?;
            // With an address the way is TCP, whatever the host is called.
            let host = match Host::new(name) {
                Host::Tcp(name) if !name.is_empty() => Host::Tcp(name),
                _ => Host::Tcp(address.to_string()),
            };
            Endpoint::at(host, port).with_address(address)
        }
    };
    let name = match (name.is_empty(), address) {
        (false, _) => name,
        (true, "") => endpoint.host().to_string(),
        (true, address) => address.to_owned(),
    };
    Ok(Place { name, endpoint })
}

fn port(text: &str) -> Result<u16> {
    if text.is_empty() {
        return Ok(defaults::PORT);
    }
    let port = integer("port", text)?;
    match u16::try_from(port) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(invalid(format!("a port lies between 1 and 65535, unlike {port}"))),
    }
}

/// Reads the password file, where there is one, and tells it what the places are called.
pub(super) fn password_file(
    words: &Words,
    environment: &impl Environment,
    places: Vec<Place>,
) -> Option<PasswordFile> {
    let file = words.filled("passfile").map(PathBuf::from);
    let own = if cfg!(windows) { "postgresql/pgpass.conf" } else { ".pgpass" };
    let path = file.or_else(|| environment.home().map(|home| home.join(own)))?;
    let mut file = PasswordFile::read(path)?;
    for Place { name, endpoint } in places {
        // A folder that was given with an address is reached by TCP.
        if name != endpoint.host().to_string() {
            file.call(endpoint, name);
        }
    }
    Some(file)
}
