//! The handle struct: a column handle per column, a method per relation.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::RelationKind;
use crate::check::Model;
use crate::expand::{Generated, number};
use crate::input::Field;
use crate::names;

pub(super) fn expand(model: &Model<'_>, names: &Generated) -> TokenStream {
    let name = &names.fields;
    let visibility = &model.input.visibility;
    let doc = format!(
        " What a query can name of `{}`: a handle for each column, a method for each relation.",
        names::text(&model.input.ident),
    );
    let handles = model.columns.iter().map(|column| {
        let (ident, ty) = (&column.field.ident, &column.field.ty);
        let visibility = &column.field.visibility;
        let docs = docs(column.field, &format!(" The column `{}`.", column.name));
        quote! { #docs #visibility #ident: ::stellata::Column<R, #ty> }
    });
    quote! {
        #[doc = #doc]
        #[allow(dead_code, missing_debug_implementations)]
        #visibility struct #name<R> {
            #(#handles,)*
            __path: ::stellata::Path,
        }
    }
}

/// What the struct can do.
pub(super) fn expand_impls(model: &Model<'_>, names: &Generated) -> TokenStream {
    let name = &names.fields;
    let methods = model.relations.iter().enumerate().map(|(index, relation)| {
        let index = number(index);
        let (ident, target) = (&relation.field.ident, &relation.target);
        let visibility = &relation.field.visibility;
        let doc = format!(" The relation `{}`.", relation.field.name);
        let docs = docs(relation.field, &doc);
        let handle = match relation.kind {
            RelationKind::BelongsTo | RelationKind::HasOne => quote!(One),
            RelationKind::HasMany => quote!(Many),
        };
        quote! {
            #docs
            #visibility fn #ident(&self) -> __orm::#handle<R, #target> {
                __orm::#handle::new(self.__path, &TABLE, #index)
            }
        }
    });
    let methods = (!model.relations.is_empty()).then(|| {
        quote! {
            #[allow(dead_code)]
            impl<R> #name<R> { #(#methods)* }
        }
    });
    quote! {
        #methods
        #[automatically_derived]
        impl<R> ::core::clone::Clone for #name<R> {
            fn clone(&self) -> Self {
                *self
            }
        }
        #[automatically_derived]
        impl<R> ::core::marker::Copy for #name<R> {}
    }
}

/// The user's doc comments, or the given text where there are none.
fn docs(field: &Field, otherwise: &str) -> TokenStream {
    match field.docs.as_slice() {
        [] => quote!(#[doc = #otherwise]),
        docs => quote!(#(#docs)*),
    }
}
