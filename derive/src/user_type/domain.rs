//! `#[derive(PgDomain)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Member};

use crate::problems::Problems;
use crate::user_type::options;
use crate::user_type::shared::{refuse_generics, sql_name, type_constant};

/// All code for a struct around one value.
pub(crate) fn expand(input: &DeriveInput, problems: &mut Problems) -> TokenStream {
    let ident = &input.ident;
    refuse_generics(&input.generics, problems);
    let fields = match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    let [field] = fields.as_slice() else {
        problems.on(ident, "`PgDomain` stands on a struct of one field: the value");
        return TokenStream::new();
    };
    let known = ["name", "schema", "check", "transparent"];
    let options = options::of_type(&input.attrs, &known, problems);
    options::of_part(&field.attrs, &[], problems);
    if options.transparent
        && let Some(other) =
            options.name.as_ref().or(options.schema.as_ref()).or(options.check.as_ref())
    {
        problems.on(other, "a transparent type has the name and the checks of the type inside");
    }
    let name = sql_name(ident, &options, problems);
    if !problems.is_empty() {
        return TokenStream::new();
    }
    let ty = &field.ty;
    let member = match &field.ident {
        Some(field) => Member::Named(field.clone()),
        None => Member::from(0),
    };
    let (constant, accepts, fits, created) = if options.transparent {
        let constant = quote!(const TYPE: __orm::Type = <#ty as __orm::PgType>::TYPE;);
        let accepts = quote!(<#ty as __orm::PgType>::accepts(oid));
        (constant, accepts, quote!(<#ty as __orm::PgType>::fits(oid, types)), TokenStream::new())
    } else {
        let check = match &options.check {
            Some(check) => quote!(::core::option::Option::Some(#check)),
            None => quote!(::core::option::Option::None),
        };
        let created = quote! {
            #[automatically_derived]
            impl __orm::UserDefined for #ident {
                fn create_sql() -> __orm::String {
                    __orm::create_domain::<Self, #ty>(#check)
                }
            }
        };
        let accepts = quote!(oid.is_user_defined() || <#ty as __orm::PgType>::accepts(oid));
        let fits = quote!(types.newtype::<Self, #ty>(oid));
        (type_constant(&name), accepts, fits, created)
    };
    quote! {
        #[allow(unused_qualifications, reason = "what is imported where this stands is not known")]
        const _: () = {
            use ::stellata::__private as __orm;
            #[automatically_derived]
            impl __orm::PgType for #ident {
                #constant
                const NULLABLE: ::core::primitive::bool = <#ty as __orm::PgType>::NULLABLE;
                fn accepts(oid: __orm::Oid) -> bool {
                    #accepts
                }
                fn fits(oid: __orm::Oid, types: &mut __orm::Types<'_>) -> __orm::Written {
                    #fits
                }
            }
            #[automatically_derived]
            impl __orm::ArrayElement for #ident {}
            #[automatically_derived]
            impl __orm::Encode for #ident {
                fn encode(
                    &self,
                    oid: __orm::Oid,
                    out: &mut __orm::Buffer,
                ) -> __orm::Encoded {
                    __orm::Encode::encode(&self.#member, __orm::inner_type::<#ty>(oid), out)
                }
            }
            #[automatically_derived]
            impl<'a> __orm::Decode<'a> for #ident {
                fn decode(
                    oid: __orm::Oid,
                    raw: &'a [::core::primitive::u8],
                ) -> __orm::Decoded<Self> {
                    let oid = __orm::inner_type::<#ty>(oid);
                    let value = <#ty as __orm::Decode<'a>>::decode(oid, raw)?;
                    ::core::result::Result::Ok(Self { #member: value })
                }
            }
            #created
        };
    }
}
