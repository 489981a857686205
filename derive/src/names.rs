//! Names: from Rust's to PostgreSQL's, and the nearest one to a name that is wrong.

use proc_macro2::Ident;
use syn::ext::IdentExt;

/// The longest name that PostgreSQL keeps, in bytes (`NAMEDATALEN - 1`).
pub(crate) const NAME_MAX: usize = 63;

/// What an identifier says, without the `r#` of a raw one.
pub(crate) fn text(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// `AlbumTag` as `album_tag`, `HTTPServer` as `http_server`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| letters.get(index));
        let after = letters.get(index + 1);
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                *before != '_'
                    && (!before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()))
            });
        if starts_word {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// What is wrong with a name in the database, if anything.
pub(crate) fn fault(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("a name can't be empty".into())
    } else if name.contains('\0') {
        Some("a name can't hold a NUL".into())
    } else if name.len() > NAME_MAX {
        Some(format!("PostgreSQL cuts names at {NAME_MAX} bytes, and this one has {}", name.len()))
    } else {
        None
    }
}

/// "; did you mean `title`?" where one of the names that exist is close to the one given, else nothing.
pub(crate) fn did_you_mean<'a>(given: &str, existing: impl Iterator<Item = &'a str>) -> String {
    let limit = given.chars().count().div_ceil(3);
    existing
        .map(|name| (distance(given, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// The number of letters to add, drop or change to come from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (index, right) in to.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[index + 1];
            row[index + 1] = changed.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, distance, fault, snake_case};

    #[test]
    fn struct_names_become_snake_case() {
        for (name, expected) in [
            ("Album", "album"),
            ("AlbumTag", "album_tag"),
            ("HTTPServer", "http_server"),
            ("ServerHTTP", "server_http"),
            ("Album2", "album2"),
            ("Old_Name", "old_name"),
            ("ÄrgerLog", "ärger_log"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
    }

    #[test]
    fn a_near_name_is_proposed_and_a_far_one_is_not() {
        let names = ["title", "released", "artist_id"];
        assert_eq!(did_you_mean("titel", names.into_iter()), "; did you mean `title`?");
        assert_eq!(did_you_mean("artist", names.into_iter()), "");
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn names_that_the_server_would_cut_are_refused() {
        assert!(fault(&"x".repeat(63)).is_none());
        assert!(fault(&"x".repeat(64)).is_some());
        assert!(fault(&"ä".repeat(32)).is_some());
        assert!(fault("").is_some());
        assert!(fault("a\0b").is_some());
    }
}
