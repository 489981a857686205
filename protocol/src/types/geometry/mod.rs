//! Geometric types: [`Point`], [`Line`], [`Segment`], [`Rectangle`], [`Path`], [`Polygon`], [`Circle`] (manual: "Geometric
//! Types").
//!
//! Coordinates are `float8`, and each of their bits is kept. They are printed as the server prints them, with the fewest
//! digits that are read back as the same number. The feature `geo` has the same types of the crate `geo-types`.
//!
//! A `NaN` is equal to nothing in Rust, itself included; to the server all are equal.

mod shape;
mod point;
mod line;
mod area;
mod chain;
#[cfg(feature = "geo")]
mod geo;

pub use area::{Circle, Rectangle};
pub use chain::{Path, Polygon};
pub use line::{Line, Segment};
pub use point::Point;
