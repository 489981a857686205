//! What the relations of a struct mean.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::{Path, Type};

use crate::attr::{Action, OrderBy, RelationKind, RelationOption};
use crate::check::{Check, OF_COLUMNS};
use crate::field_type::{is_option, relation_target};
use crate::input::{self, Field};
use crate::names;

/// How many relations a model may have: a path counts them in a byte.
const RELATIONS_MAX: usize = 256;

/// A field that is a relation.
pub(crate) struct Relation<'a> {
    pub(crate) field: &'a Field,
    pub(crate) kind: RelationKind,
    /// The model in the field's type.
    pub(crate) target: Type,
    /// The same model as the option calls it: `Track` of `Track::album_id`.
    pub(crate) named: TokenStream,
    /// Our side of the key, as indices into the columns.
    pub(crate) columns: Vec<usize>,
    /// The other side: `None` for the other's primary key.
    pub(crate) target_columns: Option<Vec<Ident>>,
    pub(crate) order: &'a [OrderBy],
    /// What the foreign key does on delete and on update; `None` where there is no foreign key.
    pub(crate) constraint: Option<[Action; 2]>,
}

impl<'a> Check<'a, '_> {
    pub(super) fn relations(&mut self, key: &[usize]) -> Vec<Relation<'a>> {
        let input = self.input;
        let relations: Vec<Relation<'a>> = input
            .fields
            .iter()
            .filter(|field| is_relation(field))
            .filter_map(|field| self.relation(field, key))
            .collect();
        if relations.len() > RELATIONS_MAX {
            self.problems
                .on(&input.ident, format!("a model has at most {RELATIONS_MAX} relations"));
        }
        relations
    }

    fn relation(&mut self, field: &'a Field, key: &[usize]) -> Option<Relation<'a>> {
        let Some(option) = &field.options.relation else {
            self.problems.on(&field.ty, missing_relation_option(&field.ty));
            return None;
        };
        for given in
            field.options.given.iter().filter(|it| OF_COLUMNS.contains(&names::text(it).as_str()))
        {
            self.problems
                .on(given, format!("`{given}` is for columns, and `{}` is a relation", field.name));
        }
        let target = self.target(field, option)?;
        match option.kind {
            RelationKind::BelongsTo => self.belongs_to(field, option, target),
            RelationKind::HasOne | RelationKind::HasMany => self.has(field, option, target, key),
        }
    }

    /// The model in `BelongsTo<Model>`, when the field is of the type that its option asks for.
    fn target(&mut self, field: &Field, option: &RelationOption) -> Option<Type> {
        let wanted = option.kind.type_name();
        let target = relation_target(&field.ty).filter(|(name, _)| name == wanted);
        if target.is_none() {
            let word = option.kind.word();
            self.problems
                .on(&field.ty, format!("a `{word}` relation is a field of type `{wanted}<..>`"));
        }
        target.map(|(_, target)| target)
    }

    fn belongs_to(
        &mut self,
        field: &'a Field,
        option: &RelationOption,
        target: Type,
    ) -> Option<Relation<'a>> {
        let options = &field.options;
        let mut idents = Vec::new();
        for path in &option.columns {
            match path.get_ident() {
                Some(ident) => idents.push(ident.clone()),
                None => self.problems.on(path, "`belongs_to` names columns of this struct"),
            }
        }
        let columns = self.find_all(&idents).filter(|_| idents.len() == option.columns.len())?;
        let target_columns = options.references.as_ref().map(|(_, columns)| columns.clone());
        if let Some((span, references)) = &options.references
            && references.len() != columns.len()
        {
            self.problems.at(*span, uneven(columns.len(), references.len()));
            return None;
        }
        if let Some((span, _)) = &options.order {
            self.problems.at(*span, "`order` is for relations to many rows");
        }
        let on_delete = self.action(options.on_delete, &columns, options.no_constraint);
        let on_update = self.action(options.on_update, &columns, options.no_constraint);
        let constraint = options.no_constraint.is_none().then_some([on_delete, on_update]);
        Some(Relation {
            field,
            kind: option.kind,
            named: target.to_token_stream(),
            target,
            columns,
            target_columns,
            order: &[],
            constraint,
        })
    }

    /// What a foreign key does, when its columns allow it.
    fn action(
        &mut self,
        given: Option<(Span, Action)>,
        columns: &[usize],
        no_constraint: Option<Span>,
    ) -> Action {
        let Some((span, action)) = given else { return Action::NoAction };
        let fields = columns.iter().map(|index| self.columns[*index].field);
        let mut nullable = fields.clone().map(|field| is_option(&field.ty));
        let mut defaulted =
            fields.map(|field| field.options.default_sql.is_some() || is_option(&field.ty));
        let fault = if no_constraint.is_some() {
            Some("without a constraint nothing happens on delete or update")
        } else if action == Action::SetNull && !nullable.all(|it| it) {
            Some("`set_null` needs a column that can be NULL: make it an `Option`")
        } else if action == Action::SetDefault && !defaulted.all(|it| it) {
            Some("`set_default` needs a column with `default_sql`")
        } else {
            None
        };
        if let Some(fault) = fault {
            self.problems.at(span, fault);
            return Action::NoAction;
        }
        action
    }

    fn has(
        &mut self,
        field: &'a Field,
        option: &RelationOption,
        target: Type,
        key: &[usize],
    ) -> Option<Relation<'a>> {
        let options = &field.options;
        for given in &options.given {
            if ["no_constraint", "on_delete", "on_update"].contains(&names::text(given).as_str()) {
                self.problems.on(given, format!("`{given}` belongs on the `belongs_to` side"));
            }
        }
        let mut named = TokenStream::new();
        let mut target_columns = Vec::new();
        for path in &option.columns {
            let (model, column) = self.column_of(path, &target, option.kind)?;
            named = model;
            target_columns.push(column);
        }
        let (span, columns) = match &options.references {
            Some((span, references)) => (*span, self.find_all(references)?),
            None => (option.span, key.to_vec()),
        };
        if columns.len() != target_columns.len() {
            if !columns.is_empty() {
                self.problems.at(span, uneven(target_columns.len(), columns.len()));
            }
            return None;
        }
        if let Some((span, _)) = &options.order
            && option.kind == RelationKind::HasOne
        {
            self.problems.at(*span, "`order` is for relations to many rows");
        }
        Some(Relation {
            field,
            kind: option.kind,
            target,
            named,
            columns,
            target_columns: Some(target_columns),
            order: options.order.as_ref().map_or(&[], |(_, order)| order),
            constraint: None,
        })
    }

    /// `Track` and `album_id` from `Track::album_id`, when `Track` is the model that the field's type names.
    fn column_of(
        &mut self,
        path: &Path,
        target: &Type,
        kind: RelationKind,
    ) -> Option<(TokenStream, Ident)> {
        let word = kind.word();
        let model = target.to_token_stream();
        let mut model_path = path.clone();
        let column = model_path.segments.pop().map(|last| last.ident);
        model_path.segments.pop_punct();
        let named = input::replace_self(model_path.to_token_stream(), &self.input.ident);
        if named.is_empty() {
            self.problems.on(
                path,
                format!(
                    "`{word}` names a column of the other model: `{model}::{}`",
                    path.to_token_stream()
                ),
            );
            return None;
        }
        if last_word(&named) != last_word(&model) {
            self.problems
                .on(path, format!("this field is a relation to `{model}`, not to `{named}`"));
            return None;
        }
        column.map(|column| (named, column))
    }
}

/// Whether a field is no column: it has a relation's option, or a relation's type.
pub(super) fn is_relation(field: &Field) -> bool {
    field.options.relation.is_some() || relation_target(&field.ty).is_some()
}

fn missing_relation_option(ty: &Type) -> String {
    match relation_target(ty) {
        Some((name, _)) if name == "BelongsTo" => {
            "which column holds the key? `#[model(belongs_to = the_column)]`".into()
        }
        Some((name, target)) => {
            let word = names::snake_case(&name);
            let target = target.to_token_stream();
            format!("which column holds the key? `#[model({word} = {target}::the_column)]`")
        }
        None => "a relation is a `BelongsTo`, a `HasOne` or a `HasMany`".into(),
    }
}

/// The last identifier of a path, by which two ways to write one type are held for the same.
fn last_word(path: &TokenStream) -> Option<String> {
    path.clone().into_iter().last().map(|token| token.to_string())
}

fn uneven(holding: usize, referenced: usize) -> String {
    let columns = |count: usize| match count {
        1 => "1 column".to_owned(),
        _ => format!("{count} columns"),
    };
    format!("{} can't refer to a key of {}", columns(holding), columns(referenced))
}
