//! Bytes in and out. The only code that trusts a length, and the only code that makes one.

pub(crate) mod nul;
pub(crate) mod reader;
pub(crate) mod buffer;
pub(crate) mod frame;
