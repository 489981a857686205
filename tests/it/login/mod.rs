//! Logging in: passwords of all kinds, tokens, whose threads compute, and what must not show.

mod advisories;
mod passwords;
mod provider;
mod secrets;
mod threads;
mod token;

/// A login as `me` at a scripted server, which plays its part without encryption.
fn plain(port: u16) -> stellata_client::Config {
    let url = format!("postgres://me@127.0.0.1:{port}/music?sslmode=disable");
    stellata_client::Config::parse(&url).unwrap()
}
