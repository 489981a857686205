//! `#[derive(PgComposite)]`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields};

use crate::problems::Problems;
use crate::sql_type;
use crate::user_type::options;
use crate::user_type::shared::{PartNames, refuse_generics, rule, sql_name, type_constant};

/// All code for a composite type.
pub(crate) fn expand(input: &DeriveInput, problems: &mut Problems) -> TokenStream {
    let ident = &input.ident;
    refuse_generics(&input.generics, problems);
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            Fields::Unnamed(_) | Fields::Unit => {
                problems.on(ident, "`PgComposite` needs named fields: they name the attributes");
                return TokenStream::new();
            }
        },
        Data::Enum(_) | Data::Union(_) => {
            problems.on(ident, "`PgComposite` stands on a struct: its fields are the attributes");
            return TokenStream::new();
        }
    };
    let known = ["name", "schema", "rename_all"];
    let options = options::of_type(&input.attrs, &known, problems);
    let name = sql_name(ident, &options, problems);
    let rule = rule(&options, "verbatim", problems);
    let mut names = PartNames::new("attribute", &rule);
    let mut parts = Vec::new();
    for field in fields {
        let own = options::of_part(&field.attrs, &["rename", "sql_type"], problems);
        let Some(field_ident) = &field.ident else { continue };
        let attribute = names.name(field_ident, own.rename.as_ref(), problems);
        let sql_type = own.sql_type.map(|sql_type| sql_type.value());
        parts.push((field_ident, &field.ty, attribute, sql_type));
    }
    if parts.is_empty() {
        problems.on(ident, "a composite type without attributes holds nothing");
    }
    if !problems.is_empty() {
        return TokenStream::new();
    }
    let count = Literal::usize_unsuffixed(parts.len());
    let idents: Vec<_> = parts.iter().map(|(field, ..)| field).collect();
    let fits = parts.iter().map(|(_, ty, attribute, _)| {
        let fits = quote_spanned!(ty.span()=> <#ty as __orm::PgType>::fits);
        quote!((#attribute, #fits))
    });
    let writes = parts.iter().map(|(field, ty, _, sql_type)| {
        let oid = match sql_type.as_deref().map(sql_type::oid_constant) {
            None => quote!(<#ty as __orm::PgType>::TYPE.oid),
            Some(Some(constant)) => {
                let constant = Ident::new(constant, Span::call_site());
                quote!(__orm::Oid::#constant)
            }
            Some(None) => quote!(__orm::Oid::UNSPECIFIED),
        };
        quote!(writer.attribute_as(#oid, &self.#field)?;)
    });
    let declared = parts.iter().map(|(_, ty, attribute, sql_type)| match sql_type {
        Some(sql_type) => quote!((#attribute, #sql_type)),
        None => quote!((#attribute, <#ty as __orm::PgType>::TYPE.name)),
    });
    let type_constant = type_constant(&name);
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
                    types.composite::<Self>(oid, &[#(#fits),*])
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
                    let mut writer = __orm::CompositeWriter::new(#count, out)?;
                    #(#writes)*
                    ::core::result::Result::Ok(writer.end())
                }
            }
            #[automatically_derived]
            impl<'a> __orm::Decode<'a> for #ident {
                fn decode(
                    oid: __orm::Oid,
                    raw: &'a [::core::primitive::u8],
                ) -> __orm::Decoded<Self> {
                    let mut reader = __orm::CompositeReader::with(oid, raw, #count)?;
                    let value = Self { #(#idents: reader.next()?),* };
                    reader.end()?;
                    ::core::result::Result::Ok(value)
                }
            }
            #[automatically_derived]
            impl __orm::UserDefined for #ident {
                fn create_sql() -> __orm::String {
                    __orm::create_composite::<Self>(&[#(#declared),*])
                }
            }
        };
    }
}
