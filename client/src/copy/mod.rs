//! COPY: many rows in or out by one statement (manual: "COPY", "COPY Operations").
//!
//! The modules below stand in the order of their imports.

mod table;
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
#[cfg(feature = "stream")]
mod stream;

pub use options::{CopyFormat, CopyHeader, CopyOptions};
pub use progress::CopyProgress;
pub use sink::{CopyIn, CopyRowWriter, CopyWriter};
pub use source::{CopyOut, CopyReader, CopyRows};
pub use table::CopyTable;
