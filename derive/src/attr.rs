//! The grammar of `#[model(..)]`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, LitStr, Path, Token, parenthesized, token};

use crate::names;
use crate::problems::Problems;

/// What may stand on a struct.
const ON_STRUCT: [&str; 6] = ["table", "schema", "database", "key", "unique", "index"];

/// What may stand on a field.
const ON_FIELD: [&str; 16] = [
    "key",
    "identity",
    "column",
    "sql_type",
    "default_sql",
    "default",
    "unique",
    "index",
    "belongs_to",
    "has_one",
    "has_many",
    "references",
    "order",
    "no_constraint",
    "on_delete",
    "on_update",
];

/// The options of a struct.
#[derive(Default)]
pub(crate) struct StructOptions {
    pub(crate) table: Option<LitStr>,
    pub(crate) schema: Option<LitStr>,
    pub(crate) database: Option<LitStr>,
    pub(crate) key: Option<Group>,
    pub(crate) uniques: Vec<Group>,
    pub(crate) indexes: Vec<Group>,
}

/// Columns that make a key or an index together.
pub(crate) struct Group {
    pub(crate) span: Span,
    pub(crate) name: Option<LitStr>,
    pub(crate) columns: Vec<Ident>,
}

/// The options of a field. The spans are those of the words that set them.
#[derive(Default)]
pub(crate) struct FieldOptions {
    pub(crate) key: Option<Span>,
    pub(crate) identity: Option<Span>,
    pub(crate) column: Option<LitStr>,
    pub(crate) sql_type: Option<LitStr>,
    pub(crate) default_sql: Option<LitStr>,
    pub(crate) default: Option<TokenStream>,
    pub(crate) unique: Option<Span>,
    pub(crate) index: Option<Span>,
    pub(crate) relation: Option<RelationOption>,
    pub(crate) references: Option<(Span, Vec<Ident>)>,
    pub(crate) order: Option<(Span, Vec<OrderBy>)>,
    pub(crate) no_constraint: Option<Span>,
    pub(crate) on_delete: Option<(Span, Action)>,
    pub(crate) on_update: Option<(Span, Action)>,
    /// Every option that was given, in order.
    pub(crate) given: Vec<Ident>,
}

/// Which relation a field is.
pub(crate) struct RelationOption {
    pub(crate) span: Span,
    pub(crate) kind: RelationKind,
    /// `artist_id` for a belongs-to, `Track::album_id` for the others.
    pub(crate) columns: Vec<Path>,
}

/// How a relation is held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelationKind {
    BelongsTo,
    HasOne,
    HasMany,
}

impl RelationKind {
    /// The word in the attribute.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::BelongsTo => "belongs_to",
            Self::HasOne => "has_one",
            Self::HasMany => "has_many",
        }
    }

    /// The type of the field, and the name of the variant of the model layer's own enum.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Self::BelongsTo => "BelongsTo",
            Self::HasOne => "HasOne",
            Self::HasMany => "HasMany",
        }
    }
}

/// A column to sort a relation by.
pub(crate) struct OrderBy {
    pub(crate) column: Ident,
    pub(crate) descending: bool,
}

/// What a foreign key does, by the name of the variant of the model layer's own enum.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "`no action` is what PostgreSQL calls it")]
pub(crate) enum Action {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// Reads the options of a struct.
pub(crate) fn of_struct(attributes: &[Attribute], problems: &mut Problems) -> StructOptions {
    let mut options = StructOptions::default();
    each_option(attributes, problems, |name, input| match names::text(name).as_str() {
        "table" => once(&mut options.table, name, text_value(input)?),
        "schema" => once(&mut options.schema, name, text_value(input)?),
        "database" => once(&mut options.database, name, text_value(input)?),
        "key" => {
            let group = group(name, input)?;
            match &group.name {
                Some(given) => Err(syn::Error::new_spanned(given, "a primary key takes no name")),
                None => once(&mut options.key, name, group),
            }
        }
        "unique" => {
            options.uniques.push(group(name, input)?);
            Ok(())
        }
        "index" => {
            options.indexes.push(group(name, input)?);
            Ok(())
        }
        other => Err(unknown(name, other, &ON_STRUCT, &ON_FIELD, "a field")),
    });
    options
}

/// Reads the options of a field.
pub(crate) fn of_field(attributes: &[Attribute], problems: &mut Problems) -> FieldOptions {
    let mut options = FieldOptions::default();
    each_option(attributes, problems, |name, input| {
        let span = name.span();
        match names::text(name).as_str() {
            "key" => flag(&mut options.key, name, input),
            "identity" => flag(&mut options.identity, name, input),
            "column" => once(&mut options.column, name, text_value(input)?),
            "sql_type" => once(&mut options.sql_type, name, text_value(input)?),
            "default_sql" => once(&mut options.default_sql, name, text_value(input)?),
            "default" => once(&mut options.default, name, expression(input)?),
            "unique" => flag(&mut options.unique, name, input),
            "index" => flag(&mut options.index, name, input),
            "belongs_to" => relation(&mut options.relation, RelationKind::BelongsTo, name, input),
            "has_one" => relation(&mut options.relation, RelationKind::HasOne, name, input),
            "has_many" => relation(&mut options.relation, RelationKind::HasMany, name, input),
            "references" => once(&mut options.references, name, (span, list(input, ident)?)),
            "order" => once(&mut options.order, name, (span, list(input, order)?)),
            "no_constraint" => flag(&mut options.no_constraint, name, input),
            "on_delete" => once(&mut options.on_delete, name, (span, action(input)?)),
            "on_update" => once(&mut options.on_update, name, (span, action(input)?)),
            other => Err(unknown(name, other, &ON_FIELD, &ON_STRUCT, "the struct")),
        }?;
        options.given.push(name.clone());
        Ok(())
    });
    options
}

/// Calls `take` for every option of every `#[model(..)]`. An option that can't be read is reported and passed over, so
/// that the next one is still read.
fn each_option(
    attributes: &[Attribute],
    problems: &mut Problems,
    mut take: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("model")) {
        if attribute.meta.require_list().is_err() {
            problems.on(attribute, "options stand in parentheses: `#[model(..)]`");
            continue;
        }
        let options = |input: ParseStream<'_>| {
            while !input.is_empty() {
                let taken = input.call(Ident::parse_any).and_then(|name| take(&name, input));
                let ended = taken.and_then(|()| match input.is_empty() {
                    true => Ok(()),
                    false => input.parse::<Token![,]>().map(drop),
                });
                if let Err(error) = ended {
                    problems.push(error);
                    skip_option(input)?;
                }
            }
            Ok(())
        };
        if let Err(error) = attribute.parse_args_with(options) {
            problems.push(error);
        }
    }
}

