//! Values of PostgreSQL types, held against what a live server makes of them.

mod agreement;
mod printed;

mod bits;
mod columns;
mod discovery;
mod exported;
mod extension;
mod geometry;
mod nested;
mod network;
mod numbers;
mod oracle;
mod page;
mod system;
mod text_search;
mod times;
mod user;
