//! What a computation leaves on the stack.

use core::hint::black_box;

use zeroize::Zeroize;

/// How far down a computation with hashes reaches, with room to spare.
const REACH: usize = 16 * 1024;

/// Computes, then overwrites the stack where the computation was.
///
/// Hash functions keep what they are fed, and what they make of it, in variables of their own, and values that are
/// returned are moved: none of these copies can be reached to overwrite it. They all lie where the next call puts its own
/// variables, so that a call with enough of them overwrites them. What is returned must not be a secret itself, but it may
/// point to one on the heap.
pub(super) fn without_traces<T>(compute: impl FnOnce() -> T) -> T {
    let result = call(compute);
    overwrite();
    result
}

#[inline(never)]
fn call<T>(compute: impl FnOnce() -> T) -> T {
    compute()
}

#[inline(never)]
fn overwrite() {
    let mut stack = [0_u8; REACH];
    stack.zeroize();
    black_box(&stack);
}
