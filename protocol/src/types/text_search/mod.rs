//! Text search: documents as [`TsVector`], what is looked for in them as [`TsQuery`] (manual: "Text Search Types").

mod lexeme;
mod vector;
mod query;

pub use lexeme::{Weight, Weights};
pub use query::{QueryItem, Term, TsQuery};
pub use vector::{Lexeme, Position, TsVector};
