//! `#[derive(PgDomain)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Member};

use crate::problems::Problems;
use crate::user_type::options;
use crate::user_type::shared::{UserType, refuse_generics, sql_name, type_constant};

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
    let (constant, accepts, fits, create) = if options.transparent {
        let constant = quote!(const TYPE: __orm::Type = <#ty as __orm::PgType>::TYPE;);
        let accepts = quote!(<#ty as __orm::PgType>::accepts(oid));
        (constant, accepts, quote!(<#ty as __orm::PgType>::fits(oid, types)), None)
    } else {
        let check = match &options.check {
            Some(check) => quote!(::core::option::Option::Some(#check)),
            None => quote!(::core::option::Option::None),
        };
        let accepts = quote!(oid.is_user_defined() || <#ty as __orm::PgType>::accepts(oid));
        let fits = quote!(types.newtype::<Self, #ty>(oid));
        let create = quote!(__orm::create_domain::<Self, #ty>(#check));
        (type_constant(&name), accepts, fits, Some(create))
    };
    UserType {
        ident,
        constants: quote! {
            #constant
            const NULLABLE: ::core::primitive::bool = <#ty as __orm::PgType>::NULLABLE;
        },
        accepts,
        fits,
        encode: quote! {
            __orm::Encode::encode(&self.#member, __orm::inner_type::<#ty>(oid), out)
        },
        decode: quote! {
            let oid = __orm::inner_type::<#ty>(oid);
            let value = <#ty as __orm::Decode<'a>>::decode(oid, raw)?;
            ::core::result::Result::Ok(Self { #member: value })
        },
        create,
    }
    .expand()
}
