//! Names that no other test process makes.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Eight hexadecimal digits at random: the standard library seeds its hashers from the system.
pub(crate) fn word() -> String {
    format!("{:08x}", RandomState::new().build_hasher().finish() >> 32)
}
