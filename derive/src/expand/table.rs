//! The table as data.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::check::{Column, Index, Model};
use crate::expand::{number, relation};
use crate::names;
use crate::sql_type;

pub(super) fn expand(model: &Model<'_>, sound: bool) -> TokenStream {
    let model_name = names::text(&model.input.ident);
    let table = &model.table;
    let optional = |given: Option<&String>| match given {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    let database = optional(model.database.as_ref());
    let schema = optional(model.schema.as_ref());
    let columns = model.columns.iter().filter(|_| sound).map(column);
    let key = model.key.iter().map(|index| number(*index));
    let uniques = model.uniques.iter().map(|it| index(&quote!(unique), it));
    let indexes = model.indexes.iter().map(|it| index(&quote!(index), it));
    let relations =
        model.relations.iter().filter(|_| sound).map(|it| relation::definition(model, it));
    quote! {
        static TABLE: __orm::Table = __orm::Table {
            model: #model_name,
            database: #database,
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
        quote!(.sql_type(#given, __orm::Oid::#oid))
    });
    let default = options.default_sql.as_ref().map(|given| quote!(.default_sql(#given)));
    let identity = options.identity.map(|_| quote!(.identity()));
    let made = quote_spanned!(ty.span()=> <#ty as __orm::Cell>::COLUMN);
    let named = (field != name).then(|| quote!(.named(#name)));
    quote! { #made.field(#field) #named #sql_type #default #identity }
}

fn index(kind: &TokenStream, index: &Index) -> TokenStream {
    let columns = index.columns.iter().map(|index| number(*index));
    let name = index.name.as_ref().map(|name| quote!(.named(#name)));
    quote! { __orm::#kind(&[#(#columns),*])#name }
}
