//! The JSON document by which a server refuses a token (RFC 7628, section 3.2.2), as JSON is in RFC 8259.

/// How deep arrays and objects may lie in each other in members that nobody asks for.
const DEPTH: usize = 16;

/// The values of the members `names` of a JSON object, `None` for those that are not there.
///
/// The document is a server's, so that it is read as strictly as it can be: the whole of it must be JSON, a member that
/// is asked for stands there once and is text without a NUL. Other members may be anything. `None` when it is not so.
pub(super) fn members<const N: usize>(
    document: &[u8],
    names: [&str; N],
) -> Option<[Option<String>; N]> {
    let mut found = [const { None }; N];
    let mut text = Text { rest: core::str::from_utf8(document).ok()? };
    text.space();
    text.expect('{')?;
    text.space();
    if !text.take('}') {
        loop {
            let name = text.string()?;
            text.colon()?;
            match names.iter().zip(&mut found).find(|(wanted, _)| **wanted == name) {
                Some((_, Some(_))) => return None,
                Some((_, place)) => *place = Some(text.string().filter(|s| !s.contains('\0'))?),
                None => text.value(DEPTH)?,
            }
            if !text.goes_on('}')? {
                break;
            }
        }
    }
    text.space();
    text.rest.is_empty().then_some(found)
}

struct Text<'a> {
    rest: &'a str,
}

impl Text<'_> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.take(wanted).then_some(())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn colon(&mut self) -> Option<()> {
        self.space();
        self.expect(':')?;
        self.space();
        Some(())
    }

    /// Whether a comma and a further member or element follow, or else `end`.
    fn goes_on(&mut self, end: char) -> Option<bool> {
        self.space();
        if self.take(end) {
            return Some(false);
        }
        self.expect(',')?;
        self.space();
        Some(true)
    }

    fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                '\0'..='\x1f' => return None,
                plain => text.push(plain),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            '"' => '"',
            '\\' => '\\',
            '/' => '/',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    // The second half of a pair alone is no character.
                    return char::from_u32(first.into());
                }
                self.expect('\\')?;
                self.expect('u')?;
                let second = self.unit()?;
                return char::decode_utf16([first, second]).next()?.ok();
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
    }

    /// Passes over a value of any kind.
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.rest.chars().next()? {
            '"' => self.string().map(drop),
            '{' => self.elements('}', depth, |text, depth| {
                text.string()?;
                text.colon()?;
                text.value(depth)
            }),
            '[' => self.elements(']', depth, Self::value),
            't' => self.word("true"),
            'f' => self.word("false"),
            'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn elements(
        &mut self,
        end: char,
        depth: usize,
        mut element: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.next();
        self.space();
        if self.take(end) {
            return Some(());
        }
        loop {
            element(self, depth)?;
            if !self.goes_on(end)? {
                return Some(());
            }
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        self.take('-');
        if !self.take('0') {
            self.digits()?;
        }
        if self.take('.') {
            self.digits()?;
        }
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Option<[Option<String>; 2]> {
        members(document.as_bytes(), ["status", "scope"])
    }

    #[test]
    fn what_is_asked_for_is_found_among_other_members() {
        for document in [
            r#"{"status":"invalid_token"}"#,
            " {\t\"a\" : [ ] , \"status\" : \"invalid_token\" ,\r\n \"b\" : { } } ",
            r#"{"x":{"status":1,"status":2},"status":"invalid_token","y":[1,[2.5e-3,{"z":null}],true,false]}"#,
            r#"{"\u0073tatus":"\u0069nvalid_token","n":-0.0E+1}"#,
        ] {
            assert_eq!(read(document), Some([Some("invalid_token".into()), None]), "{document}");
        }
        assert_eq!(read("{}"), Some([None, None]));
        let escapes = r#"{"scope":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00 ä"}"#;
        assert_eq!(read(escapes).unwrap()[1].as_deref(), Some("\"\\/\u{8}\u{c}\n\r\tä\u{1f600} ä"));
    }

    #[test]
    fn what_is_not_such_a_document_is_refused() {
        for document in [
            "",
            "null",
            "[]",
            "{",
            "{\"status\"}",
            "{\"status\":}",
            "{\"status\":\"a\"",
            "{\"status\":\"a\",}",
            "{\"status\":\"a\"}x",
            "{\"status\":\"a\"}{}",
            "{status:\"a\"}",
            "{'status':'a'}",
            "{\"status\":1}",
            "{\"status\":null}",
            "{\"status\":{}}",
            "{\"status\":\"a\",\"status\":\"a\"}",
            "{\"status\":\"a\\u0000\"}",
            "{\"status\":\"a\nb\"}",
            "{\"status\":\"\\x\"}",
            "{\"status\":\"\\ud800\"}",
            "{\"status\":\"\\ud800\\u0041\"}",
            "{\"status\":\"\\udc00\"}",
            "{\"status\":\"\\u+041\"}",
            "{\"status\":\"\\u004",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":\u{a0}1}",
        ] {
            assert_eq!(read(document), None, "{document}");
        }
        assert_eq!(members(b"{\"status\":\"\xff\"}", ["status"]), None);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH)).is_some());
        assert!(read(&nested(DEPTH + 1)).is_none());
        assert!(read(&"[".repeat(1_000_000)).is_none());
        assert!(read(&format!("{{\"a\":{}", "[".repeat(1_000_000))).is_none());
    }
}

#[cfg(all(test, feature = "serde_json"))]
mod oracle {
    use super::*;
    use proptest::prelude::*;

    fn read(document: &str) -> Option<[Option<String>; 2]> {
        members(document.as_bytes(), ["status", "scope"])
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[^\0]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("(status|scope|.{0,4})", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// `serde_json` writes and reads JSON too: what it writes is read alike, whatever the members are.
        #[test]
        fn reads_what_serde_json_writes(document in value(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&document).unwrap()
            } else {
                document.to_string()
            };
            let wanted = document.as_object().and_then(|object| {
                let text = |name| match object.get(name) {
                    None => Some(None),
                    Some(value) => value.as_str().map(|text| Some(text.to_owned())),
                };
                Some([text("status")?, text("scope")?])
            });
            prop_assert_eq!(read(&text), wanted);
        }

        /// What is not JSON for `serde_json` is none for us, and nothing makes us panic.
        #[test]
        fn refuses_what_serde_json_refuses(text in "[{}\\[\\],:\"a0-9.eE+\\\\utrfalsn \n-]{0,24}") {
            if read(&text).is_some() {
                let value: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
                prop_assert!(value.is_ok(), "{text}");
            }
        }
    }
}
