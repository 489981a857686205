//! The grammar of `#[pg(..)]`.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr};

use crate::names;
use crate::problems::Problems;

/// The options of a type.
#[derive(Default)]
pub(super) struct TypeOptions {
    pub(super) name: Option<LitStr>,
    pub(super) schema: Option<LitStr>,
    pub(super) rename_all: Option<LitStr>,
    pub(super) check: Option<LitStr>,
    pub(super) transparent: bool,
}

/// The options of a field or a variant.
#[derive(Default)]
pub(super) struct PartOptions {
    pub(super) rename: Option<LitStr>,
    pub(super) sql_type: Option<LitStr>,
}

/// Reads the options of a type. `known` are those that this derive has.
pub(super) fn of_type(
    attributes: &[Attribute],
    known: &[&str],
    problems: &mut Problems,
) -> TypeOptions {
    let mut options = TypeOptions::default();
    each(attributes, known, problems, |word, meta| match word {
        "name" => once(&mut options.name, meta),
        "schema" => once(&mut options.schema, meta),
        "rename_all" => once(&mut options.rename_all, meta),
        "check" => once(&mut options.check, meta),
        _ => {
            options.transparent = true;
            Ok(())
        }
    });
    options
}

/// Reads the options of a field or a variant.
pub(super) fn of_part(
    attributes: &[Attribute],
    known: &[&str],
    problems: &mut Problems,
) -> PartOptions {
    let mut options = PartOptions::default();
    each(attributes, known, problems, |word, meta| match word {
        "rename" => once(&mut options.rename, meta),
        _ => once(&mut options.sql_type, meta),
    });
    options
}

/// Calls `take` for every option that is known. Of each attribute the first mistake is told.
fn each(
    attributes: &[Attribute],
    known: &[&str],
    problems: &mut Problems,
    mut take: impl FnMut(&str, &ParseNestedMeta<'_>) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("pg")) {
        let read = attribute.parse_nested_meta(|meta| {
            let word = meta.path.get_ident().map(names::text).unwrap_or_default();
            if known.contains(&word.as_str()) {
                return take(&word, &meta);
            }
            let near = names::did_you_mean(&word, known.iter().copied());
            Err(meta.error(format!("unknown option `{word}`{near}")))
        });
        if let Err(error) = read {
            problems.push(error);
        }
    }
}

fn once(slot: &mut Option<LitStr>, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    match slot.replace(meta.value()?.parse()?) {
        None => Ok(()),
        Some(_) => Err(meta.error("this option is given twice")),
    }
}
