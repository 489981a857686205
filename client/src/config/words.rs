//! The words of a connection string: libpq's key words (manual, "Parameter Key Words"), and what was said for each.

use zeroize::Zeroizing;

use crate::config::invalid;
use crate::error::{Error, Result};

/// A key word, and the environment variable that stands in for it.
struct KeyWord {
    name: &'static str,
    variable: Option<&'static str>,
    /// What is said for it is a secret.
    secret: bool,
}

const fn word(name: &'static str, variable: &'static str) -> KeyWord {
    KeyWord { name, variable: Some(variable), secret: false }
}

const fn bare(name: &'static str) -> KeyWord {
    KeyWord { name, variable: None, secret: false }
}

const fn secret(name: &'static str) -> KeyWord {
    KeyWord { name, variable: None, secret: true }
}

/// The key words of libpq 18.
const KEY_WORDS: [KeyWord; 50] = [
    word("service", "PGSERVICE"),
    word("user", "PGUSER"),
    KeyWord { name: "password", variable: Some("PGPASSWORD"), secret: true },
    word("passfile", "PGPASSFILE"),
    word("channel_binding", "PGCHANNELBINDING"),
    word("connect_timeout", "PGCONNECT_TIMEOUT"),
    word("dbname", "PGDATABASE"),
    word("host", "PGHOST"),
    word("hostaddr", "PGHOSTADDR"),
    word("port", "PGPORT"),
    word("client_encoding", "PGCLIENTENCODING"),
    word("options", "PGOPTIONS"),
    word("application_name", "PGAPPNAME"),
    bare("fallback_application_name"),
    bare("keepalives"),
    bare("keepalives_idle"),
    bare("keepalives_interval"),
    bare("keepalives_count"),
    bare("tcp_user_timeout"),
    word("sslmode", "PGSSLMODE"),
    word("sslnegotiation", "PGSSLNEGOTIATION"),
    word("sslcompression", "PGSSLCOMPRESSION"),
    word("sslcert", "PGSSLCERT"),
    word("sslkey", "PGSSLKEY"),
    word("sslcertmode", "PGSSLCERTMODE"),
    secret("sslpassword"),
    word("sslrootcert", "PGSSLROOTCERT"),
    word("sslcrl", "PGSSLCRL"),
    word("sslcrldir", "PGSSLCRLDIR"),
    word("sslsni", "PGSSLSNI"),
    word("requirepeer", "PGREQUIREPEER"),
    word("require_auth", "PGREQUIREAUTH"),
    word("min_protocol_version", "PGMINPROTOCOLVERSION"),
    word("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    word("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    word("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    word("gssencmode", "PGGSSENCMODE"),
    word("krbsrvname", "PGKRBSRVNAME"),
    word("gsslib", "PGGSSLIB"),
    word("gssdelegation", "PGGSSDELEGATION"),
    bare("replication"),
    word("target_session_attrs", "PGTARGETSESSIONATTRS"),
    word("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    secret("scram_client_key"),
    secret("scram_server_key"),
    bare("oauth_issuer"),
    bare("oauth_client_id"),
    secret("oauth_client_secret"),
    bare("oauth_scope"),
    bare("sslkeylogfile"),
];

/// What other drivers and tools call it.
const ELSEWHERE: [(&str, &str); 15] = [
    ("appname", "application_name"),
    ("database", "dbname"),
    ("db", "dbname"),
    ("hostname", "host"),
    ("login", "user"),
    ("pass", "password"),
    ("pwd", "password"),
    ("server", "host"),
    ("statement_timeout", "options"),
    ("search_path", "options"),
    ("ssl", "sslmode"),
    ("timeout", "connect_timeout"),
    ("timezone", "options"),
    ("uid", "user"),
    ("username", "user"),
];

/// What was said for each key word. Values are overwritten when they are dropped, whatever they are.
pub(super) struct Words([Option<Zeroizing<String>>; KEY_WORDS.len()]);

impl Words {
    /// Nothing said.
    pub(super) const fn new() -> Self {
        Self([const { None }; KEY_WORDS.len()])
    }

    /// Notes a value; the last one counts. `requiressl` is read as `sslmode`.
    ///
    /// # Errors
    /// `name` is no key word. After a secret it is not repeated: it may be a part of a password that was not quoted.
    pub(super) fn set(&mut self, name: &str, value: &str, after_secret: bool) -> Result<()> {
        let (name, value) = match name {
            "requiressl" if value.starts_with('1') => ("sslmode", "require"),
            "requiressl" => ("sslmode", "prefer"),
            _ => (name, value),
        };
        match self.slot(name) {
            Some(slot) => {
                *slot = Some(Zeroizing::new(value.to_owned()));
                Ok(())
            }
            None => Err(unknown(name, after_secret)),
        }
    }

    /// Notes a value that was given apart from its word, so that neither is a part of the other.
    ///
    /// # Errors
    /// `name` is no key word.
    pub(super) fn set_given(&mut self, name: &str, value: &str) -> Result<()> {
        let slot = self.slot(name).ok_or_else(|| unknown(name, false))?;
        *slot = Some(Zeroizing::new(value.to_owned()));
        Ok(())
    }

    /// Notes a value for a word for which nothing has been said yet. Returns false when `name` is no key word.
    pub(super) fn set_default(&mut self, name: &str, value: &str) -> bool {
        let Some(slot) = self.slot(name) else { return false };
        slot.get_or_insert_with(|| Zeroizing::new(value.to_owned()));
        true
    }

    /// Takes over all that was said elsewhere.
    pub(super) fn set_all(&mut self, others: Self) {
        for (slot, other) in self.0.iter_mut().zip(others.0) {
            if other.is_some() {
                *slot = other;
            }
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Zeroizing<String>>> {
        self.0.get_mut(KEY_WORDS.iter().position(|word| word.name == name)?)
    }

    /// What was said for a word.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let index = KEY_WORDS.iter().position(|word| word.name == name)?;
        self.0.get(index)?.as_ref().map(|value| value.as_str())
    }

    /// What was said for a word, if it is not empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Words and values, in the order of the key words.
    #[cfg(all(test, unix))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let said = KEY_WORDS.iter().zip(&self.0);
        said.filter_map(|(word, value)| value.as_ref().map(|value| (word.name, value.as_str())))
    }
}

/// What C's `isspace` takes for a space.
pub(super) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Reads a whole number as libpq does, with spaces around and perhaps a sign. A value that is none is not repeated: in a
/// URL it may be a part of a password.
pub(super) fn integer(name: &str, text: &str) -> Result<i32> {
    let digits = text.trim_matches(is_space);
    digits.parse().map_err(|_| invalid(format!("the value of {name} is no whole number")))
}

/// A number of seconds or so, which may not be negative.
pub(super) fn positive(words: &Words, name: &str) -> Result<Option<u32>> {
    let Some(text) = words.get(name) else { return Ok(None) };
    let number = integer(name, text)?;
    let number = u32::try_from(number).map_err(|_| invalid(format!("{name} is negative")))?;
    Ok(Some(number).filter(|number| *number > 0))
}

/// Whether what is said for a word is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    KEY_WORDS.iter().any(|word| word.secret && word.name == name)
}

/// The key words that have an environment variable, with it.
pub(super) fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEY_WORDS.iter().filter_map(|word| word.variable.map(|variable| (word.name, variable)))
}

/// The error of a word that is none.
pub(super) fn unknown(name: &str, after_secret: bool) -> Error {
    if after_secret {
        return invalid(
            "what follows a secret is no setting: a value with spaces stands in quotes",
        );
    }
    let shown: String = name.chars().take(40).collect();
    let near = near(name);
    if near.is_empty() {
        invalid(format!("the setting `{shown}` is not known"))
    } else {
        let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
        invalid(format!("the setting `{shown}` is not known; near it: {}", near.join(", ")))
    }
}

/// At most three key words that may have been meant, the nearest first.
fn near(name: &str) -> Vec<&'static str> {
    let name = name.to_ascii_lowercase();
    if name.len() > 40 {
        return Vec::new();
    }
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for &(other, word) in &ELSEWHERE {
        if other == name {
            found.push((0, word));
        }
    }
    for word in &KEY_WORDS {
        let distance =
            distance(&name, word.name).min(if same_letters(&name, word.name) { 1 } else { 9 });
        if distance <= (word.name.len().min(name.len()) / 3).max(1) {
            found.push((distance, word.name));
        } else if name.len() > 3 && word.name.contains(&name) {
            found.push((4, word.name));
        }
    }
    found.sort_by_key(|(distance, _)| *distance);
    let mut words: Vec<&'static str> = Vec::new();
    for (_, word) in found {
        if !words.contains(&word) && words.len() < 3 {
            words.push(word);
        }
    }
    words
}

