//! Logging in: passwords of all kinds, tokens, whose threads compute, and what must not show.

mod advisories;
mod passwords;
mod secrets;
mod threads;
mod token;

use stellata_client::{Config, SslMode, TlsSettings};

/// A login in plain: the scripted servers here are asked for nothing before the session begins.
fn plain(user: &str) -> Config {
    Config::new("127.0.0.1", user).with_tls(TlsSettings::new(SslMode::Disable))
}
