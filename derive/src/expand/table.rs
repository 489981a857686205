//! The table as data.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::check::{Column, Index, Model};
use crate::expand::relation;
use crate::names;
use crate::sql_type;

pub(super) fn expand(model: &Model<'_>, sound: bool) -> TokenStream {
    let model_name = names::text(&model.input.ident);
    let table = &model.table;
    let schema = match &model.schema {
        Some(schema) => quote!(::core::option::Option::Some(#schema)),
        None => quote!(::core::option::Option::None),
    };
    let columns = model.columns.iter().filter(|_| sound).map(column);
    let key = model.key.iter().map(|index| *index as u16);
    let uniques = model.uniques.iter().map(|unique| index(&quote!(UniqueDef), unique));
    let indexes = model.indexes.iter().map(|plain| index(&quote!(IndexDef), plain));
    let relations =
        model.relations.iter().filter(|_| sound).map(|it| relation::definition(model, it));
    quote! {
        static TABLE: __stellata::Table = __stellata::Table {
            model: #model_name,
            schema: #schema,
            name: #table,
            columns: &[#(#columns,)*],
            key: &[#(#key),*],
            uniques: &[#(#uniques,)*],
            indexes: &[#(#indexes,)*],
            relations: &[#(#relations,)*],
        };
    }
}

fn column(column: &Column<'_>) -> TokenStream {
    let (field, name, ty) = (&column.field.name, &column.name, &column.field.ty);
    let options = &column.field.options;
    let sql_type = options.sql_type.as_ref().map(|given| {
        let oid = sql_type::oid_constant(&given.value()).unwrap_or("UNSPECIFIED");
        let oid = Ident::new(oid, Span::call_site());
        quote!(.sql_type(#given, __stellata::Oid::#oid))
    });
    let default = options.default_sql.as_ref().map(|given| quote!(.default_sql(#given)));
    let identity = options.identity.map(|_| quote!(.identity()));
    let made = quote_spanned!(ty.span()=> __stellata::column::<#ty>(#field, #name));
    quote! { #made #sql_type #default #identity }
}

fn index(definition: &TokenStream, index: &Index) -> TokenStream {
    let columns = index.columns.iter().map(|index| *index as u16);
    let name = match &index.name {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    quote! { __stellata::#definition { name: #name, columns: &[#(#columns),*] } }
}
