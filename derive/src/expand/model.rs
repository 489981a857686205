//! The traits of a model.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::check::Model;
use crate::expand::{Generated, number};
use crate::field_type;

pub(super) fn expand(model: &Model<'_>, names: &Generated, sound: bool) -> TokenStream {
    let ident = &model.input.ident;
    let (fields, unique, new) = (&names.fields, &names.unique, &names.new);
    let required = required(model).filter(|_| sound);
    let key_types = model.key.iter().map(|index| &model.columns[*index].field.ty);
    let key_type = match model.key.as_slice() {
        [_] => quote!(#(#key_types)*),
        _ => quote!((#(#key_types),*)),
    };
    let handles = handles(model, sound);
    let bodies = Bodies::of(model, sound);
    let Bodies { key, expect, from_columns, write_column, relation_mut } = &bodies;
    let key_impl = key_impl(model, &key_type, sound);
    let from_row_impl = from_row_impl(model);
    quote! {
        #[automatically_derived]
        impl __orm::Model for #ident {
            const TABLE: &'static __orm::Table = &TABLE;
            const REQUIRED: &'static [&'static str] = &[#(#required),*];
            type Fields<R> = #fields<R>;
            type Unique = #unique;
            type New = #new;
            type Key = #key_type;
            fn fields<R>(path: __orm::Path) -> #fields<R> {
                #fields { #(#handles,)* __path: path }
            }
            fn key(&self) -> Self::Key {
                #key
            }
            fn expect(
                columns: &mut __orm::Expect<'_>,
            ) -> __orm::Read<()> {
                #expect
            }
            fn from_columns(
                columns: &mut __orm::Columns<'_>,
            ) -> __orm::Read<Self> {
                #from_columns
            }
            fn write_column(&self, column: u16, out: &mut __orm::Buffer) -> __orm::Written {
                #write_column
            }
            fn relation_mut(&mut self, relation: u8) -> __orm::Found<'_> {
                #relation_mut
            }
        }
        #key_impl
        #from_row_impl
    }
}

/// How raw SQL reads the model: by position, and nothing may be left over.
fn from_row_impl(model: &Model<'_>) -> TokenStream {
    let ident = &model.input.ident;
    quote! {
        #[automatically_derived]
        impl<'r> __orm::FromRow<'r> for #ident {
            fn expect(
                columns: &mut __orm::Expect<'_>,
            ) -> __orm::Read<()> {
                <Self as __orm::Model>::expect(columns)?;
                columns.end()
            }
            fn from_row(
                columns: &mut __orm::Columns<'r>,
            ) -> __orm::Read<Self> {
                <Self as __orm::Model>::from_columns(columns)
            }
        }
    }
}

/// The fields that a new row must be given.
fn required<'m>(model: &'m Model<'_>) -> impl Iterator<Item = &'m str> {
    model
        .columns
        .iter()
        .map(|column| column.field)
        .filter(|field| {
            let options = &field.options;
            let filled = options.identity.is_some()
                || options.default_sql.is_some()
                || options.default.is_some();
            !filled && !field_type::is_option(&field.ty)
        })
        .map(|field| field.name.as_str())
}

fn handles(model: &Model<'_>, sound: bool) -> impl Iterator<Item = TokenStream> {
    (0..).map(number).zip(&model.columns).map(move |(index, column)| {
        let ident = &column.field.ident;
        let oid = match sound {
            true => quote!(TABLE.columns[#index].oid),
            false => quote!(__orm::Oid::UNSPECIFIED),
        };
        quote!(#ident: __orm::Column::new(path, #index, #oid))
    })
}

/// The bodies of the methods that touch values. In a model with mistakes they are never run and name nothing that could
/// fail to compile.
struct Bodies {
    key: TokenStream,
    expect: TokenStream,
    from_columns: TokenStream,
    write_column: TokenStream,
    relation_mut: TokenStream,
}

impl Bodies {
    fn of(model: &Model<'_>, sound: bool) -> Self {
        if !sound {
            let never = quote!(::core::unreachable!("this model does not compile"));
            return Self {
                key: never.clone(),
                expect: never.clone(),
                from_columns: never.clone(),
                write_column: never.clone(),
                relation_mut: never,
            };
        }
        let parts = model.key.iter().map(|index| {
            let field = &model.columns[*index].field.ident;
            quote!(::core::clone::Clone::clone(&self.#field))
        });
        let key = match model.key.as_slice() {
            [_] => quote!(#(#parts)*),
            _ => quote!((#(#parts),*)),
        };
        let expected = model.columns.iter().map(|column| {
            let ty = &column.field.ty;
            let expect = quote_spanned!(ty.span()=> <#ty as __orm::Cell>::expect);
            quote!(#expect(columns)?;)
        });
        let read = model.columns.iter().map(|column| {
            let (ident, ty) = (&column.field.ident, &column.field.ty);
            let read = quote_spanned!(ty.span()=> <#ty as __orm::Cell>::read);
            quote!(#ident: #read(columns)?)
        });
        let not_loaded = (0..).map(number).zip(&model.relations).map(|(index, relation)| {
            let ident = &relation.field.ident;
            let field = Ident::new(relation.kind.type_name(), Span::call_site());
            quote!(#ident: __orm::#field::not_loaded(&TABLE, #index))
        });
        let pushed = (0..).map(number).zip(&model.columns).map(|(index, column)| {
            let (ident, ty) = (&column.field.ident, &column.field.ty);
            let write = quote_spanned!(ty.span()=> <#ty as __orm::Cell>::write);
            quote! { #index => #write(&self.#ident, &TABLE, #index, out) }
        });
        Self {
            key,
            expect: quote!(#(#expected)* ::core::result::Result::Ok(())),
            from_columns: quote!(::core::result::Result::Ok(Self { #(#read,)* #(#not_loaded,)* })),
            write_column: quote! {
                match column {
                    #(#pushed,)*
                    _ => __orm::no_column(),
                }
            },
            relation_mut: relation_mut(model),
        }
    }
}

/// The field of a relation by its index.
fn relation_mut(model: &Model<'_>) -> TokenStream {
    let slots = (0..).map(number).zip(&model.relations).map(|(index, relation)| {
        let ident = &relation.field.ident;
        quote!(#index => ::core::option::Option::Some(&mut self.#ident))
    });
    match model.relations.as_slice() {
        [] => quote! {
            let _ = relation;
            ::core::option::Option::None
        },
        _ => quote! {
            match relation {
                #(#slots,)*
                _ => ::core::option::Option::None,
            }
        },
    }
}

/// The key's type as the name of one row.
fn key_impl(model: &Model<'_>, key_type: &TokenStream, sound: bool) -> TokenStream {
    let ident = &model.input.ident;
    let pushed = model.key.iter().enumerate().map(|(part, column)| {
        let ty = &model.columns[*column].field.ty;
        let push = quote_spanned!(ty.span()=> <#ty as __orm::Cell>::push);
        let (part, column) = (number(part), number(*column));
        let value = match model.key.as_slice() {
            [_] => quote!(self),
            _ => quote!(&self.#part),
        };
        quote!(#push(#value, &TABLE, #column, out))
    });
    let body = match model.key.as_slice() {
        [_] if sound => quote!(#(#pushed)*),
        _ if sound => quote!(#(#pushed?;)* ::core::result::Result::Ok(())),
        _ => quote!(::core::unreachable!("this model does not compile")),
    };
    quote! {
        #[automatically_derived]
        impl __orm::Key<#ident> for #key_type {
            fn push(&self, out: &mut __orm::Params) -> __orm::Written {
                #body
            }
        }
    }
}
