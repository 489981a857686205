//! `#[derive(PgComposite)]`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Type};

use crate::problems::Problems;
use crate::sql_type;
use crate::user_type::options;
use crate::user_type::shared::{
    PartNames, UserType, refuse_generics, rule, sql_name, type_constant,
};

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
        let name = names.name(field_ident, own.rename.as_ref(), problems);
        let sql_type = own.sql_type.map(|sql_type| sql_type.value());
        parts.push(Part { ident: field_ident, ty: &field.ty, name, sql_type });
    }
    if parts.is_empty() {
        problems.on(ident, "a composite type without attributes holds nothing");
    }
    if !problems.is_empty() {
        return TokenStream::new();
    }
    let count = Literal::usize_unsuffixed(parts.len());
    let fits = parts.iter().map(|part| {
        let (name, fits) = (&part.name, part.item("fits"));
        quote!((#name, #fits))
    });
    let writes = parts.iter().map(|part| {
        let (write, oid, field) = (part.item("write"), part.oid(), part.ident);
        quote!(#write(&self.#field, #oid, &mut writer)?;)
    });
    let reads = parts.iter().map(|part| {
        let (read, field) = (part.item("read"), part.ident);
        quote!(#field: #read(&mut reader)?)
    });
    let declared = parts.iter().map(|part| {
        let name = &part.name;
        let sql_type = match &part.sql_type {
            Some(sql_type) => quote!(#sql_type),
            None => part.item("NAME"),
        };
        quote!((#name, #sql_type))
    });
    UserType {
        ident,
        constants: type_constant(&name),
        accepts: quote!(oid.is_user_defined()),
        fits: quote!(types.composite::<Self>(oid, &[#(#fits),*])),
        encode: quote! {
            let mut writer = __orm::CompositeWriter::new(#count, out)?;
            #(#writes)*
            ::core::result::Result::Ok(writer.end())
        },
        decode: quote! {
            let mut reader = __orm::CompositeReader::with(oid, raw, #count)?;
            let value = Self { #(#reads),* };
            reader.end()?;
            ::core::result::Result::Ok(value)
        },
        create: Some(quote!(__orm::create_composite::<Self>(&[#(#declared),*]))),
    }
    .expand()
}

/// A field, and the attribute that it is.
struct Part<'d> {
    ident: &'d Ident,
    ty: &'d Type,
    name: String,
    sql_type: Option<String>,
}

impl Part<'_> {
    /// An item of the model layer's own trait, with an error on the field's type where that is none.
    fn item(&self, name: &str) -> TokenStream {
        let (ty, name) = (self.ty, Ident::new(name, Span::call_site()));
        quote_spanned!(ty.span()=> <#ty as __orm::Part>::#name)
    }

    /// The number of the attribute's type, where it is known beforehand.
    fn oid(&self) -> TokenStream {
        match self.sql_type.as_deref().map(sql_type::oid_constant) {
            None => self.item("OID"),
            Some(Some(constant)) => {
                let constant = Ident::new(constant, Span::call_site());
                quote!(__orm::Oid::#constant)
            }
            Some(None) => quote!(__orm::Oid::UNSPECIFIED),
        }
    }
}
