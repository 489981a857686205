//! Names and texts as they stand in a command (manual: "Lexical Structure").
//!
//! This is the one way by which a name or a text enters SQL. Values belong in parameters; what is here is for the places
//! that take none: table and column names, options of COPY, `set`, `listen`, replication commands.
//!
//! The input is `&str`, and so is UTF-8: no byte of it can be the tail of a character that the server reads on into the
//! closing quote (CVE-2025-1094). This holds while the session's `client_encoding` is UTF8, as this crate's are.

use crate::error::{Error, ErrorKind, Result};

/// A name in double quotes, each double quote in it doubled. Every name is quoted, so that reserved words, capitals and
/// odd characters are names like any other.
///
/// The server cuts names after 63 bytes (`NAMEDATALEN`, which its builder can change), with a notice and no error: this is
/// left to it.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL, [`ErrorKind::InvalidValue`] for the empty name, which SQL does not have.
///
/// ```
/// use stellata_protocol::quote;
/// assert_eq!(quote::identifier("weird \"name\"").unwrap(), r#""weird ""name""""#);
/// ```
pub fn identifier(name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(Error::new(ErrorKind::InvalidValue, "a name is empty"));
    }
    let name = without_nul(name)?;
    let mut out = String::with_capacity(name.len().saturating_add(2));
    push_identifier(name, &mut out);
    Ok(out)
}

/// Appends a name in double quotes, as [`identifier`] does, but looks at nothing: for names that a program itself declares.
/// A NUL in one is refused when the statement is sent.
///
/// ```
/// let mut sql = String::from("select * from ");
/// stellata_protocol::quote::push_identifier("order", &mut sql);
/// assert_eq!(sql, "select * from \"order\"");
/// ```
pub fn push_identifier(name: &str, out: &mut String) {
    push_quoted(name, '"', &['"'], out);
}

/// A text in single quotes, for SQL.
///
/// A backslash means itself or not, by the setting `standard_conforming_strings`. A text that holds one is written in the
/// form that does not depend on it: `E'..'`, with each backslash doubled.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL.
///
/// ```
/// use stellata_protocol::quote;
/// assert_eq!(quote::literal("it's").unwrap(), "'it''s'");
/// assert_eq!(quote::literal(r"C:\new").unwrap(), r"E'C:\\new'");
/// ```
pub fn literal(text: &str) -> Result<String> {
    if text.contains('\\') {
        quoted("E", text, '\'', &['\'', '\\'])
    } else {
        quoted("", text, '\'', &['\''])
    }
}

/// A text in single quotes, for a command of the replication protocol (manual: "Streaming Replication Protocol").
///
/// Those commands have a grammar of their own: it knows no `E'..'`, and a backslash always means itself.
///
/// # Errors
/// [`ErrorKind::InvalidText`] for a NUL.
///
/// ```
/// use stellata_protocol::quote;
/// assert_eq!(quote::replication_literal(r"a\b'c").unwrap(), r"'a\b''c'");
/// ```
pub fn replication_literal(text: &str) -> Result<String> {
    quoted("", text, '\'', &['\''])
}

/// An option of a command, name and value, as COPY has them in its list (manual: "COPY"): `"delimiter" ';'`.
///
/// A name is compared as it is: the server's own are in lower case. Every value may stand as a text: the server reads
/// `'true'` as it reads `true`, and `'7'` as `7`.
///
/// # Errors
/// As [`identifier`] of the name and [`literal`] of the value.
///
/// ```
/// use stellata_protocol::quote;
/// let options = [quote::option("format", "csv").unwrap(), quote::option("null", "it's").unwrap()];
/// assert_eq!(options.join(", "), r#""format" 'csv', "null" 'it''s'"#);
/// ```
pub fn option(name: &str, value: &str) -> Result<String> {
    let mut out = identifier(name)?;
    out.push(' ');
    out.push_str(&literal(value)?);
    Ok(out)
}

/// An option of a command whose value is a list of columns, such as `force_null` of COPY: `"force_null" ("a", "b")`.
///
/// # Errors
/// As [`identifier`] of the name and of each column, and [`ErrorKind::InvalidValue`] for no column.
pub fn column_option(name: &str, columns: &[&str]) -> Result<String> {
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::InvalidValue, "an option names no column"));
    }
    let mut out = identifier(name)?;
    for (index, column) in columns.iter().enumerate() {
        out.push_str(if index == 0 { " (" } else { ", " });
        out.push_str(&identifier(column)?);
    }
    out.push(')');
    Ok(out)
}

/// `prefix`, then `text` between two `quote`s, with each of the `doubled` characters twice.
fn quoted(prefix: &str, text: &str, quote: char, doubled: &[char]) -> Result<String> {
    let text = without_nul(text)?;
    // Room for the quotes and a few doubled characters.
    let mut out = String::with_capacity(text.len().saturating_add(8));
    out.push_str(prefix);
    push_quoted(text, quote, doubled, &mut out);
    Ok(out)
}

fn without_nul(text: &str) -> Result<&str> {
    if text.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidText, "a name or text for a command holds a NUL"));
    }
    Ok(text)
}

