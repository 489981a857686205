//! Names of tables and columns in SQL.

/// Appends a name as SQL writes it: always in double quotes, so that reserved words and odd characters mean themselves.
pub(crate) fn quote(name: &str, out: &mut String) {
    out.push('"');
    for letter in name.chars() {
        if letter == '"' {
            out.push('"');
        }
        out.push(letter);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quotes_are_doubled_and_everything_else_is_kept() {
        for (name, expected) in
            [("order", "\"order\""), ("a\"b", "\"a\"\"b\""), ("Ünder score", "\"Ünder score\"")]
        {
            let mut out = String::new();
            quote(name, &mut out);
            assert_eq!(out, expected);
        }
    }
}