/// Passes over what is left of an option, with the comma behind it.
fn skip_option(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    input.parse::<Option<Token![,]>>().map(drop)
}

fn unknown(name: &Ident, text: &str, here: &[&str], there: &[&str], place: &str) -> syn::Error {
    let message = if there.contains(&text) {
        format!("`{text}` belongs on {place}")
    } else {
        let near = names::did_you_mean(text, here.iter().copied());
        format!("unknown option `{text}`{near}")
    };
    syn::Error::new(name.span(), message)
}

fn once<T>(slot: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syn::Error::new(name.span(), format!("`{name}` is given twice"))),
    }
}

fn flag(slot: &mut Option<Span>, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error(format!("`{name}` takes no value here")));
    }
    once(slot, name, name.span())
}

fn equals(input: ParseStream<'_>) -> syn::Result<()> {
    input.parse::<Token![=]>().map(drop)
}

fn text_value(input: ParseStream<'_>) -> syn::Result<LitStr> {
    equals(input)?;
    input.parse()
}

/// A Rust expression. The common ones are parsed as such; others (closures, blocks) are taken up to the next comma.
fn expression(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    equals(input)?;
    let whole = input.fork();
    if whole.parse::<Expr>().is_ok() && (whole.is_empty() || whole.peek(Token![,])) {
        return input.parse::<Expr>().map(quote::ToTokens::into_token_stream);
    }
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    match tokens.is_empty() {
        true => Err(input.error("expected an expression")),
        false => Ok(tokens),
    }
}

/// `= a` or `= (a, b)`.
fn list<T>(
    input: ParseStream<'_>,
    item: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    equals(input)?;
    if !input.peek(token::Paren) {
        return Ok(vec![item(input)?]);
    }
    let inside;
    let parenthesis = parenthesized!(inside in input);
    let items = Punctuated::<T, Token![,]>::parse_terminated_with(&inside, item)?;
    match items.is_empty() {
        true => Err(syn::Error::new(parenthesis.span.join(), "name at least one column")),
        false => Ok(items.into_iter().collect()),
    }
}

fn ident(input: ParseStream<'_>) -> syn::Result<Ident> {
    input.parse()
}

/// `(a, b)` or `(a, b, name = "..")`.
fn group(name: &Ident, input: ParseStream<'_>) -> syn::Result<Group> {
    if !input.peek(token::Paren) {
        return Err(input.error(format!("name the columns: `{name}(a, b)`")));
    }
    let inside;
    parenthesized!(inside in input);
    let mut group = Group { span: name.span(), name: None, columns: Vec::new() };
    while !inside.is_empty() {
        let word: Ident = inside.parse()?;
        if word == "name" && inside.peek(Token![=]) {
            once(&mut group.name, &word, text_value(&inside)?)?;
        } else {
            group.columns.push(word);
        }
        if !inside.is_empty() {
            inside.parse::<Token![,]>()?;
        }
    }
    match group.columns.is_empty() {
        true => Err(syn::Error::new(group.span, "name at least one column")),
        false => Ok(group),
    }
}

fn relation(
    slot: &mut Option<RelationOption>,
    kind: RelationKind,
    name: &Ident,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    let columns = list(input, |input| input.call(Path::parse_mod_style))?;
    if slot.is_some() {
        return Err(syn::Error::new(name.span(), "a field is one relation, not two"));
    }
    *slot = Some(RelationOption { span: name.span(), kind, columns });
    Ok(())
}

/// `position`, `position.asc()` or `position.desc()`.
fn order(input: ParseStream<'_>) -> syn::Result<OrderBy> {
    let column = input.parse()?;
    let mut descending = false;
    if input.parse::<Option<Token![.]>>()?.is_some() {
        let direction: Ident = input.parse()?;
        descending = direction == "desc";
        if !descending && direction != "asc" {
            return Err(syn::Error::new(direction.span(), "expected `asc()` or `desc()`"));
        }
        let inside;
        parenthesized!(inside in input);
        if !inside.is_empty() {
            return Err(inside.error("nothing stands in these parentheses"));
        }
    }
    Ok(OrderBy { column, descending })
}

fn action(input: ParseStream<'_>) -> syn::Result<Action> {
    equals(input)?;
    let word: Ident = input.parse()?;
    match names::text(&word).as_str() {
        "no_action" => Ok(Action::NoAction),
        "restrict" => Ok(Action::Restrict),
        "cascade" => Ok(Action::Cascade),
        "set_null" => Ok(Action::SetNull),
        "set_default" => Ok(Action::SetDefault),
        _ => Err(syn::Error::new(
            word.span(),
            "expected `cascade`, `restrict`, `set_null`, `set_default` or `no_action`",
        )),
    }
}
