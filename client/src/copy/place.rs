//! Where in the data of a COPY an error lies.

use stellata_protocol::message::ServerError;

/// The row that the server names in the context of an error: `COPY tracks, line 3, column title: "..."`.
///
/// The word before the number is in the server's language. The name of the table may hold anything, so that where it is
/// known, the number is looked for behind it.
pub(super) fn row(error: &ServerError, relation: Option<&str>) -> Option<u64> {
    // A trigger that fails adds lines of its own in front.
    error.context()?.lines().find_map(|line| row_of_line(line, relation))
}

fn row_of_line(line: &str, relation: Option<&str>) -> Option<u64> {
    let rest = line.strip_prefix("COPY ")?;
    let rest = match relation.and_then(|relation| rest.strip_prefix(relation)) {
        Some(rest) => rest.strip_prefix(", ")?,
        None => rest.split_once(", ")?.1,
    };
    let (_, number) = rest.split_once(' ')?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_behind_the_table_is_the_row() {
        for (line, relation, row) in [
            ("COPY t, line 3, column a: \"x, line 9\"", Some("t"), Some(3)),
            ("COPY t, line 3", None, Some(3)),
            ("COPY t, Zeile 12, Spalte a: \"x\"", Some("t"), Some(12)),
            ("COPY a, line 7, line 18446744073709551615", Some("a, line 7"), Some(u64::MAX)),
            ("COPY t, line 18446744073709551616", Some("t"), None),
            ("COPY t, line ", Some("t"), None),
            ("COPY t", Some("t"), None),
            ("PL/pgSQL function f() line 3 at RAISE", Some("t"), None),
        ] {
            assert_eq!(row_of_line(line, relation), row, "{line}");
        }
    }
}
