//! Makes a configuration of what was said: the words, and behind them the service file, the environment and the defaults.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use stellata_protocol::auth::{ChannelBindingPolicy, RequireAuth, RequireAuthError};
use stellata_protocol::message::{PROTOCOL_3_0, PROTOCOL_3_2};
use zeroize::Zeroizing;

use crate::config::endpoint::{Endpoint, Host};
use crate::config::environment::Environment;
use crate::config::keyword::is_space;
use crate::config::passfile::{Login, PasswordFile};
use crate::config::socket_options::Keepalive;
use crate::config::words::{Words, variables};
use crate::config::{Config, FilePasswords, defaults, invalid, keyword, service, url};
use crate::error::{Error, Result};
use crate::tls::{Pem, SslMode, SslNegotiation, TlsSettings, TlsVersion};

/// Variables that become settings of the session.
const SESSION_VARIABLES: [(&str, &str); 3] =
    [("PGDATESTYLE", "datestyle"), ("PGTZ", "timezone"), ("PGGEQO", "geqo")];

/// Takes a connection string apart: a URL, or words and values.
pub(super) fn words(text: &str) -> Result<Words> {
    if text.contains('\0') {
        return Err(invalid("the connection string holds a NUL"));
    }
    let mut words = Words::new();
    match url::strip_scheme(text) {
        Some(rest) => url::read(rest, &mut words)?,
        None => keyword::read(text, &mut words)?,
    }
    Ok(words)
}

/// Notes pairs of word and value, as libpq's `PQconnectdbParams` does: an empty value says nothing, and the first
/// `dbname` may be a connection string, whose words count as if they stood in its place.
pub(super) fn pairs<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Words> {
    let mut said = Words::new();
    let mut expand = true;
    for (name, value) in pairs {
        if value.contains('\0') {
            return Err(invalid(format!("the value of `{name}` holds a NUL")));
        }
        if name == "dbname" && std::mem::take(&mut expand) && is_connection_string(value) {
            said.set_all(words(value)?);
        } else if !value.is_empty() {
            said.set_given(name, value)?;
        }
    }
    Ok(said)
}

fn is_connection_string(text: &str) -> bool {
    url::strip_scheme(text).is_some() || text.contains('=')
}

/// Makes a configuration of what was said.
pub(super) fn config(words: Words, environment: &impl Environment) -> Result<Config> {
    let words = &complete(words, environment)?;

    let user = words.filled("user").map(str::to_owned).or_else(|| environment.user_name());
    let user = user.ok_or_else(|| {
        invalid("no user is named, and the account that runs this program has no name")
    })?;
    let places = places(words)?;
    let mut endpoints = places.iter().map(|place| place.endpoint.clone());
    let first = endpoints.next().ok_or_else(|| invalid("no host is named"))?;
    let mut config = Config::at(first, &user);
    config.others = endpoints.collect();
    config.database = words.filled("dbname").map(str::to_owned);
    match words.filled("password") {
        Some(password) => config.password = Some(Zeroizing::new(password.as_bytes().to_vec())),
        None => config.file_passwords = file_passwords(words, environment, &places, &config),
    }
    session(words, environment, &mut config);
    sockets(words, &mut config)?;
    if let Some(word) = words.get("target_session_attrs") {
        config.target_session_attrs = word.parse()?;
    }
    if let Some(word) = words.get("load_balance_hosts") {
        config.load_balance_hosts = word.parse()?;
    }
    config.require_peer = words.filled("requirepeer").map(str::to_owned);
    config.protocol_versions = protocol_versions(words)?;
    config.tls = tls(words, environment)?;
    config.require_auth = require_auth(words)?;
    Ok(config)
}

/// Adds what the service file says, then what the environment says.
pub(super) fn complete(mut words: Words, environment: &impl Environment) -> Result<Words> {
    service::read(&mut words, environment)?;
    add_variables(&mut words, environment);
    Ok(words)
}

/// The environment stands in for what neither the connection string nor the service says.
fn add_variables(words: &mut Words, environment: &impl Environment) {
    for (name, variable) in variables() {
        if let Some(value) = environment.variable(variable) {
            let value = Zeroizing::new(value);
            words.set_default(name, &value);
        }
    }
    if environment.variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
        words.set_default("sslmode", "require");
    }
}

/// A host, and what it was called.
struct Place {
    name: String,
    endpoint: Endpoint,
}

