//! The derive macro of stellata. Users meet it as `stellata::Model`.
//!
//! It works in three steps, one module each: `input` and `attr` read the struct, `check` finds what it means and all that
//! is wrong with it, `expand` writes data and straight-line code. Behaviour lives in `stellata`, not here.

mod names;
mod problems;
mod sql_type;

mod attr;

mod field_type;

mod input;

mod check;

mod expand;

#[cfg(test)]
mod golden;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::problems::Problems;

/// Makes a struct a model: the rows of a table.
///
/// See the documentation of `stellata::Model` for what it brings and for the options of `#[model(..)]`.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(input.into()).into()
}

fn derive(input: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let parsed = syn::parse2::<DeriveInput>(input);
    let read = parsed.map(|parsed| input::read(parsed, &mut problems));
    let code = match &read {
        Ok(Some(input)) => {
            let model = check::check(input, &mut problems);
            expand::expand(&model, problems.is_empty())
        }
        Ok(None) => TokenStream::new(),
        Err(error) => {
            problems.push(error.clone());
            TokenStream::new()
        }
    };
    let mut out = problems.into_tokens();
    out.extend(code);
    out
}
