//! SASLprep (RFC 4013), which brings a password to one form before it is hashed, as PostgreSQL does it.

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The form of a password that SCRAM hashes.
///
/// Spaces of all kinds become U+0020, invisible characters go, the rest is normalised (NFKC). A password for which
/// that can't be done is hashed as it is, as PostgreSQL does on both sides: one that is not UTF-8, that holds a
/// character which RFC 4013 prohibits or which Unicode 3.2 did not know, that mixes writing directions, or of which
/// nothing would be left. So there is no error.
///
/// PostgreSQL looks for such characters in the text **before** it is normalised, where the RFC looks afterwards. A
/// password is the same for both sides only if we do as PostgreSQL does: `"\u{1f130}"`, which Unicode 3.2 did not
/// know, stays as it is, though NFKC would make an `A` of it.
///
/// ```
/// use stellata_protocol::auth::saslprep;
/// assert_eq!(saslprep("I\u{ad}X".as_bytes()).as_slice(), b"IX");
/// assert_eq!(saslprep(b"not \xff UTF-8").as_slice(), b"not \xff UTF-8");
/// ```
#[must_use]
pub fn saslprep(password: &[u8]) -> Zeroizing<Vec<u8>> {
    prepared(password).unwrap_or_else(|| Zeroizing::new(password.to_vec()))
}

fn prepared(password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // PostgreSQL takes ASCII as it is, control characters too.
    if password.is_ascii() {
        return None;
    }
    let text = core::str::from_utf8(password).ok()?;
    let mapped = || text.chars().filter_map(map);
    if mapped().next().is_none() || mapped().any(is_refused) || mixes_directions(mapped) {
        return None;
    }
    // Made in one piece of its final size, since growing would leave a copy of the password behind.
    let len = mapped().nfkc().map(char::len_utf8).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    let mut buffer = Zeroizing::new([0; 4]);
    for character in mapped().nfkc() {
        bytes.extend_from_slice(character.encode_utf8(&mut *buffer).as_bytes());
    }
    Some(bytes)
}

/// RFC 4013, section 2.1. U+200B is in both tables; PostgreSQL makes it a space.
fn map(character: char) -> Option<char> {
    if tables::non_ascii_space_character(character) {
        Some(' ')
    } else if tables::commonly_mapped_to_nothing(character) {
        None
    } else {
        Some(character)
    }
}

/// RFC 4013, sections 2.3 and 2.5, without the spaces of table C.1.2, which [`map`] has replaced.
fn is_refused(character: char) -> bool {
    tables::ascii_control_character(character)
        || tables::non_ascii_control_character(character)
        || tables::private_use(character)
        || tables::non_character_code_point(character)
        || tables::inappropriate_for_plain_text(character)
        || tables::inappropriate_for_canonical_representation(character)
        || tables::change_display_properties_or_deprecated(character)
        || tables::tagging_character(character)
        || tables::unassigned_code_point(character)
}

/// RFC 3454, section 6: text that is written from the right holds no letter that is written from the left, and starts
/// and ends with a letter that is written from the right.
fn mixes_directions<I: Iterator<Item = char>>(text: impl Fn() -> I) -> bool {
    text().any(tables::bidi_r_or_al)
        && (text().any(is_left_to_right)
            || !text().next().is_some_and(tables::bidi_r_or_al)
            || !text().last().is_some_and(tables::bidi_r_or_al))
}

