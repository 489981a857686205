//! Random schedules of the pool's core.
//!
//! The module is the pool's own file, compiled with shuttle's primitives in place of the standard library's. Loom's models
//! (`pool/models`) try the orders of a few steps of two or three threads, with up to 5 preemptions; here eight threads make many steps, in orders
//! that are drawn. What fails prints the order, and `shuttle::replay` runs it again. Atomics are sequentially consistent
//! here, so that what hangs on a fence or an ordering is for loom to find.

#[allow(dead_code, reason = "the schedules use what they try; the pool uses all of it")]
#[path = "../../src/lending/mod.rs"]
mod lending;

#[cfg(test)]
mod schedules;
