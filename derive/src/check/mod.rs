//! What the struct means, with everything that is wrong with it.
//!
//! The model that comes out leaves out the parts that are wrong, so that the code made of it compiles and one mistake is
//! reported once.

mod relation;

use std::collections::HashMap;

use proc_macro2::{Ident, Span};
use syn::LitStr;

use crate::attr::Group;
use crate::check::relation::is_relation;
use crate::field_type::is_option;
use crate::input::{Field, Input};
use crate::names;
use crate::problems::Problems;

pub(crate) use crate::check::relation::Relation;

/// How many columns PostgreSQL gives a table.
const COLUMNS_MAX: usize = 1600;

/// Options that make sense on a column only.
const OF_COLUMNS: [&str; 8] =
    ["key", "identity", "column", "sql_type", "default_sql", "default", "unique", "index"];

/// A struct that was understood.
pub(crate) struct Model<'a> {
    pub(crate) input: &'a Input,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) columns: Vec<Column<'a>>,
    /// Indices into the columns.
    pub(crate) key: Vec<usize>,
    pub(crate) uniques: Vec<Index>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) relations: Vec<Relation<'a>>,
}

/// A field that is a column.
pub(crate) struct Column<'a> {
    pub(crate) field: &'a Field,
    pub(crate) name: String,
}

/// A unique key or an index.
pub(crate) struct Index {
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<usize>,
}

/// Makes sense of a struct.
pub(crate) fn check<'a>(input: &'a Input, problems: &mut Problems) -> Model<'a> {
    let database = database(input, problems);
    let (schema, table) = table(input, problems);
    let mut check = Check { input, problems, columns: Vec::new() };
    check.read_columns();
    let key = check.key();
    let uniques = check.uniques(&key);
    let indexes = check.indexes();
    let relations = check.relations(&key);
    let columns = check.columns;
    Model { input, database, schema, table, columns, key, uniques, indexes, relations }
}

/// The name of the database. It is the program's own, not one of the server's.
fn database(input: &Input, problems: &mut Problems) -> Option<String> {
    let given = input.options.database.as_ref()?;
    if given.value().is_empty() {
        problems.on(given, "a name can't be empty");
    }
    Some(given.value())
}

/// The schema and the name of the table. A name that stands beside a schema of its own is taken as it is; alone it may have
/// the schema in front of a dot.
fn table(input: &Input, problems: &mut Problems) -> (Option<String>, String) {
    let by_rule = || names::snake_case(&names::text(&input.ident));
    let mut part = |given: &LitStr, text: &str| match names::fault(text) {
        None => Some(text.to_owned()),
        Some(fault) => {
            problems.on(given, fault);
            None
        }
    };
    let schema = input.options.schema.as_ref().map(|given| (given, given.value()));
    match (schema, &input.options.table) {
        (None, None) => (None, by_rule()),
        (Some((given, schema)), None) => (part(given, &schema), by_rule()),
        (Some((given, schema)), Some(table)) => {
            let schema = part(given, &schema);
            (schema, part(table, &table.value()).unwrap_or_else(by_rule))
        }
        (None, Some(given)) => {
            let text = given.value();
            match text.split('.').collect::<Vec<_>>().as_slice() {
                [table] => (None, part(given, table).unwrap_or_else(by_rule)),
                [schema, table] => match (part(given, schema), part(given, table)) {
                    (Some(schema), Some(table)) => (Some(schema), table),
                    _ => (None, by_rule()),
                },
                _ => {
                    problems.on(
                        given,
                        "expected \"table\" or \"schema.table\"; a name with dots stands beside `schema = \"..\"`",
                    );
                    (None, by_rule())
                }
            }
        }
    }
}

struct Check<'a, 'p> {
    input: &'a Input,
    problems: &'p mut Problems,
    columns: Vec<Column<'a>>,
}

