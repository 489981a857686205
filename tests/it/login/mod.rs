//! Logging in: passwords of all kinds, tokens, whose threads compute, and what must not show.

mod advisories;
mod passwords;
mod secrets;
mod threads;
mod token;
