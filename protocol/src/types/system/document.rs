//! [`Xml`] and [`JsonPath`]: texts with a grammar that the server checks.

use core::fmt;
use core::ops::Deref;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::ArrayElement;
use crate::types::{Decode, Encode, IsNull, PgType, Type};
use crate::wire::buffer::Buffer;

/// A document or a fragment of one: `xml`.
///
/// The server keeps the text, but writes the XML declaration anew: it is left out where it says no more than
/// `version="1.0"` and the encoding, and its encoding is not sent. A declaration that names another encoding than UTF-8
/// would have the server misread the text, and is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xml(pub String);

/// A path into a JSON document: `jsonpath`.
///
/// The server keeps what the path means and prints it anew: `$.a` comes back as `$."a"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JsonPath(pub String);

macro_rules! documents {
    ($($rust:ident)*) => {$(
        impl Deref for $rust {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $rust {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $rust {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $rust {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ArrayElement for $rust {}
    )*};
}

documents! { Xml JsonPath }

impl PgType for Xml {
    const TYPE: Type = Type { oid: Oid::XML, array: Oid::XML_ARRAY, name: "xml" };
}

impl Encode for Xml {
    /// Writes the text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] when it declares another encoding than UTF-8, [`ErrorKind::InvalidText`] for a NUL.
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        if declared_encoding(&self.0).is_some_and(|name| !is_utf_8(name)) {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                "an XML declaration names another encoding than UTF-8",
            ));
        }
        self.0.encode(Oid::TEXT, out)
    }
}

impl<'a> Decode<'a> for Xml {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        let text = Self(String::decode(Oid::TEXT, raw)?);
        match declared_encoding(&text) {
            Some(name) if !is_utf_8(name) => Err(Error::new(
                ErrorKind::InvalidValue,
                "an XML declaration names another encoding than UTF-8",
            )),
            _ => Ok(text),
        }
    }
}

impl PgType for JsonPath {
    const TYPE: Type = Type { oid: Oid::JSONPATH, array: Oid::JSONPATH_ARRAY, name: "jsonpath" };
}

impl Encode for JsonPath {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        out.put_u8(VERSION);
        self.0.encode(Oid::TEXT, out)
    }
}

impl<'a> Decode<'a> for JsonPath {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        match raw {
            [VERSION, text @ ..] => String::decode(Oid::TEXT, text).map(Self),
            [] => Err(Error::new(ErrorKind::Truncated, "a jsonpath has no version")),
            _ => Err(Error::new(ErrorKind::InvalidValue, "a jsonpath has an unknown version")),
        }
    }
}

/// What the XML declaration says of the encoding, if there is one and it does.
fn declared_encoding(text: &str) -> Option<&str> {
    let (declaration, _) = text.strip_prefix("<?xml")?.split_once("?>")?;
    if !declaration.starts_with(is_blank) {
        return None;
    }
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start_matches(is_blank).strip_prefix('=')?;
    let value = value.trim_start_matches(is_blank);
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value.strip_prefix(quote)?.split_once(quote).map(|(name, _)| name)
}

/// What XML takes for a blank.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// Whether the name is one of those by which the server knows UTF-8.
fn is_utf_8(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("unicode")
}

/// The version of the binary form of `jsonpath`; there is no other.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::types::proof::{encode, is_refused, is_value, round_trip, survives};

    #[test]
    fn known_bytes() {
        is_value(Oid::XML, "3c612f3e", &Xml::from("<a/>"));
        is_value(Oid::XML, "", &Xml::default());
        is_value(Oid::JSONPATH, "01 24", &JsonPath::from("$"));
    }

    #[test]
    fn bytes_that_are_no_document_are_refused() {
        is_refused::<Xml>(Oid::XML, "3cff", ErrorKind::InvalidText);
        is_refused::<JsonPath>(Oid::JSONPATH, "", ErrorKind::Truncated);
        is_refused::<JsonPath>(Oid::JSONPATH, "24", ErrorKind::InvalidValue);
        is_refused::<JsonPath>(Oid::JSONPATH, "00 24", ErrorKind::InvalidValue);
        is_refused::<JsonPath>(Oid::JSONPATH, "02 24", ErrorKind::InvalidValue);
        is_refused::<JsonPath>(Oid::JSONPATH, "01 ff", ErrorKind::InvalidText);
        let kind = |path: &str| encode(Oid::JSONPATH, &JsonPath::from(path)).unwrap_err().kind();
        assert_eq!(kind("$.\0"), ErrorKind::InvalidText);
    }

    #[test]
    fn xml_is_utf_8() {
        for text in [
            "<a/>",
            "<?xml version=\"1.0\"?><a/>",
            "<?xml version='1.0' encoding='UTF-8'?><a/>",
            "<?xml version=\"1.0\"\tencoding = \"utf8\" standalone='yes'?><a/>",
            "<?xml-stylesheet encoding='latin1'?><a/>",
            "<a encoding='latin1'/>",
            "<?xml version='1.0'?><a encoding='latin1'/>",
        ] {
            assert!(encode(Oid::XML, &Xml::from(text)).is_ok(), "{text}");
        }
        for text in [
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
            "<?xml encoding=\n\"UTF-16\"?><a/>",
            "<?xml version='1.0' encoding=''?><a/>",
        ] {
            let kind = encode(Oid::XML, &Xml::from(text)).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::InvalidValue), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(text in "[^\0]*") {
            round_trip(&Xml(text.clone()))?;
            round_trip(&JsonPath(text))?;
        }

        #[test]
        fn hostile_bytes_are_survived(raw in "<\\?xml( |encoding|=|'|\"|utf-?8|\\?>){0,9}", any in "[^\0]*") {
            survives::<Xml>(Oid::XML, raw.as_bytes())?;
            survives::<JsonPath>(Oid::JSONPATH, any.as_bytes())?;
        }
    }
}
