//! The name of a type as SQL writes it, taken apart.

use std::borrow::Cow;

/// A type's name, as [`Type::name`](crate::Type::name) has it, in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName<'n> {
    /// The schema, where one is named.
    pub schema: Option<Cow<'n, str>>,
    /// The name; of an array the name of its element.
    pub name: Cow<'n, str>,
    /// Whether it is the array over the type of that name.
    pub is_array: bool,
}

impl<'n> TypeName<'n> {
    /// Takes a name apart: `mood`, `app.mood`, `"App"."Mood"[]`. What is not quoted is folded to lower case, as the server
    /// does. `None` for what is no such name (`numeric(10,2)`, `double precision`).
    ///
    /// ```
    /// use stellata_protocol::types::TypeName;
    /// let name = TypeName::parse(r#""my schema".Mood[]"#).unwrap();
    /// assert_eq!(name.schema.as_deref(), Some("my schema"));
    /// assert_eq!((&*name.name, name.is_array), ("mood", true));
    /// assert_eq!(TypeName::parse("double precision"), None);
    /// ```
    #[must_use]
    pub fn parse(sql: &'n str) -> Option<Self> {
        let (first, rest) = part(sql.trim())?;
        let (schema, name, mut rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (name, rest) = part(rest)?;
                (Some(first), name, rest)
            }
            None => (None, first, rest),
        };
        let is_array = !rest.is_empty();
        while let Some(more) = rest.strip_prefix("[]") {
            rest = more;
        }
        rest.is_empty().then_some(Self { schema, name, is_array })
    }

    /// Whether the type `name` of `schema` may be meant. A name without schema is found in any.
    #[must_use]
    pub fn names(&self, schema: &str, name: &str) -> bool {
        self.name == name && self.schema.as_ref().is_none_or(|own| own == schema)
    }
}

/// One identifier and what stands behind it.
fn part(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '$')))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        let starts = name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
        let is_folded = !name.contains(|letter: char| letter.is_ascii_uppercase());
        let name = if is_folded { name.into() } else { name.to_ascii_lowercase().into() };
        return starts.then_some((name, rest));
    };
    let mut name = Cow::Borrowed("");
    let mut rest = quoted;
    loop {
        let (piece, behind) = rest.split_once('"')?;
        if name.is_empty() {
            name = Cow::Borrowed(piece);
        } else {
            name.to_mut().push_str(piece);
        }
        match behind.strip_prefix('"') {
            Some(behind) => {
                name.to_mut().push('"');
                rest = behind;
            }
            None if name.is_empty() => return None,
            None => return Some((name, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote;
    use proptest::prelude::*;

    fn parts(sql: &str) -> Option<(Option<String>, String, bool)> {
        TypeName::parse(sql)
            .map(|name| (name.schema.map(Cow::into_owned), name.name.into_owned(), name.is_array))
    }

    #[test]
    fn names_are_taken_apart_as_the_server_does() {
        let name = |schema: Option<&str>, name: &str, array| {
            Some((schema.map(str::to_owned), name.to_owned(), array))
        };
        assert_eq!(parts("Mood"), name(None, "mood", false));
        assert_eq!(parts("app.\"Mood\""), name(Some("app"), "Mood", false));
        assert_eq!(parts("\"a.b\".\"c\"\"d\"[]"), name(Some("a.b"), "c\"d", true));
        assert_eq!(parts("\"\"\"\""), name(None, "\"", false));
        assert_eq!(parts("straße$1[][]"), name(None, "straße$1", true));
        for text in ["", "\"\"", "\"a", "a b", "a.", ".a", "numeric(10,2)", "a[", "a.b.c", "1a"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(schema in "[^\0]{1,20}", own in "[^\0]{1,20}") {
            let sql = format!(
                "{}.{}[]",
                quote::identifier(&schema).unwrap(),
                quote::identifier(&own).unwrap()
            );
            prop_assert_eq!(parts(&sql), Some((Some(schema), own, true)));
        }

        #[test]
        fn no_text_is_a_panic(sql in ".*") {
            let _ = TypeName::parse(&sql);
        }
    }
}
