//! Values of every type against what a real server makes of them.

mod agreement;
mod printed;

mod bits;
mod columns;
mod discovery;
mod extension;
mod geometry;
mod nested;
mod network;
mod numbers;
mod oracle;
mod system;
mod text_search;
mod times;
mod user;
