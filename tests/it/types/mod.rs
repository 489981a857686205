//! Values of PostgreSQL types, held against what a live server makes of them.

mod printed;

mod bits;
mod geometry;
mod network;
mod system;
mod text_search;