impl<'a> Check<'a, '_> {
    fn read_columns(&mut self) {
        let input = self.input;
        let mut taken: HashMap<String, &str> = HashMap::new();
        for field in &input.fields {
            if is_relation(field) {
                continue;
            }
            let name = self.column_name(field);
            if let Some(other) = taken.insert(name.clone(), &field.name) {
                let message = format!("`{other}` is already the column `{name}`");
                match &field.options.column {
                    Some(given) => self.problems.on(given, message),
                    None => self.problems.on(&field.ident, message),
                }
            }
            self.check_column(field);
            self.columns.push(Column { field, name });
        }
        if self.columns.len() > COLUMNS_MAX {
            self.problems.on(
                &input.ident,
                format!("a table has at most {COLUMNS_MAX} columns, not {}", self.columns.len()),
            );
        }
    }

    fn column_name(&mut self, field: &Field) -> String {
        let Some(given) = &field.options.column else {
            if let Some(fault) = names::fault(&field.name) {
                self.problems.on(&field.ident, fault);
            }
            return field.name.clone();
        };
        match names::fault(&given.value()) {
            None => given.value(),
            Some(fault) => {
                self.problems.on(given, fault);
                field.name.clone()
            }
        }
    }

    fn check_column(&mut self, field: &Field) {
        let options = &field.options;
        for given in
            options.given.iter().filter(|it| !OF_COLUMNS.contains(&names::text(it).as_str()))
        {
            self.problems
                .on(given, format!("`{given}` is for relations, and `{}` is a column", field.name));
        }
        for given in [&options.sql_type, &options.default_sql].into_iter().flatten() {
            self.check_sql(given);
        }
        if let (Some(span), Some(_)) = (options.identity, &options.default_sql) {
            self.problems.at(span, "an identity column has no other default");
        } else if let (Some(span), Some(_)) = (options.identity, &options.default) {
            self.problems.at(span, "an identity column has no other default");
        }
        if let Some(span) = options.identity.filter(|_| is_option(&field.ty)) {
            self.problems.at(span, "an identity column is never NULL");
        }
    }

    fn check_sql(&mut self, given: &LitStr) {
        let text = given.value();
        if text.trim().is_empty() {
            self.problems.on(given, "SQL is expected here");
        } else if text.contains('\0') {
            self.problems.on(given, "SQL can't hold a NUL");
        }
    }

    /// The index of a column by its field; reports a name that is none.
    fn find(&mut self, ident: &Ident) -> Option<usize> {
        let name = names::text(ident);
        let found = self.columns.iter().position(|column| column.field.name == name);
        if found.is_none() {
            let model = names::text(&self.input.ident);
            let message = if self.input.fields.iter().any(|field| field.name == name) {
                format!("`{name}` is a relation, not a column")
            } else {
                let fields = self.columns.iter().map(|column| column.field.name.as_str());
                let near = names::did_you_mean(&name, fields);
                format!("`{model}` has no column `{name}`{near}")
            };
            self.problems.on(ident, message);
        }
        found
    }

    /// The indices of columns by their fields; `None` when one of them is wrong.
    fn find_all(&mut self, idents: &[Ident]) -> Option<Vec<usize>> {
        let mut columns = Vec::with_capacity(idents.len());
        let mut whole = true;
        for ident in idents {
            match self.find(ident) {
                Some(column) if columns.contains(&column) => {
                    self.problems.on(ident, format!("`{ident}` is named twice"));
                    whole = false;
                }
                Some(column) => columns.push(column),
                None => whole = false,
            }
        }
        whole.then_some(columns)
    }

    fn key(&mut self) -> Vec<usize> {
        let marked: Vec<(usize, Span)> = (0..)
            .zip(&self.columns)
            .filter_map(|(index, column)| Some((index, column.field.options.key?)))
            .collect();
        let key = match (&self.input.options.key, marked.as_slice()) {
            (Some(group), []) => self.find_all(&group.columns).unwrap_or_default(),
            (Some(group), [(_, span), ..]) => {
                self.problems.at(*span, "the struct's `key(..)` names the key already");
                self.find_all(&group.columns).unwrap_or_default()
            }
            (None, [(index, _)]) => vec![*index],
            (None, []) => {
                let name = names::text(&self.input.ident);
                self.problems.on(
                    &self.input.ident,
                    format!("`{name}` has no key: mark its field with `#[model(key)]`"),
                );
                Vec::new()
            }
            (None, [_, (_, second), ..]) => {
                self.problems.at(
                    *second,
                    "a second `key`: a key of several columns is `#[model(key(a, b))]` on the struct",
                );
                marked.iter().map(|(index, _)| *index).collect()
            }
        };
        for index in &key {
            let field = self.columns[*index].field;
            if is_option(&field.ty) {
                self.problems.on(&field.ty, "a key can't be NULL");
            }
        }
        key
    }

    fn uniques(&mut self, key: &[usize]) -> Vec<Index> {
        let mut uniques: Vec<Index> = Vec::new();
        let input = self.input;
        let fields = self.single(|field| field.options.unique);
        let groups = input.options.uniques.iter().map(|group| (group.span, Ok(group)));
        let fields = fields.into_iter().map(|(index, span)| (span, Err(index)));
        for (span, unique) in fields.chain(groups) {
            let Some(unique) = self.index(unique) else { continue };
            if same_columns(&unique.columns, key) {
                self.problems.at(span, "these columns are the primary key, which is unique");
            } else if uniques.iter().any(|other| same_columns(&other.columns, &unique.columns)) {
                self.problems.at(span, "these columns are a unique key already");
            } else if let Some(name) = self.taken(&unique.columns, key, &uniques) {
                self.problems.at(span, format!("another unique key is called `{name}` already"));
            } else {
                uniques.push(unique);
            }
        }
        uniques
    }

    /// The joined name of a unique key's fields, when another key has the same (`a_b` and `c` against `a` and `b_c`).
    fn taken(&self, columns: &[usize], key: &[usize], uniques: &[Index]) -> Option<String> {
        let joined = |columns: &[usize]| {
            let names: Vec<&str> =
                columns.iter().map(|index| self.columns[*index].field.name.as_str()).collect();
            names.join("_")
        };
        let name = joined(columns);
        let others = uniques.iter().map(|other| other.columns.as_slice()).chain([key]);
        others.map(joined).any(|other| other == name).then_some(name)
    }

    fn indexes(&mut self) -> Vec<Index> {
        let mut indexes: Vec<Index> = Vec::new();
        let input = self.input;
        let fields = self.single(|field| field.options.index);
        let groups = input.options.indexes.iter().map(|group| (group.span, Ok(group)));
        let fields = fields.into_iter().map(|(index, span)| (span, Err(index)));
        for (span, index) in fields.chain(groups) {
            let Some(index) = self.index(index) else { continue };
            if indexes.iter().any(|other| other.columns == index.columns) {
                self.problems.at(span, "these columns have an index already");
            } else {
                indexes.push(index);
            }
        }
        indexes
    }

    /// The columns whose field has a flag.
    fn single(&self, flag: impl Fn(&Field) -> Option<Span>) -> Vec<(usize, Span)> {
        let columns = self.columns.iter().enumerate();
        columns.filter_map(|(index, column)| Some((index, flag(column.field)?))).collect()
    }

    /// A unique key or index from a group on the struct, or from one column.
    fn index(&mut self, from: Result<&Group, usize>) -> Option<Index> {
        let group = match from {
            Err(column) => return Some(Index { name: None, columns: vec![column] }),
            Ok(group) => group,
        };
        if let Some(given) = &group.name
            && let Some(fault) = names::fault(&given.value())
        {
            self.problems.on(given, fault);
        }
        let columns = self.find_all(&group.columns)?;
        Some(Index { name: group.name.as_ref().map(LitStr::value), columns })
    }
}

fn same_columns(left: &[usize], right: &[usize]) -> bool {
    left.len() == right.len() && left.iter().all(|column| right.contains(column))
}
