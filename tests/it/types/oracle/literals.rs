//! The literals, one a line in a file for each type.
//!
//! In a line `\n`, `\r` and `\t` stand for themselves, `\s` for a blank (at an end, where an editor might take it away),
//! `\\` for a backslash, `\u{..}` for a character by its number, and `\e` for nothing, so that a line can stand for the
//! empty literal. `@16 ` in front says that servers before version 16 do not know it.

use std::path::PathBuf;

/// The literals of a file that a server of this version knows.
pub(super) fn of(file: &str, version: u32) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/types").join(file);
    let text = std::fs::read_to_string(path.with_extension("txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.filter_map(|line| known_to(line, version)).map(unescape).collect()
}

/// The line without the version in front of it, unless that is a later one.
fn known_to(line: &str, version: u32) -> Option<&str> {
    let since = line.strip_prefix('@').and_then(|rest| rest.split_once(' '));
    match since.and_then(|(since, rest)| Some((since.parse::<u32>().ok()?, rest))) {
        Some((since, rest)) => (since <= version).then_some(rest),
        None => Some(line),
    }
}

fn unescape(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next().unwrap() {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                's' => text.push(' '),
                'e' => {}
                '\\' => text.push('\\'),
                'u' => {
                    let (digits, behind) = rest.as_str()[1..].split_once('}').unwrap();
                    text.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
                    rest = behind.chars();
                }
                other => panic!("\\{other} in {line:?}"),
            },
            other => text.push(other),
        }
    }
    text
}

#[test]
fn lines_are_read_as_is_said_above() {
    assert_eq!(unescape(r"\sa\n\\x\u{e4}\e"), " a\n\\xä");
    assert_eq!(known_to("@16 0x1", 15), None);
    assert_eq!(known_to("@16 0x1", 16), Some("0x1"));
    assert_eq!(known_to("@ 1 minute ago", 14), Some("@ 1 minute ago"));
}
