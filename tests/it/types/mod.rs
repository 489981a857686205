//! Values of every type against what a real server makes of them.

mod agreement;
mod numbers;
mod oracle;
mod times;
