//! Names in SQL text.

use stellata_protocol::quote;

use crate::model::table::Table;

/// Appends a table's name, with its schema where one is given.
pub(crate) fn quote_table(out: &mut String, table: &Table) {
    if let Some(schema) = table.schema {
        quote::push_identifier(schema, out);
        out.push('.');
    }
    quote::push_identifier(table.name, out);
}

/// The name of a column's type without length or precision, so that a cast to it (or to the array over it) cuts nothing
/// off.
pub(crate) fn bare_type(sql_type: &str) -> String {
    let mut bare = String::with_capacity(sql_type.len());
    let mut depth = 0_u32;
    let mut quoted = false;
    for letter in sql_type.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                bare.push(letter);
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(letter),
            _ => {}
        }
    }
    let bare = bare.trim();
    // These two mean a length of one where no length is given.
    match bare.to_ascii_lowercase().as_str() {
        "char" | "character" => "pg_catalog.bpchar".to_owned(),
        "bit" => "pg_catalog.\"bit\"".to_owned(),
        _ => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_cuts_nothing_off() {
        assert_eq!(bare_type("varchar(20)"), "varchar");
        assert_eq!(bare_type("numeric(10,2)"), "numeric");
        assert_eq!(bare_type("timestamp(3) with time zone"), "timestamp with time zone");
        assert_eq!(bare_type("char(3)"), "pg_catalog.bpchar");
        assert_eq!(bare_type("bit(3)"), "pg_catalog.\"bit\"");
        assert_eq!(bare_type("\"odd(type\""), "\"odd(type\"");
    }
}
