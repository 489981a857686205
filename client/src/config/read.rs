//! Makes a configuration of what was said: the words, and behind them the service file, the environment and the defaults.

use std::sync::Arc;
use std::time::Duration;

use stellata_protocol::auth::{RequireAuth, RequireAuthError};
use zeroize::Zeroizing;

use crate::config::encryption::tls;
use crate::config::environment::Environment;
use crate::config::places::{password_file, places};
use crate::config::protocol_version::ProtocolVersion;
use crate::config::socket_options::{Keepalive, SocketSettings};
use crate::config::words::{Words, integer, positive, variables};
use crate::config::{Config, invalid, keyword, service, url};
use crate::error::{Error, Result};

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
    config.others = endpoints.map(Arc::new).collect();
    config.database = words.filled("dbname").map(str::to_owned);
    match words.filled("password") {
        Some(password) => config.password = Some(Zeroizing::new(password.as_bytes().to_vec())),
        None => config.password_file = password_file(words, environment, places).map(Arc::new),
    }
    session(words, environment, &mut config);
    config.sockets = Arc::new(sockets(words, environment)?);
    if let Some(word) = words.get("target_session_attrs") {
        config.target_session_attrs = word.parse()?;
    }
    if let Some(word) = words.get("load_balance_hosts") {
        config.load_balance_hosts = word.parse()?;
    }
    config.protocol_versions = protocol_versions(words)?;
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

fn sockets(words: &Words, environment: &impl Environment) -> Result<SocketSettings> {
    let mut settings = SocketSettings {
        require_peer: words.filled("requirepeer").map(str::to_owned),
        tls: tls(words, environment)?,
        ..SocketSettings::default()
    };
    if let Some(text) = words.get("connect_timeout") {
        // As with libpq, what is not positive is no limit.
        let seconds = u64::try_from(integer("connect_timeout", text)?).unwrap_or(0);
        settings.connect_timeout =
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
    settings.keepalive = wanted.then_some(keepalive);
    if let Some(text) = words.get("tcp_user_timeout") {
        let limit = u64::try_from(integer("tcp_user_timeout", text)?).unwrap_or(0);
        settings.tcp_user_timeout = (limit > 0).then(|| Duration::from_millis(limit));
    }
    Ok(settings)
}

fn protocol_versions(words: &Words) -> Result<(ProtocolVersion, ProtocolVersion)> {
    let version = |name| words.get(name).map(str::parse).transpose();
    let oldest = version("min_protocol_version")?.unwrap_or(ProtocolVersion::V3_0);
    let newest = version("max_protocol_version")?.unwrap_or(oldest);
    if oldest > newest {
        return Err(invalid("min_protocol_version is newer than max_protocol_version"));
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