/// Whether two words have the same letters, perhaps in another order.
fn same_letters(a: &str, b: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<u8> = word.bytes().collect();
        letters.sort_unstable();
        letters
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

/// How many letters must be put in, taken out or changed to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let changed = diagonal + usize::from(x != *y);
            diagonal = *cell;
            *cell = changed.min(left + 1).min(*cell + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_named() {
        for (name, meant) in [
            ("database", "dbname"),
            ("pasword", "password"),
            ("ssl", "sslmode"),
            ("HOST", "host"),
            ("hots", "host"),
            ("sslmod", "sslmode"),
            ("ssl_mode", "sslmode"),
            ("timeout", "connect_timeout"),
            ("target_session_attr", "target_session_attrs"),
            ("username", "user"),
            ("sslrootcerts", "sslrootcert"),
        ] {
            let message = unknown(name, false).to_string();
            assert!(message.contains(&format!("`{name}`")), "{message}");
            let near = near(name);
            assert_eq!(near.first().copied().unwrap_or_default(), meant, "{name}: {near:?}");
        }
        assert_eq!(unknown("colour", false).to_string(), "the setting `colour` is not known");
    }

    #[test]
    fn distance_counts_letters() {
        for (a, b, count) in [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("port", "prot", 2)] {
            assert_eq!(distance(a, b), count, "{a} {b}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("sslmode", "sslmode"), 0);
    }

    #[test]
    fn after_a_secret_nothing_is_repeated() {
        assert!(!unknown("horse", true).to_string().contains("horse"));
        assert!(is_secret("password") && is_secret("sslpassword") && !is_secret("passfile"));
    }
}
