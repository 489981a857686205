//! From a checked model to code: each part in a file of its own, always in the same order.

mod fields;
mod model;
mod new;
mod relation;
mod table;
mod unique;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use crate::check::Model;
use crate::names;

/// The names of the structs that are generated beside the model.
struct Generated {
    fields: Ident,
    unique: Ident,
    new: Ident,
}

impl Generated {
    fn of(model: &Model<'_>) -> Self {
        let name = names::text(&model.input.ident);
        let span = model.input.ident.span();
        Self {
            fields: format_ident!("{name}Fields", span = span),
            unique: format_ident!("{name}Unique", span = span),
            new: format_ident!("New{name}", span = span),
        }
    }
}

/// All code for a model.
///
/// A model with mistakes (`sound` is false) gets the same items, so that its users see no further errors, but nothing in
/// them that could fail to compile.
pub(crate) fn expand(model: &Model<'_>, sound: bool) -> TokenStream {
    let names = Generated::of(model);
    let fields = fields::expand(model, &names);
    let unique = unique::expand(model, &names);
    let new = new::expand(model, &names);
    let table = table::expand(model, sound);
    let handles = fields::expand_impls(model, &names);
    let impls = model::expand(model, &names, sound);
    let row = new::expand_row(model, &names, sound);
    quote! {
        #fields
        #unique
        #new
        const _: () = {
            use ::stellata::__private as __orm;
            #table
            #handles
            #impls
            #row
        };
    }
}

/// An index as a person writes it: without a suffix.
fn number(index: usize) -> Literal {
    Literal::usize_unsuffixed(index)
}
