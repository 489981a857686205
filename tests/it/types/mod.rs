//! Values of every type against what a real server makes of them.

mod agreement;
mod printed;

mod bits;
mod columns;
mod geometry;
mod network;
mod numbers;
mod oracle;
mod system;
mod text_search;
mod times;
