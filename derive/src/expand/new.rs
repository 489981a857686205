//! The struct of a row that is to be inserted.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::check::Model;
use crate::expand::{Generated, number};
use crate::names;

/// The struct and its defaults.
pub(super) fn expand(model: &Model<'_>, names: &Generated) -> TokenStream {
    let name = &names.new;
    let visibility = &model.input.visibility;
    let model_name = names::text(&model.input.ident);
    let doc = format!(
        " A row of `{model_name}` that is to be inserted. Made by `new!({model_name} {{ .. }})`."
    );
    let fields = model.columns.iter().map(|column| {
        let (ident, ty) = (&column.field.ident, &column.field.ty);
        let visibility = &column.field.visibility;
        let doc = format!(" The column `{}`.", column.name);
        quote! { #[doc = #doc] #visibility #ident: ::stellata::Field<#ty> }
    });
    let by_hand = model.columns.iter().any(|column| column.field.options.default.is_some());
    let derived = (!by_hand).then(|| quote!(#[derive(::core::default::Default)]));
    let default_impl = by_hand.then(|| default_impl(model, names));
    quote! {
        #[doc = #doc]
        #derived
        #[allow(dead_code, missing_debug_implementations)]
        #visibility struct #name {
            #(#fields,)*
        }
        #default_impl
    }
}

/// The row before anything is given, where the client has defaults of its own.
fn default_impl(model: &Model<'_>, names: &Generated) -> TokenStream {
    let name = &names.new;
    let fields = model.columns.iter().map(|column| {
        let ident = &column.field.ident;
        match &column.field.options.default {
            Some(default) => quote_spanned! {default.span()=>
                #ident: ::stellata::IntoField::into_field(#default)
            },
            None => quote! { #ident: ::stellata::Field::Unset },
        }
    });
    quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#fields,)* }
            }
        }
    }
}

/// How its values become parameters.
pub(super) fn expand_row(model: &Model<'_>, names: &Generated, sound: bool) -> TokenStream {
    let (name, ident) = (&names.new, &model.input.ident);
    let columns = || (0..).map(number).zip(&model.columns);
    let words = (0..).map(number).zip(model.columns.chunks(64)).map(|(word, columns)| {
        let bits = (0..).map(number).zip(columns).map(|(bit, column)| {
            let field = &column.field.ident;
            quote! { __orm::bit(&self.#field, #bit) }
        });
        quote! { #word => #(#bits)|* }
    });
    let push = columns().filter(|_| sound).map(|(index, column)| {
        let (field, ty) = (&column.field.ident, &column.field.ty);
        let put = quote_spanned!(ty.span()=> <#ty as __orm::Cell>::put);
        quote! { #index => #put(rows, |row| &row.#field, oid, out) }
    });
    quote! {
        #[automatically_derived]
        impl __orm::NewRow for #name {
            type Model = #ident;
            #[inline]
            fn mask(&self, word: usize) -> u64 {
                match word {
                    #(#words,)*
                    _ => 0,
                }
            }
            fn write_column(
                rows: &[Self],
                column: u16,
                oid: __orm::Oid,
                out: &mut __orm::Buffer,
            ) -> __orm::Written {
                match column {
                    #(#push,)*
                    _ => __orm::no_column(),
                }
            }
        }
    }
}
