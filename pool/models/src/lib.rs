//! Models of the pool's core, and of who drives a lane.
//!
//! The modules are the pool's own files, compiled with loom's primitives in place of the standard library's. Loom then runs
//! each model through every order in which the steps of its threads can happen, as far as the memory model lets them be
//! seen, and fails where an assertion does, or where somebody waits for ever.

#[allow(dead_code, reason = "the models use what they model; the pool uses all of it")]
#[path = "../../src/lending/mod.rs"]
mod lending;

#[allow(dead_code, reason = "as above")]
#[path = "../../src/lanes/crew.rs"]
mod crew;

#[cfg(test)]
mod models;
