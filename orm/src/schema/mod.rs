//! The tables of an application: which models there are, and the SQL that makes and drops their tables.

pub(crate) mod names;

pub(crate) mod user_type;

mod order;

mod ddl;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use crate::model::Model;
use crate::model::table::Table;
use crate::schema::ddl::Existing;
use crate::schema::user_type::UserDefined;

/// The models of an application.
///
/// A model brings in the models that its relations lead to, unless it is added [alone](Self::only). The SQL is text in
/// the order in which it can be run; nothing here touches a server.
///
/// ```
/// # use stellata::{Id, Model, Schema};
/// #[derive(Model)]
/// struct Counter {
///     #[model(key, identity)]
///     id: Id<Counter>,
///     hits: i64,
/// }
///
/// let statements = Schema::new().model::<Counter>().create_sql()?;
/// assert!(statements[0].starts_with("create table \"counter\" ("));
/// # Ok::<(), stellata::SchemaError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// The statements that make the user-defined types.
    types: Vec<String>,
    tables: Vec<&'static Table>,
}

impl Schema {
    /// No models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model and all models that its relations lead to. A model that is there already changes nothing.
    #[must_use]
    pub fn model<M: Model>(mut self) -> Self {
        let mut found = vec![M::TABLE];
        let mut next = 0;
        while let Some(table) = found.get(next) {
            for relation in table.relations {
                let target = (relation.target)();
                if !order::contains(&found, target) {
                    found.push(target);
                }
            }
            next += 1;
        }
        found.into_iter().for_each(|table| self.add(table));
        self
    }

    /// Adds a model alone: the tables that it refers to are there already, or are added by a call of their own.
    #[must_use]
    pub fn only<M: Model>(mut self) -> Self {
        self.add(M::TABLE);
        self
    }

    /// Adds a type of the database's own, which columns may have: what `PgEnum`, `PgComposite` and `PgDomain` derive. Add
    /// a type before the types that hold it.
    ///
    /// A type is made before all tables, unless one of its name is there; such a one is left as it is. Dropping the tables
    /// leaves it too.
    ///
    /// ```
    /// # use stellata::{PgEnum, Schema};
    /// #[derive(PgEnum)]
    /// enum Mood {
    ///     Sad,
    ///     Happy,
    /// }
    ///
    /// let statements = Schema::new().user_type::<Mood>().create_sql()?;
    /// assert!(statements[0].contains(r#"create type "mood" as enum"#));
    /// # Ok::<(), stellata::SchemaError>(())
    /// ```
    #[must_use]
    pub fn user_type<T: UserDefined>(mut self) -> Self {
        for statement in user_type::statements::<T>() {
            if !self.types.contains(&statement) {
                self.types.push(statement);
            }
        }
        self
    }

    fn add(&mut self, table: &'static Table) {
        if !order::contains(&self.tables, table) {
            self.tables.push(table);
        }
    }

    /// The tables, in the order in which their models were added.
    #[must_use]
    pub fn tables(&self) -> &[&'static Table] {
        &self.tables
    }

    /// The statements that make all tables, with their keys, indexes and foreign keys. A table stands behind those it
    /// refers to; foreign keys that close a circle are added at the end.
    ///
    /// # Errors
    /// A [`SchemaError`] when the models don't fit together.
    pub fn create_sql(&self) -> Result<Vec<String>, SchemaError> {
        self.check()?;
        Ok(self.with_types(ddl::create(&order::order(&self.tables), Existing::Refuse)))
    }

    /// Like [`create_sql`](Self::create_sql), but what exists by its name is left as it is.
    ///
    /// # Errors
    /// A [`SchemaError`] when the models don't fit together.
    pub fn create_missing_sql(&self) -> Result<Vec<String>, SchemaError> {
        self.check()?;
        Ok(self.with_types(ddl::create(&order::order(&self.tables), Existing::Keep)))
    }

    fn with_types(&self, tables: Vec<String>) -> Vec<String> {
        self.types.iter().cloned().chain(tables).collect()
    }

    /// The statement that drops all tables that exist, with their rows; `None` where there are no models. It is refused
    /// by the server while a table that is no model's refers to one of them.
    #[must_use]
    pub fn drop_sql(&self) -> Option<String> {
        ddl::drop(&order::order(&self.tables))
    }

    /// Whether the models fit together.
    fn check(&self) -> Result<(), SchemaError> {
        let mut owners: HashMap<(Option<&str>, String), &'static Table> = HashMap::new();
        for table in &self.tables {
            let name = (table.schema, table.name.to_owned());
            if let Some(other) = owners.insert(name, table) {
                let models = [other.model, table.model];
                return Err(SchemaError::DuplicateTable { table: table.name, models });
            }
        }
        for table in &self.tables {
            // A primary key and a unique key are kept by an index of the same name, and indexes share the names of tables.
            let indexes = [names::primary_key(table)]
                .into_iter()
                .chain(table.uniques.iter().map(|unique| names::unique(table, unique)))
                .chain(table.indexes.iter().map(|index| names::index(table, index)));
            for name in indexes {
                if let Some(other) = owners.insert((table.schema, name.clone()), table) {
                    let models = [other.model, table.model];
                    return Err(SchemaError::DuplicateName { name, models });
                }
            }
            check_foreign_keys(table)?;
        }
        Ok(())
    }
}

fn check_foreign_keys(table: &'static Table) -> Result<(), SchemaError> {
    let mut taken: Vec<String> = table.uniques.iter().map(|it| names::unique(table, it)).collect();
    taken.push(names::primary_key(table));
    for relation in order::foreign_keys(table) {
        let target = (relation.target)();
        let columns = (relation.target_columns)();
        let keys = target.uniques.iter().map(|unique| unique.columns).chain([target.key]);
        if !keys.into_iter().any(|key| same_columns(key, columns)) {
            return Err(SchemaError::NotUnique {
                model: table.model,
                relation: relation.name,
                target: target.model,
            });
        }
        let name = names::foreign_key(table, (relation.columns)());
        if taken.contains(&name) {
            return Err(SchemaError::DuplicateName { name, models: [table.model; 2] });
        }
        taken.push(name);
    }
    Ok(())
}

fn same_columns(left: &[u16], right: &[u16]) -> bool {
    left.len() == right.len() && left.iter().all(|column| right.contains(column))
}

/// Models that don't fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// Two models have the same table.
    DuplicateTable {
        /// The table.
        table: &'static str,
        /// The models.
        models: [&'static str; 2],
    },
    /// Two constraints or indexes, or one of them and a table, have the same name.
    DuplicateName {
        /// The name.
        name: String,
        /// The models they belong to.
        models: [&'static str; 2],
    },
    /// A relation refers to columns that are no unique key, which no foreign key can do.
    NotUnique {
        /// The model that holds the key.
        model: &'static str,
        /// Its relation.
        relation: &'static str,
        /// The model that it refers to.
        target: &'static str,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateTable { table, models: [left, right] } => {
                write!(f, "the models `{left}` and `{right}` have the same table `{table}`")
            }
            Self::DuplicateName { name, models: [left, right] } if left == right => {
                write!(f, "the model `{left}` has two constraints or indexes named `{name}`")
            }
            Self::DuplicateName { name, models: [left, right] } => {
                write!(f, "the models `{left}` and `{right}` both use the name `{name}`")
            }
            Self::NotUnique { model, relation, target } => write!(
                f,
                "`{model}::{relation}` refers to columns of `{target}` that are no unique key"
            ),
        }
    }
}

impl std::error::Error for SchemaError {}