/// The hosts, their addresses and their ports: lists with commas between, of the same length; one port may stand for all.
fn places(words: &Words) -> Result<Vec<Place>> {
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

/// Reads a whole number as libpq does, with spaces around and perhaps a sign. A value that is none is not repeated: in a
/// URL it may be a part of a password.
fn integer(name: &str, text: &str) -> Result<i32> {
    let digits = text.trim_matches(|c| u8::try_from(c).is_ok_and(is_space));
    digits.parse().map_err(|_| invalid(format!("the value of {name} is no whole number")))
}

/// A number of seconds or so, which may not be negative.
fn positive(words: &Words, name: &str) -> Result<Option<u32>> {
    let Some(text) = words.get(name) else { return Ok(None) };
    let number = integer(name, text)?;
    let number = u32::try_from(number).map_err(|_| invalid(format!("{name} is negative")))?;
    Ok(Some(number).filter(|number| *number > 0))
}

/// Looks the password of each host up in the password file.
fn file_passwords(
    words: &Words,
    environment: &impl Environment,
    places: &[Place],
    config: &Config,
) -> Option<FilePasswords> {
    let file = words.filled("passfile").map(PathBuf::from);
    let own = if cfg!(windows) { "postgresql/pgpass.conf" } else { ".pgpass" };
    let path = file.or_else(|| environment.home().map(|home| home.join(own)))?;
    let file = PasswordFile::read(&path);
    let refused = match file {
        PasswordFile::Absent => return None,
        PasswordFile::Refused(reason) => Some(reason),
        PasswordFile::Lines(_) => None,
    };
    let database = config.database().unwrap_or(config.user());
    let found = places.iter().filter_map(|Place { name, endpoint }| {
        // The folders of this machine's servers are called `localhost` there.
        let own = defaults::SOCKET_FOLDERS.contains(&name.as_str());
        let host = if own { defaults::HOST } else { name };
        let login = Login { host, port: endpoint.port(), database, user: config.user() };
        file.find(&login).map(|password| (endpoint.clone(), password))
    });
    Some(FilePasswords { found: found.collect(), path, refused })
}

/// What is told to the server when the session begins.
fn session(words: &Words, environment: &impl Environment, config: &mut Config) {
    config.options = words.filled("options").unwrap_or_default().to_owned();
    config.replication = words.filled("replication").map(str::to_owned);
    for (variable, setting) in SESSION_VARIABLES {
        let value = environment.variable(variable);
        if let Some(value) = value.filter(|value| !value.eq_ignore_ascii_case("default")) {
            config.set(setting, &value);
        }
    }
    let name = words.filled("application_name").or(words.filled("fallback_application_name"));
    if let Some(name) = name {
        config.set("application_name", name);
    }
}

fn sockets(words: &Words, config: &mut Config) -> Result<()> {
    if let Some(text) = words.get("connect_timeout") {
        // As with libpq, what is not positive is no limit.
        let seconds = u64::try_from(integer("connect_timeout", text)?).unwrap_or(0);
        config.connect_timeout =
            if seconds == 0 { Duration::MAX } else { Duration::from_secs(seconds) };
    }
    let wanted = match words.get("keepalives") {
        Some(text) => integer("keepalives", text)? != 0,
        None => true,
    };
    let seconds = |name| {
        Ok::<_, Error>(positive(words, name)?.map(|number| Duration::from_secs(number.into())))
    };
    let mut keepalive = Keepalive::new();
    if let Some(idle) = seconds("keepalives_idle")? {
        keepalive = keepalive.with_idle(idle);
    }
    if let Some(interval) = seconds("keepalives_interval")? {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(count) = positive(words, "keepalives_count")? {
        keepalive = keepalive.with_count(count);
    }
    config.keepalive = wanted.then_some(keepalive);
    if let Some(text) = words.get("tcp_user_timeout") {
        let limit = u64::try_from(integer("tcp_user_timeout", text)?).unwrap_or(0);
        config.tcp_user_timeout = (limit > 0).then(|| Duration::from_millis(limit));
    }
    Ok(())
}

fn protocol_versions(words: &Words) -> Result<(u32, u32)> {
    let version = |name| match words.get(name) {
        None => Ok(None),
        Some("3.0") => Ok(Some(PROTOCOL_3_0)),
        Some("3.2" | "latest") => Ok(Some(PROTOCOL_3_2)),
        Some(word) => Err(invalid(format!("{name} is one of 3.0 3.2 latest; not `{word}`"))),
    };
    let oldest = version("min_protocol_version")?.unwrap_or(PROTOCOL_3_0);
    let newest = version("max_protocol_version")?.unwrap_or(oldest);
    if oldest > newest {
        return Err(invalid("min_protocol_version is newer than max_protocol_version"));
    }
    Ok((oldest, newest))
}

fn tls(words: &Words, environment: &impl Environment) -> Result<TlsSettings> {
    let system = words.get("sslrootcert") == Some("system");
    let mode = match words.get("sslmode") {
        Some(word) => word.parse()?,
        None if system => SslMode::VerifyFull,
        None => SslMode::default(),
    };
    if system && mode != SslMode::VerifyFull {
        return Err(invalid(format!(
            "sslrootcert=system needs sslmode=verify-full: with {mode} anybody's certificate would do"
        )));
    }
    let mut tls = TlsSettings::new(mode);
    let folder = environment
        .home()
        .map(|home| home.join(if cfg!(windows) { "postgresql" } else { ".postgresql" }));
    if let Some(folder) = &folder {
        tls = tls.with_folder(folder);
    }
    if let Some(word) = words.get("sslnegotiation") {
        let negotiation = word.parse()?;
        if negotiation == SslNegotiation::Direct && !mode.requires_tls() {
            return Err(invalid(format!(
                "sslnegotiation=direct needs sslmode=require, not {mode}"
            )));
        }
        tls = tls.with_negotiation(negotiation);
    }
    match words.filled("sslrootcert") {
        Some("system") => tls = tls.with_system_roots(),
        Some(file) => tls = tls.with_roots(Pem::file(file)),
        None => {}
    }
    if let Some(file) = words.filled("sslcert") {
        tls = tls.with_client_certificate(Pem::file(file));
    }
    if let Some(file) = words.filled("sslkey") {
        tls = tls.with_client_key(Pem::file(file));
    }
    if let Some(word) = words.get("sslcertmode") {
        tls = tls.with_client_certificate_mode(word.parse()?);
    }
    if let Some(file) = words.filled("sslcrl") {
        tls = tls.with_crl(Pem::file(file));
    }
    if let Some(folder) = words.filled("sslcrldir") {
        tls = tls.with_crl_folder(folder);
    }
    if let Some(word) = words.get("sslsni") {
        tls = tls.with_sni(word.starts_with('1'));
    }
    if words.filled("sslkeylogfile").is_some() {
        return Err(invalid("sslkeylogfile: keys of TLS are not written to files"));
    }
    let (oldest, newest) = tls_versions(words)?;
    tls = tls.with_versions(oldest, newest);
    if let Some(word) = words.get("channel_binding") {
        tls = tls.with_channel_binding(match word {
            "disable" => ChannelBindingPolicy::Disable,
            "prefer" => ChannelBindingPolicy::Prefer,
            "require" => ChannelBindingPolicy::Require,
            _ => {
                return Err(invalid(format!(
                    "channel_binding is one of disable prefer require; not `{word}`"
                )));
            }
        });
    }
    Ok(tls)
}

fn tls_versions(words: &Words) -> Result<(TlsVersion, TlsVersion)> {
    let is_old = |word: &str| ["TLSv1", "TLSv1.1"].iter().any(|old| old.eq_ignore_ascii_case(word));
    let oldest = match words.filled("ssl_min_protocol_version") {
        // Older versions are not spoken, so that allowing them changes nothing.
        Some(word) if is_old(word) => TlsVersion::Tls12,
        Some(word) => word.parse()?,
        None => TlsVersion::Tls12,
    };
    let newest = match words.filled("ssl_max_protocol_version") {
        Some(word) => word.parse()?,
        None => TlsVersion::Tls13,
    };
    if oldest > newest {
        return Err(invalid("ssl_min_protocol_version is newer than ssl_max_protocol_version"));
    }
    Ok((oldest, newest))
}

/// Which ways of logging in are taken; an error where one is asked for that is not to be had. `krbsrvname`, `gsslib` and
/// `gssdelegation` say how a login by Kerberos would go, and `oauth_...` how one by OAuth; without such a login they mean
/// nothing.
fn require_auth(words: &Words) -> Result<RequireAuth> {
    match words.get("gssencmode") {
        None | Some("disable" | "prefer") => {}
        Some("require") => {
            return Err(invalid("gssencmode=require: encryption by GSSAPI is not spoken; use TLS"));
        }
        Some(word) => {
            return Err(invalid(format!(
                "gssencmode is one of disable prefer require; not `{word}`"
            )));
        }
    }
    for name in ["scram_client_key", "scram_server_key"] {
        if words.get(name).is_some() {
            return Err(invalid(format!("{name}: a login by SCRAM needs the password itself")));
        }
    }
    let list = words.get("require_auth").unwrap_or_default();
    list.parse().map_err(|error: RequireAuthError| invalid(error.to_string()))
}
