//! Connection strings that are URLs: `postgres://user:password@host:port/database?word=value` (manual, "Connection URIs").

use zeroize::Zeroizing;

use crate::config::invalid;
use crate::config::words::{Words, is_secret};
use crate::error::{Error, Result};

/// What stands behind `postgres://` or `postgresql://`, if the text is a URL of ours.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Reads a URL, without its scheme, into `words`.
///
/// Each part may be left out and may be percent-encoded. There may be several hosts, each with a port, with commas
/// between.
pub(super) fn read(text: &str, words: &mut Words) -> Result<()> {
    let authority_end = text.find('/').unwrap_or(text.len());
    let mut rest = text;
    if let Some(at) = text.find('@').filter(|at| *at < authority_end) {
        let (login, behind) = text.split_at(at);
        rest = behind.strip_prefix('@').unwrap_or(behind);
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        set(words, "user", user)?;
        set(words, "password", password)?;
    }
    let (hosts, ports, behind) = places(rest)?;
    set(words, "host", &hosts)?;
    set(words, "port", &ports)?;
    let (database, query) = match behind.strip_prefix('/') {
        Some(behind) => behind.split_once('?').unwrap_or((behind, "")),
        None => ("", behind.strip_prefix('?').unwrap_or("")),
    };
    set(words, "dbname", database)?;
    // A password with a / in it ends up here: nothing of it may be repeated.
    let suspicious = text.get(authority_end..).is_some_and(|behind| behind.contains('@'));
    pairs(query, words, suspicious)
}

/// Notes a part that is not left out.
fn set(words: &mut Words, name: &str, encoded: &str) -> Result<()> {
    if encoded.is_empty() {
        return Ok(());
    }
    words.set(name, &decode(encoded, name)?, false)
}

/// Reads `host:port,host:port`: the hosts with commas between, the ports likewise, and what stands behind them.
fn places(text: &str) -> Result<(String, String, &str)> {
    let (mut hosts, mut ports) = (String::new(), String::new());
    let mut rest = text;
    loop {
        if let Some(address) = rest.strip_prefix('[') {
            let (address, behind) = address
                .split_once(']')
                .ok_or_else(|| invalid("an IPv6 address of the URL has no closing bracket"))?;
            if address.is_empty() {
                return Err(invalid("the brackets of the URL hold no IPv6 address"));
            }
            if !behind.is_empty() && !behind.starts_with([':', '/', '?', ',']) {
                return Err(invalid(
                    "behind an IPv6 address of the URL stands neither port nor path",
                ));
            }
            hosts.push_str(address);
            rest = behind;
        } else {
            let (host, behind) = split(rest, &[':', '/', '?', ',']);
            hosts.push_str(host);
            rest = behind;
        }
        if let Some(behind) = rest.strip_prefix(':') {
            let (port, behind) = split(behind, &['/', '?', ',']);
            ports.push_str(port);
            rest = behind;
        }
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return Ok((hosts, ports, rest)),
        }
        hosts.push(',');
        ports.push(',');
    }
}

/// Parts a text before the first of these characters.
fn split<'t>(text: &'t str, ends: &[char]) -> (&'t str, &'t str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Reads `word=value&word=value`.
fn pairs(query: &str, words: &mut Words, suspicious: bool) -> Result<()> {
    let mut rest = query;
    let mut after_secret = suspicious;
    while !rest.is_empty() {
        let (pair, behind) = rest.split_once('&').unwrap_or((rest, ""));
        rest = behind;
        // The text itself is not repeated: it may be a part of a password that was not encoded.
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            invalid("something behind the ? of the URL is not of the form word=value")
        })?;
        if value.contains('=') {
            return Err(invalid("a value behind the ? of the URL holds a =, which is written %3D"));
        }
        let name = decode(name, "a word behind the ?")?;
        let value = decode(value, "a value behind the ?")?;
        match (name.as_str(), value.as_str()) {
            // As JDBC writes it.
            ("ssl", "true") => words.set("sslmode", "require", after_secret)?,
            (name, value) => words.set(name, value, after_secret)?,
        }
        after_secret = suspicious || is_secret(&name);
    }
    Ok(())
}

/// Reads percent-encoding. Spaces before and behind are dropped; one inside is an error.
fn decode(text: &str, what: &str) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.trim_matches(' ').bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' => return Err(invalid(format!("{what} holds a space, which is written %20"))),
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
                    return Err(wrong_percent(what));
                };
                match u8::try_from(high * 16 + low) {
                    Ok(0) | Err(_) => return Err(invalid(format!("{what} holds a NUL"))),
                    Ok(byte) => bytes.push(byte),
                }
            }
            byte => bytes.push(byte),
        }
    }
    let text = str::from_utf8(&bytes).map_err(|_| invalid(format!("{what} is not UTF-8")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn wrong_percent(what: &str) -> Error {
    invalid(format!("{what} holds a % that two hexadecimal digits do not follow"))
}
