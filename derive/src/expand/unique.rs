//! The handle struct of unique keys.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::check::Model;
use crate::expand::{Generated, number};
use crate::names;

pub(super) fn expand(model: &Model<'_>, names: &Generated) -> TokenStream {
    let (name, ident) = (&names.unique, &model.input.ident);
    let visibility = &model.input.visibility;
    let doc = format!(
        " The unique keys of `{}`: what an upsert can be decided by.",
        names::text(&model.input.ident),
    );
    let mut declared = Vec::new();
    let mut made = Vec::new();
    for columns in keys(model) {
        let fields: Vec<&str> =
            columns.iter().map(|index| model.columns[*index].field.name.as_str()).collect();
        let field = key_ident(&fields.join("_"));
        let doc = format!(" The unique key over `{}`.", fields.join("`, `"));
        let indices = columns.iter().map(|index| number(*index));
        declared.push(quote! { #[doc = #doc] #visibility #field: ::stellata::UniqueKey<#ident> });
        made.push(quote! { #field: ::stellata::UniqueKey::new(&[#(#indices),*]) });
    }
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        #[allow(dead_code, missing_debug_implementations)]
        #visibility struct #name {
            #(#declared,)*
        }
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#made,)* }
            }
        }
    }
}

/// The columns of each unique key, the primary key first. `check` has seen to it that no two get the same name.
fn keys<'m>(model: &'m Model<'_>) -> impl Iterator<Item = &'m [usize]> {
    let primary = (!model.key.is_empty()).then_some(model.key.as_slice());
    primary.into_iter().chain(model.uniques.iter().map(|unique| unique.columns.as_slice()))
}

/// An identifier of any name that is made of identifiers, raw where it is a keyword.
fn key_ident(name: &str) -> Ident {
    syn::parse_str::<Ident>(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site()))
}
