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
