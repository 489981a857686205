//! COPY: many rows in or out by one statement (manual: "COPY", "COPY Operations").
//!
//! The modules below stand in the order of their imports.

mod options;
mod place;
mod line;
mod flow;
mod sink;
mod source;

pub use flow::CopyProgress;
pub use options::{CopyFormat, CopyHeader, CopyOptions};
pub use sink::{CopyIn, CopyRowWriter, CopyWriter};
pub use source::{CopyOut, CopyReader, CopyRows};
