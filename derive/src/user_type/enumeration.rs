//! `#[derive(PgEnum)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields};

use crate::problems::Problems;
use crate::user_type::options;
use crate::user_type::shared::{PartNames, refuse_generics, rule, sql_name, type_constant};

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
    let bytes = labels.iter().map(|label| proc_macro2::Literal::byte_string(label.as_bytes()));
    let type_constant = type_constant(&name);
    let unknown = format!("a label of the enum {name} that `{ident}` does not have");
    quote! {
        #[allow(unused_qualifications, reason = "what is imported where this stands is not known")]
        const _: () = {
            use ::stellata::__private as __orm;
            #[automatically_derived]
            impl __orm::PgType for #ident {
                #type_constant
                fn accepts(oid: __orm::Oid) -> bool {
                    oid.is_user_defined()
                }
                fn fits(oid: __orm::Oid, types: &mut __orm::Types<'_>) -> __orm::Written {
                    types.enumeration::<Self>(oid)
                }
            }
            #[automatically_derived]
            impl __orm::ArrayElement for #ident {}
            #[automatically_derived]
            impl __orm::Encode for #ident {
                fn encode(
                    &self,
                    _: __orm::Oid,
                    out: &mut __orm::Buffer,
                ) -> __orm::Encoded {
                    out.put_slice(::core::primitive::str::as_bytes(match self {
                        #(Self::#variants => #labels,)*
                    }));
                    ::core::result::Result::Ok(__orm::IsNull::No)
                }
            }
            #[automatically_derived]
            impl<'a> __orm::Decode<'a> for #ident {
                fn decode(_: __orm::Oid, raw: &'a [::core::primitive::u8]) -> __orm::Decoded<Self> {
                    match raw {
                        #(#bytes => ::core::result::Result::Ok(Self::#variants),)*
                        _ => __orm::unknown_label(#unknown),
                    }
                }
            }
            #[automatically_derived]
            impl __orm::UserDefined for #ident {
                fn create_sql() -> __orm::String {
                    __orm::create_enum::<Self>(&[#(#labels),*])
                }
            }
        };
    }
}
