//! Types that a schema makes before its tables.

use stellata_protocol::types::TypeName;
use stellata_protocol::{PgType, quote};

/// A type of the database's own, with the statement that makes it. Derived by `PgEnum`, `PgComposite` and `PgDomain`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type that a schema can make",
    note = "derive `PgEnum`, `PgComposite` or `PgDomain`"
)]
pub trait UserDefined: PgType {
    /// The statement that makes the type: `create type` or `create domain`. The server refuses it when the type is there
    /// already.
    fn create_sql() -> String;
}

/// The statements that make a type, and its schema, where they are missing.
pub(crate) fn statements<T: UserDefined>() -> Vec<String> {
    let mut statements = Vec::new();
    if let Some(schema) = TypeName::parse(T::TYPE.name).and_then(|name| name.schema) {
        let mut statement = String::from("create schema if not exists ");
        quote::push_identifier(&schema, &mut statement);
        statements.push(statement);
    }
    // `create type` knows no `if not exists`.
    let body = format!("begin {}; exception when duplicate_object then null; end", T::create_sql());
    let mut statement = String::from("do ");
    push_literal(&body, &mut statement);
    statements.push(statement);
    statements
}

/// `create type .. as enum`.
#[must_use]
pub fn create_enum<T: PgType>(labels: &[&str]) -> String {
    let mut out = format!("create type {} as enum (", T::TYPE.name);
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_literal(label, &mut out);
    }
    out + ")"
}

/// `create type .. as`, with the attributes and their types.
#[must_use]
pub fn create_composite<T: PgType>(attributes: &[(&str, &str)]) -> String {
    let mut out = format!("create type {} as (", T::TYPE.name);
    for (index, (name, sql_type)) in attributes.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        quote::push_identifier(name, &mut out);
        out.push(' ');
        out.push_str(sql_type);
    }
    out + ")"
}

/// `create domain .. as` the type of `B`.
#[must_use]
pub fn create_domain<T: PgType, B: PgType>(check: Option<&str>) -> String {
    let mut out = format!("create domain {} as {}", T::TYPE.name, B::TYPE.name);
    if let Some(check) = check {
        out.push_str(" check (");
        out.push_str(check);
        out.push(')');
    }
    out
}

/// A NUL, which no literal can hold, is left in for the server to refuse: it ends the statement.
fn push_literal(text: &str, out: &mut String) {
    match quote::literal(text) {
        Ok(literal) => out.push_str(&literal),
        Err(_) => out.push_str(text),
    }
}
