//! The handle struct: a column handle per column, a method per relation.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::RelationKind;
use crate::check::Model;
use crate::expand::Generated;
use crate::expand::relation;
use crate::names;

pub(super) fn expand(model: &Model<'_>, names: &Generated) -> TokenStream {
    let name = &names.fields;
    let visibility = &model.input.visibility;
    let doc = format!(
        "What a query can name of `{}`: a handle for each column, a method for each relation.",
        names::text(&model.input.ident),
    );
    let handles = model.columns.iter().map(|column| {
        let (ident, ty) = (&column.field.ident, &column.field.ty);
        let visibility = &column.field.visibility;
        let docs = relation::docs(column.field, format!("The column `{}`.", column.name));
        quote! { #docs #visibility #ident: ::stellata::Column<R, #ty> }
    });
    let methods = model.relations.iter().enumerate().map(|(index, relation)| {
        let (ident, target) = (&relation.field.ident, &relation.target);
        let visibility = &relation.field.visibility;
        let docs =
            relation::docs(relation.field, format!("The relation `{}`.", relation.field.name));
        let handle = match relation.kind {
            RelationKind::BelongsTo | RelationKind::HasOne => quote!(One),
            RelationKind::HasMany => quote!(Many),
        };
        let index = index as u8;
        quote! {
            #docs
            #visibility fn #ident(&self) -> ::stellata::#handle<R, #target> {
                ::stellata::#handle::new(self.__path, #index)
            }
        }
    });
    let path_is_read = model.relations.is_empty().then(|| quote!(#[allow(dead_code)]));
    let methods = (!model.relations.is_empty()).then(|| {
        quote! {
            #[allow(dead_code)]
            impl<R> #name<R> { #(#methods)* }
        }
    });
    quote! {
        #[doc = #doc]
        #[allow(dead_code)]
        #visibility struct #name<R> {
            #(#handles,)*
            #path_is_read
            __path: ::stellata::Path,
        }
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
