//! Values of PostgreSQL types, held against what a live server makes of them.

mod agreement;
mod printed;

mod bits;
mod columns;
mod geometry;
mod network;
mod numbers;
mod system;
mod text_search;
mod times;
