//! Values of every type, there and back.

mod discovery;
mod extension;
mod nested;
mod user;
