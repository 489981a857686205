//! COPY: many rows in or out by one statement (manual: "COPY", "COPY Operations").
//!
//! The modules below stand in the order of their imports.

mod options;
mod place;
mod line;
mod lines;
mod progress;
mod request;
mod inflow;
mod outflow;
mod sink;
mod source;

pub use options::{CopyFormat, CopyHeader, CopyOptions};
pub use progress::CopyProgress;
pub use sink::{CopyIn, CopyRowWriter, CopyWriter};
pub use source::{CopyOut, CopyReader, CopyRows};
