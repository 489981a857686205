//! Logging in: passwords of all kinds, tokens, whose threads compute, and what must not show.

mod passwords;
mod threads;
mod token;