fn push_quoted(text: &str, quote: char, doubled: &[char], out: &mut String) {
    out.push(quote);
    for character in text.chars() {
        if doubled.contains(&character) {
            out.push(character);
        }
        out.push(character);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a server's lexer makes of a quoted thing at the start of `sql`, and what stands behind it.
    ///
    /// `escapes`: a backslash takes the next character as it is, as in `E'..'` and, with
    /// `standard_conforming_strings` off, in every string.
    fn lex(sql: &str, quote: char, escapes: bool) -> Option<(String, &str)> {
        let mut text = String::new();
        let mut rest = sql.strip_prefix(quote)?.chars();
        loop {
            match rest.next()? {
                '\\' if escapes => text.push(rest.next()?),
                next if next == quote => match rest.as_str().strip_prefix(quote) {
                    Some(behind) => {
                        text.push(quote);
                        rest = behind.chars();
                    }
                    None => return Some((text, rest.as_str())),
                },
                next => text.push(next),
            }
        }
    }

    /// Any of the functions above.
    type Quote<'q> = &'q dyn Fn(&str) -> Result<String>;

    fn lex_literal(sql: &str, conforming: bool) -> Option<(String, &str)> {
        match sql.strip_prefix('E') {
            Some(string) => lex(string, '\'', true),
            None => lex(sql, '\'', !conforming),
        }
    }

    /// Text in which the characters that matter are frequent.
    fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                3 => proptest::sample::select(vec!['\'', '"', '\\', 'E', ';', '-', '\n', '$']),
                2 => any::<char>().prop_filter("NUL", |character| *character != '\0'),
            ],
            0..24,
        )
        .prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_as_itself_and_nothing_escapes(name in text(), behind in text()) {
            prop_assume!(!name.is_empty() && !behind.starts_with('"'));
            let sql = format!("{}{behind}", identifier(&name).unwrap());
            prop_assert_eq!(lex(&sql, '"', false), Some((name, &behind[..])));
        }

        #[test]
        fn a_text_is_read_back_as_itself_whatever_the_server_makes_of_backslashes(
            text in text(),
            behind in text(),
            conforming: bool,
        ) {
            prop_assume!(!behind.starts_with('\''));
            let sql = format!("{}{behind}", literal(&text).unwrap());
            prop_assert_eq!(lex_literal(&sql, conforming), Some((text, &behind[..])));
        }

        #[test]
        fn a_replication_command_reads_a_text_back_as_itself(text in text(), behind in text()) {
            prop_assume!(!behind.starts_with('\''));
            let sql = format!("{}{behind}", replication_literal(&text).unwrap());
            prop_assert_eq!(lex(&sql, '\'', false), Some((text, &behind[..])));
        }

        #[test]
        fn rustsec_2026_0136_an_option_is_read_back_as_its_name_and_its_value(
            name in text(),
            value in text(),
            columns in proptest::collection::vec(text(), 1..4),
            conforming: bool,
        ) {
            prop_assume!(!name.is_empty() && columns.iter().all(|column| !column.is_empty()));
            let sql = format!("{}, end", option(&name, &value).unwrap());
            let (found, rest) = lex(&sql, '"', false).unwrap();
            prop_assert_eq!(&found, &name);
            let rest = rest.strip_prefix(' ').unwrap();
            prop_assert_eq!(lex_literal(rest, conforming), Some((value, ", end")));

            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let sql = format!("{}, end", column_option(&name, &columns).unwrap());
            let (found, mut rest) = lex(&sql, '"', false).unwrap();
            prop_assert_eq!(&found, &name);
            for (index, column) in columns.iter().enumerate() {
                rest = rest.strip_prefix(if index == 0 { " (" } else { ", " }).unwrap();
                let (found, behind) = lex(rest, '"', false).unwrap();
                prop_assert_eq!(&found, column);
                rest = behind;
            }
            prop_assert_eq!(rest, "), end");
        }

        #[test]
        fn a_nul_is_refused_wherever_it_stands(before in text(), behind in text()) {
            let text = format!("{before}\0{behind}");
            let in_option = |text: &str| option("null", text);
            let in_name = |text: &str| option(text, "");
            let in_columns = |text: &str| column_option("force_null", &["a", text]);
            let quotes: [Quote<'_>; 6] =
                [&identifier, &literal, &replication_literal, &in_option, &in_name, &in_columns];
            for quote in quotes {
                let kind = quote(&text).map_err(|error| error.kind());
                prop_assert_eq!(kind, Err(ErrorKind::InvalidText));
            }
        }
    }

    #[test]
    fn empty_names_and_lists_are_refused() {
        let kind = |result: Result<String>| result.map_err(|error| error.kind());
        assert_eq!(kind(option("", "a")), Err(ErrorKind::InvalidValue));
        assert_eq!(kind(column_option("a", &[])), Err(ErrorKind::InvalidValue));
        assert_eq!(kind(column_option("a", &["b", ""])), Err(ErrorKind::InvalidValue));
    }

    #[test]
    fn the_usual_ones() {
        assert_eq!(identifier("users").as_deref(), Ok("\"users\""));
        assert_eq!(identifier("Käse").as_deref(), Ok("\"Käse\""));
        assert_eq!(identifier("a\"; drop table b").as_deref(), Ok("\"a\"\"; drop table b\""));
        assert_eq!(identifier("").map_err(|error| error.kind()), Err(ErrorKind::InvalidValue));
        assert_eq!(literal("").as_deref(), Ok("''"));
        assert_eq!(literal("\\'").as_deref(), Ok("E'\\\\'''"));
    }
}
