//! What the derives of user-defined types have in common.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Generics, LitStr};

use crate::names;
use crate::problems::Problems;
use crate::user_type::case;
use crate::user_type::options::TypeOptions;

/// The type's name as SQL writes it, quoted.
pub(super) fn sql_name(ident: &Ident, options: &TypeOptions, problems: &mut Problems) -> String {
    let mut out = String::new();
    if let Some(schema) = &options.schema {
        push_quoted(&checked(schema, problems), &mut out);
        out.push('.');
    }
    let name = match &options.name {
        Some(name) => checked(name, problems),
        None => {
            let name = names::snake_case(&names::text(ident));
            if let Some(fault) = names::fault(&name) {
                problems.on(ident, fault);
            }
            name
        }
    };
    push_quoted(&name, &mut out);
    out
}

fn push_quoted(name: &str, out: &mut String) {
    out.push('"');
    out.push_str(&name.replace('"', "\"\""));
    out.push('"');
}

fn checked(name: &LitStr, problems: &mut Problems) -> String {
    let text = name.value();
    if let Some(fault) = names::fault(&text) {
        problems.on(name, fault);
    }
    text
}

/// The names of a type's parts, each told apart from the others.
pub(super) struct PartNames<'o> {
    rule: &'o str,
    seen: HashMap<String, String>,
    what: &'static str,
}

impl<'o> PartNames<'o> {
    /// `rule` is how those are written that are not renamed.
    pub(super) fn new(what: &'static str, rule: &'o str) -> Self {
        Self { rule, seen: HashMap::new(), what }
    }

    /// The name of a part.
    pub(super) fn name(
        &mut self,
        ident: &Ident,
        rename: Option<&LitStr>,
        problems: &mut Problems,
    ) -> String {
        let own = names::text(ident);
        let (name, place): (_, &dyn ToTokens) = match rename {
            Some(name) => (checked(name, problems), name),
            None => {
                let name = case::apply(self.rule, &own).unwrap_or_else(|| own.clone());
                if let Some(fault) = names::fault(&name) {
                    problems.on(ident, fault);
                }
                (name, ident)
            }
        };
        if let Some(other) = self.seen.insert(name.clone(), own) {
            problems.on(
                place.to_token_stream(),
                format!("the {} `{name}` is that of `{other}` already", self.what),
            );
        }
        name
    }
}

/// The rule that `rename_all` names, else `default`.
pub(super) fn rule(options: &TypeOptions, default: &str, problems: &mut Problems) -> String {
    let Some(rule) = &options.rename_all else { return default.to_owned() };
    let text = rule.value();
    if !case::RULES.contains(&text.as_str()) {
        let near = names::did_you_mean(&text, case::RULES.into_iter());
        problems.on(rule, format!("unknown rule `{text}`{near}"));
    }
    text
}

/// A type of the database is one type, whatever parameters Rust's has.
pub(super) fn refuse_generics(generics: &Generics, problems: &mut Problems) {
    if !generics.params.is_empty() {
        problems.on(generics, "a type of the database can't be generic");
    }
}

/// What one of these derives has to say of a type.
pub(super) struct UserType<'d> {
    pub(super) ident: &'d Ident,
    /// `const TYPE`, and `NULLABLE` where it is not the usual one.
    pub(super) constants: TokenStream,
    /// The bodies of the methods, in terms of their parameters.
    pub(super) accepts: TokenStream,
    pub(super) fits: TokenStream,
    pub(super) encode: TokenStream,
    pub(super) decode: TokenStream,
    /// What makes the type; nothing for a type that is not one of its own.
    pub(super) create: Option<TokenStream>,
}

impl UserType<'_> {
    /// All code of the derive.
    pub(super) fn expand(self) -> TokenStream {
        let Self { ident, constants, accepts, fits, encode, decode, create } = self;
        let user_defined = create.map(|create| {
            quote! {
                #[automatically_derived]
                impl __orm::UserDefined for #ident {
                    fn create_sql() -> __orm::String {
                        #create
                    }
                }
            }
        });
        quote! {
            #[allow(unused_qualifications, reason = "what is imported where this stands is not known")]
            const _: () = {
                use ::stellata::__private as __orm;
                #[automatically_derived]
                impl __orm::PgType for #ident {
                    #constants
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
                    #[allow(unused_variables, reason = "an enum looks at no type")]
                    fn encode(
                        &self,
                        oid: __orm::Oid,
                        out: &mut __orm::Buffer,
                    ) -> __orm::Encoded {
                        #encode
                    }
                }
                #[automatically_derived]
                impl<'a> __orm::Decode<'a> for #ident {
                    #[allow(unused_variables, reason = "an enum looks at no type")]
                    fn decode(
                        oid: __orm::Oid,
                        raw: &'a [::core::primitive::u8],
                    ) -> __orm::Decoded<Self> {
                        #decode
                    }
                }
                #user_defined
            };
        }
    }
}

/// What a type that is known by its name alone says of itself.
pub(super) fn type_constant(name: &str) -> TokenStream {
    quote! {
        const TYPE: __orm::Type = __orm::Type {
            oid: __orm::Oid::UNSPECIFIED,
            array: __orm::Oid::UNSPECIFIED,
            name: #name,
        };
    }
}
