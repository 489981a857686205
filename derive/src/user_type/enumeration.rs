//! `#[derive(PgEnum)]`.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Fields};

use crate::problems::Problems;
use crate::user_type::options;
use crate::user_type::shared::{
    PartNames, UserType, refuse_generics, rule, sql_name, type_constant,
};

/// All code for an enum.
pub(crate) fn expand(input: &DeriveInput, problems: &mut Problems) -> TokenStream {
    let ident = &input.ident;
    refuse_generics(&input.generics, problems);
    let Data::Enum(data) = &input.data else {
        problems.on(ident, "`PgEnum` stands on an enum: its variants are the labels");
        return TokenStream::new();
    };
    let known = ["name", "schema", "rename_all"];
    let options = options::of_type(&input.attrs, &known, problems);
    let name = sql_name(ident, &options, problems);
    let rule = rule(&options, "snake_case", problems);
    let mut names = PartNames::new("label", &rule);
    let mut variants = Vec::new();
    let mut labels = Vec::new();
    for variant in &data.variants {
        let own = options::of_part(&variant.attrs, &["rename"], problems);
        if !matches!(variant.fields, Fields::Unit) {
            problems.on(&variant.fields, "a label holds nothing: the variant can't have fields");
        }
        labels.push(names.name(&variant.ident, own.rename.as_ref(), problems));
        variants.push(&variant.ident);
    }
    if variants.is_empty() {
        problems.on(ident, "an enum without variants has no value");
    }
    if !problems.is_empty() {
        return TokenStream::new();
    }
    let bytes = labels.iter().map(|label| Literal::byte_string(label.as_bytes()));
    let unknown = format!("a label of the enum {name} that `{ident}` does not have");
    UserType {
        ident,
        constants: type_constant(&name),
        accepts: quote!(oid.is_user_defined()),
        fits: quote!(types.enumeration::<Self>(oid)),
        encode: quote! {
            out.put_slice(::core::primitive::str::as_bytes(match self {
                #(Self::#variants => #labels,)*
            }));
            ::core::result::Result::Ok(__orm::IsNull::No)
        },
        decode: quote! {
            match raw {
                #(#bytes => ::core::result::Result::Ok(Self::#variants),)*
                _ => __orm::unknown_label(#unknown),
            }
        },
        create: Some(quote!(__orm::create_enum::<Self>(&[#(#labels),*]))),
    }
    .expand()
}
