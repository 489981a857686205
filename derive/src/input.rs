//! The struct as it was written, in our own words.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Data, DeriveInput, Fields, Type, Visibility};

use crate::attr::{self, FieldOptions, StructOptions};
use crate::names;
use crate::problems::Problems;

/// A struct with named fields.
pub(crate) struct Input {
    pub(crate) ident: Ident,
    pub(crate) visibility: Visibility,
    pub(crate) options: StructOptions,
    pub(crate) fields: Vec<Field>,
}

/// One of its fields.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    /// The identifier without `r#`.
    pub(crate) name: String,
    pub(crate) visibility: Visibility,
    pub(crate) ty: Type,
    /// The doc comments.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) options: FieldOptions,
}

/// Reads a struct. `None` where it is nothing that a model can be made of.
pub(crate) fn read(input: DeriveInput, problems: &mut Problems) -> Option<Input> {
    let options = attr::of_struct(&input.attrs, problems);
    if !input.generics.params.is_empty() {
        problems.on(&input.generics, "a model can't be generic: each model is one table");
        return None;
    }
    let fields = match input.data {
        Data::Struct(data) => match data.fields {
            Fields::Named(fields) => fields.named,
            Fields::Unnamed(_) | Fields::Unit => {
                problems.on(&input.ident, "a model needs named fields: they name the columns");
                return None;
            }
        },
        Data::Enum(_) | Data::Union(_) => {
            problems.on(&input.ident, "a model is a struct with named fields");
            return None;
        }
    };
    let fields = fields
        .into_iter()
        .filter_map(|field| {
            let ident = field.ident?;
            Some(Field {
                name: names::text(&ident),
                visibility: field.vis,
                ty: without_self(&field.ty, &input.ident),
                options: attr::of_field(&field.attrs, problems),
                docs: field.attrs.into_iter().filter(|it| it.path().is_ident("doc")).collect(),
                ident,
            })
        })
        .collect();
    Some(Input { ident: input.ident, visibility: input.vis, options, fields })
}

/// The type with the struct's name in place of `Self`, which means something else in the structs that are generated.
fn without_self(ty: &Type, model: &Ident) -> Type {
    let tokens = replace_self(ty.to_token_stream(), model);
    syn::parse2(tokens).unwrap_or_else(|_| ty.clone())
}

/// The tokens with another name in place of `Self`.
pub(crate) fn replace_self(tokens: TokenStream, model: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                let mut name = model.clone();
                name.set_span(ident.span());
                TokenTree::Ident(name)
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), replace_self(group.stream(), model));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            other => other,
        })
        .collect()
}