/// Table D.2 of RFC 3454, which is of Unicode 3.2. The library's table is of today's Unicode, which has moved the
/// characters that are named here; those that Unicode 3.2 did not know were refused before.
fn is_left_to_right(character: char) -> bool {
    match character {
        '\u{0cbf}'
        | '\u{0cc6}'
        | '\u{1734}'
        | '\u{2132}'
        | '\u{2800}'..='\u{28ff}'
        | '\u{302e}'..='\u{302f}' => false,
        '\u{17b4}'..='\u{17b5}'
        | '\u{1885}'..='\u{1886}'
        | '\u{1d6c1}'
        | '\u{1d6db}'
        | '\u{1d6fb}'
        | '\u{1d715}'
        | '\u{1d735}'
        | '\u{1d74f}'
        | '\u{1d76f}'
        | '\u{1d789}'
        | '\u{1d7a9}'
        | '\u{1d7c3}' => true,
        _ => tables::bidi_l(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[track_caller]
    fn assert_prepared(password: &str, expected: &str) {
        assert_eq!(saslprep(password.as_bytes()).as_slice(), expected.as_bytes(), "{password:?}");
        assert!(prepared(password.as_bytes()).is_some() || password.is_ascii(), "{password:?}");
    }

    #[track_caller]
    fn assert_raw(password: &[u8]) {
        assert_eq!(saslprep(password).as_slice(), password);
        assert!(prepared(password).is_none(), "{}", password.escape_ascii());
    }

    #[test]
    fn examples_of_rfc_4013() {
        assert_prepared("I\u{ad}X", "IX");
        assert_prepared("user", "user");
        assert_prepared("USER", "USER");
        assert_prepared("\u{aa}", "a");
        assert_prepared("\u{2168}", "IX");
        assert_raw(b"\x07");
        assert_raw("\u{627}1".as_bytes());
    }

    #[test]
    fn spaces_become_one_kind_and_invisible_characters_go() {
        assert_prepared("a\u{a0}b\u{3000}c\u{2003}\u{1680}", "a b c  ");
        assert_prepared("\u{200b}", " ");
        assert_prepared("a\u{200d}\u{feff}\u{fe0f}\u{2060}b\u{e9}", "ab\u{e9}");
    }

    #[test]
    fn text_is_normalised() {
        assert_prepared("e\u{301}", "\u{e9}");
        assert_prepared("\u{fb01}\u{2460}\u{ff21}\u{210c}", "fi1AH");
        assert_prepared("\u{1d11e}", "\u{1d11e}");
        // The character that grows most: 3 bytes become 33.
        let long = "\u{fdfa}".repeat(1000);
        assert_eq!(saslprep(long.as_bytes()).len(), 33_000);
        // What is taken away can bring two characters together.
        assert_prepared("e\u{ad}\u{301}", "\u{e9}");
    }

    #[test]
    fn prohibited_unknown_and_empty_passwords_stay_as_they_are() {
        for password in [
            "a\u{a0}\u{7f}",      // ASCII control beside a character that would be mapped
            "\u{a0}\0",           // the same, NUL
            "a\u{80}",            // C.2.2
            "\u{a0}\u{6dd}",      // C.2.2
            "\u{a0}\u{e000}",     // C.3
            "\u{a0}\u{10fffd}",   // C.3
            "\u{a0}\u{fdd0}",     // C.4
            "\u{a0}\u{10ffff}",   // C.4
            "\u{a0}\u{fffd}",     // C.6
            "\u{a0}\u{2ff0}",     // C.7
            "\u{a0}\u{202e}",     // C.8
            "\u{a0}\u{e0041}",    // C.9
            "\u{a0}\u{221}",      // A.1
            "p\u{e4}ss\u{1f600}", // an emoji: younger than Unicode 3.2
            "\u{20ac}\u{1e9e}",   // capital sharp s: younger too
            "\u{ad}\u{200d}",     // nothing is left
        ] {
            assert_raw(password.as_bytes());
        }
    }

    #[test]
    fn refused_characters_are_looked_for_before_normalising_as_postgresql_does() {
        // Unknown to Unicode 3.2, normalised to a plain A.
        assert_raw("\u{1f130}".as_bytes());
        // Prohibited, normalised to U+0300, which is not.
        assert_raw("a\u{340}".as_bytes());
        // Written from the left, normalised to a letter that is written from the right.
        assert_prepared("a\u{2135}", "a\u{5d0}");
    }

    #[test]
    fn directions() {
        assert_prepared("\u{627}1\u{628}", "\u{627}1\u{628}");
        assert_prepared("\u{5d0}\u{a0}\u{5d1}", "\u{5d0} \u{5d1}");
        assert_raw("\u{5d0}a\u{5d1}".as_bytes());
        assert_raw("1\u{5d0}".as_bytes());
        assert_raw("\u{5d0}1".as_bytes());
        // Characters whose direction has changed since Unicode 3.2: there a braille pattern had none, and U+1885 was
        // written from the left.
        assert_prepared("\u{5d0}\u{2800}\u{5d1}", "\u{5d0}\u{2800}\u{5d1}");
        assert_raw("\u{5d0}\u{1885}\u{5d1}".as_bytes());
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_as_they_are() {
        for password in [
            &b"\xff"[..],
            b"caf\xe9",
            b"\xc3",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc2\xa0\x80",
        ] {
            assert_raw(password);
        }
    }

    /// The tables are those of RFC 3454 (Unicode 3.2) and stay so, whatever Unicode the libraries below speak.
    /// Counts and digests of the code points (four bytes each, ascending) were computed with Python's `stringprep`.
    #[test]
    fn tables_are_those_of_the_standard() {
        type Table<'a> = &'a dyn Fn(char) -> bool;
        let known = |c| !is_refused(c) && !tables::non_ascii_space_character(c);
        #[rustfmt::skip]
        let cases: [(&str, Table<'_>, usize, &str); 5] = [
            ("C.1.2", &tables::non_ascii_space_character, 17, "3b50e256b7f67e57e720dca22ab862d954ca67348c00e4db3628d3315a0eceef"),
            ("B.1", &tables::commonly_mapped_to_nothing, 27, "e6bb4aa49fc1ac6ee3381b2a04b75da23f0b339a08be0e6a484838e84e11a5b0"),
            ("C and A.1", &|c| !known(c), 1_017_041, "c308e2cc9629d3183d8769498c1a48c709b091bd6194326fd12bda581914792c"),
            ("D.1", &|c| known(c) && tables::bidi_r_or_al(c), 1_042, "08ab2c6757899c547bac0ea2614c202e0654c56b8b17be42b407379229c408a3"),
            ("D.2", &|c| known(c) && is_left_to_right(c), 90_404, "eb6c60740f47f9c94bc17cfbe65dc484507b803d1ff0447da3fa5e2c920997a8"),
        ];
        for (name, holds, count, digest) in cases {
            let mut hash = Sha256::new();
            let mut found = 0;
            for character in ('\u{80}'..=char::MAX).filter(|&c| holds(c)) {
                hash.update(u32::from(character).to_be_bytes());
                found += 1;
            }
            let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((found, hex.as_str()), (count, digest), "{name}");
        }
    }
}
