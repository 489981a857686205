//! How names are written: `rename_all`.

use crate::names::snake_case;

/// The ways that `rename_all` knows, by their own names.
pub(super) const RULES: [&str; 8] = [
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
    "camelCase",
    "PascalCase",
    "lowercase",
    "UPPERCASE",
    "verbatim",
];

/// A name of Rust's, written by one of the rules. `None` for an unknown rule.
pub(super) fn apply(rule: &str, name: &str) -> Option<String> {
    let snake = snake_case(name);
    Some(match rule {
        "snake_case" => snake,
        "SCREAMING_SNAKE_CASE" => snake.to_uppercase(),
        "kebab-case" => snake.replace('_', "-"),
        "camelCase" => {
            let mut words = snake.split('_').filter(|word| !word.is_empty());
            words.next().map(str::to_owned).unwrap_or_default()
                + &words.map(capitalised).collect::<String>()
        }
        "PascalCase" => snake.split('_').map(capitalised).collect(),
        "lowercase" => name.to_lowercase(),
        "UPPERCASE" => name.to_uppercase(),
        "verbatim" => name.to_owned(),
        _ => return None,
    })
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_writes_a_variant_and_a_field() {
        let written: Vec<_> = RULES.iter().map(|rule| apply(rule, "VeryHappy").unwrap()).collect();
        assert_eq!(
            written,
            [
                "very_happy",
                "VERY_HAPPY",
                "very-happy",
                "veryHappy",
                "VeryHappy",
                "veryhappy",
                "VERYHAPPY",
                "VeryHappy"
            ]
        );
        assert_eq!(apply("camelCase", "zip_code").as_deref(), Some("zipCode"));
        assert_eq!(apply("PascalCase", "zip_code").as_deref(), Some("ZipCode"));
        assert_eq!(apply("Snake", "a"), None);
    }
}
