//! Sessions that were recorded with real servers (see `examples/record.rs` and `data/README.md`), without one.

#![allow(clippy::print_stdout, reason = "the number of cases is part of what the tests tell")]

mod replay;

mod streams;
mod traces;
