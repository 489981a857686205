//! Models of the pool's core, and of who drives a lane.
//!
//! The modules are the pool's own files, compiled with loom's primitives in place of the standard library's. Loom then runs
//! each model through the orders in which the steps of its threads can happen, with up to n preemptions: n switches to
//! another thread at places where nobody had to wait. n is 2 to 5, as each model says; those at places where somebody has
//! to wait are not counted. All that the memory model lets be seen in such an order is tried, and a model fails where an
//! assertion does, or where somebody waits for ever.

#[allow(dead_code, reason = "the models use what they model; the pool uses all of it")]
#[path = "../../src/lending/mod.rs"]
mod lending;

#[allow(dead_code, reason = "as above")]
#[path = "../../src/lanes/crew.rs"]
mod crew;

#[cfg(test)]
mod models;
