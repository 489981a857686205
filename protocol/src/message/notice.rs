//! ErrorResponse and NoticeResponse (manual: "Error and Notice Message Fields").

use core::fmt;

use crate::error::Result;
use crate::sqlstate::SqlState;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// How bad it is, in the form that does not depend on the server's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session is over.
    Fatal,
    /// The server is in trouble; all sessions are over.
    Panic,
    /// A warning.
    Warning,
    /// A notice.
    Notice,
    /// For developers of the server.
    Debug,
    /// For information.
    Info,
    /// For the server's log.
    Log,
    /// A word that is not known.
    Other,
}

impl Severity {
    fn from_word(word: &str) -> Self {
        match word {
            "ERROR" => Self::Error,
            "FATAL" => Self::Fatal,
            "PANIC" => Self::Panic,
            "WARNING" => Self::Warning,
            "NOTICE" => Self::Notice,
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "LOG" => Self::Log,
            _ => Self::Other,
        }
    }

    /// The word for it, empty for one that is not known.
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Log => "LOG",
            Self::Other => "",
        }
    }
}

/// The letters of the fields that have come.
#[derive(Default)]
struct Letters([u128; 2]);

impl Letters {
    /// Adds a letter; whether it is new.
    fn insert(&mut self, letter: u8) -> bool {
        let [low, high] = &mut self.0;
        let half = if letter < 128 { low } else { high };
        let bit = 1_u128.wrapping_shl(u32::from(letter & 127));
        let is_new = *half & bit == 0;
        *half |= bit;
        is_new
    }
}

/// All that a server says about an error or a notice: ErrorResponse (`E`), NoticeResponse (`N`).
///
/// Layout: for each field Byte1 letter and String text; then a zero byte.
///
/// Text that is not UTF-8 (a server may complain before it knows the client's encoding) is read with replacement
/// characters. Fields of letters that are not known are kept in [`ServerError::unknown`]. Of several fields with the
/// same letter the first is kept, so that a message holds no more of them than there are letters. Of all texts together
/// the first 256 KiB are kept, and codes and names behind them: the rest is cut off, so that a server can't fill the
/// memory with its complaints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// `V`, or `S` where the server does not send it.
    pub severity: Severity,
    /// `C`: the SQLSTATE code.
    pub sqlstate: SqlState,
    /// `M`: the primary text.
    pub message: Box<str>,
    /// `S`, where it is a word of the kind that `V` has.
    said: Severity,
    /// All other fields by their letter, `S`, `V` and `C` where they are nothing that is known.
    fields: Vec<(u8, Box<str>)>,
}

impl ServerError {
    /// Reads the body: fields of a letter and text with a zero byte behind it, and a last zero byte.
    ///
    /// # Errors
    /// Any [`Error`](crate::Error) of a malformed body.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let mut error = Self {
            severity: Severity::Other,
            sqlstate: SqlState::UNKNOWN,
            message: Box::default(),
            said: Severity::Other,
            fields: Vec::new(),
        };
        let (mut seen, mut room) = (Letters::default(), ROOM);
        let mut has_severity = false;
        loop {
            let letter = reader.u8()?;
            if letter == 0 {
                break;
            }
            let bytes = reader.cstr_bytes()?;
            if !seen.insert(letter) {
                continue;
            }
            let text = String::from_utf8_lossy(head(bytes, room.max(NAME)));
            let is_known = match letter {
                b'V' => {
                    error.severity = Severity::from_word(&text);
                    has_severity = true;
                    error.severity != Severity::Other
                }
                b'S' => {
                    error.said = Severity::from_word(&text);
                    if !has_severity {
                        error.severity = error.said;
                    }
                    error.said != Severity::Other
                }
                b'C' => {
                    let code = SqlState::from_text(&text);
                    error.sqlstate = code.unwrap_or(SqlState::UNKNOWN);
                    code.is_some()
                }
                _ => false,
            };
            if is_known {
                continue;
            }
            room = room.saturating_sub(text.len());
            match letter {
                b'M' => error.message = text.into(),
                _ => error.fields.push((letter, text.into())),
            }
        }
        reader.end()?;
        Ok(error)
    }

    /// Writes an ErrorResponse (`E`) or NoticeResponse (`N`), as a server does.
    ///
    /// # Errors
    /// `InvalidText` for a NUL in a field.
    pub fn write(out: &mut Buffer, tag: u8, fields: &[(u8, &str)]) -> Result<()> {
        out.message(tag, |body| {
            for (letter, text) in fields {
                body.put_u8(*letter);
                body.put_cstr(text)?;
            }
            body.put_u8(0);
            Ok(())
        })
    }

    /// Takes out the texts that hold a secret, which the server has been told and is not to tell on.
    pub(crate) fn hide(&mut self, secret: &str) {
        const HIDDEN: &str = "(not shown: the server's words hold the password or token)";
        let texts = self.fields.iter_mut().map(|field| &mut field.1);
        for text in texts.chain([&mut self.message]).filter(|text| text.contains(secret)) {
            *text = HIDDEN.into();
        }
    }

    /// How much memory it holds, in bytes.
    pub(crate) fn held(&self) -> usize {
        let fields = self.fields.capacity().saturating_mul(size_of::<(u8, Box<str>)>());
        let texts = self.fields.iter().map(|field| field.1.len());
        texts
            .fold(size_of::<Self>().saturating_add(self.message.len()), usize::saturating_add)
            .saturating_add(fields)
    }

    fn field(&self, letter: u8) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == letter).map(|field| &*field.1)
    }

    fn number(&self, letter: u8) -> Option<u32> {
        self.field(letter).and_then(|text| text.parse().ok())
    }

    /// `S`: how bad it is, in the words of the server's language.
    #[must_use]
    pub fn severity_text(&self) -> &str {
        self.field(b'S').unwrap_or(self.said.word())
    }

    /// `V`, where it is a word that is not known: [`ServerError::severity`] is [`Severity::Other`] then.
    #[must_use]
    pub fn unknown_severity(&self) -> Option<&str> {
        self.field(b'V')
    }

    /// `C`, where it is no SQLSTATE: [`ServerError::sqlstate`] is [`SqlState::UNKNOWN`] then.
    #[must_use]
    pub fn unknown_sqlstate(&self) -> Option<&str> {
        self.field(b'C')
    }

    /// `D`: more about the problem.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.field(b'D')
    }

    /// `H`: what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.field(b'H')
    }

    /// `P`: where in the statement, counted in characters from 1.
    #[must_use]
    pub fn position(&self) -> Option<u32> {
        self.number(b'P')
    }

    /// `p`: where in [`internal_query`](Self::internal_query), counted in characters from 1.
    #[must_use]
    pub fn internal_position(&self) -> Option<u32> {
        self.number(b'p')
    }

    /// `q`: a statement that the server made itself, and that failed.
    #[must_use]
    pub fn internal_query(&self) -> Option<&str> {
        self.field(b'q')
    }

    /// `W`: what the server was doing, the newest call first.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.field(b'W')
    }

    /// `s`: the schema of the object concerned.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.field(b's')
    }

    /// `t`: the table concerned.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.field(b't')
    }

    /// `c`: the column concerned.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.field(b'c')
    }

    /// `d`: the data type concerned.
    #[must_use]
    pub fn data_type(&self) -> Option<&str> {
        self.field(b'd')
    }

    /// `n`: the constraint concerned.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.field(b'n')
    }

    /// `F`: the file of the server's source.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.field(b'F')
    }

    /// `L`: the line of the server's source.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.number(b'L')
    }

    /// `R`: the function of the server's source. It does not depend on the server's language.
    #[must_use]
    pub fn routine(&self) -> Option<&str> {
        self.field(b'R')
    }

    /// Fields of letters that this version does not know, with their letters.
    pub fn unknown(&self) -> impl Iterator<Item = (char, &str)> {
        self.fields
            .iter()
            .filter(|field| !b"SVCDHPpqWstcdnFLR".contains(&field.0))
            .map(|field| (char::from(field.0), &*field.1))
    }

    /// Whether the session is over with it.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        matches!(self.severity, Severity::Fatal | Severity::Panic)
    }
}

/// How much text of an error or notice is kept, in bytes, all fields together.
const ROOM: usize = 256 * 1024;

/// What is kept of a field all the same when there is no room: a code or a name, which are shorter.
const NAME: usize = 256;

/// The first bytes of a text, whole characters of UTF-8 where it is that. A byte that is not UTF-8 becomes three, for
/// which there must be `room` too.
fn head(text: &[u8], room: usize) -> &[u8] {
    if text.len() <= room / 3 {
        return text;
    }
    let valid = match core::str::from_utf8(text) {
        Ok(_) if text.len() <= room => return text,
        Ok(_) => room,
        Err(_) => room / 3,
    };
    // A character has at most three bytes behind its first.
    let cut = (0..=3).filter_map(|back| valid.checked_sub(back)).find(|end| {
        // The byte behind the cut begins a character.
        text.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80)
    });
    text.get(..cut.unwrap_or(valid)).unwrap_or_default()
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl core::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_and_unknown_letters_are_kept() {
        let mut out = Buffer::new();
        let fields: &[(u8, &str)] = &[
            (b'S', "FEHLER"),
            (b'V', "ERROR"),
            (b'C', "23505"),
            (b'M', "duplicate key"),
            (b'D', "Key (id)=(1) already exists."),
            (b'n', "users_pkey"),
            (b'P', "17"),
            (b'Y', "new in a later version"),
        ];
        ServerError::write(&mut out, b'E', fields).unwrap();
        let error = ServerError::read(&out.as_slice()[5..]).unwrap();
        assert_eq!(error.severity, Severity::Error);
        assert_eq!(error.sqlstate, SqlState::UNIQUE_VIOLATION);
        assert_eq!(error.constraint(), Some("users_pkey"));
        assert_eq!(error.position(), Some(17));
        assert_eq!(error.unknown().collect::<Vec<_>>(), [('Y', "new in a later version")]);
        assert_eq!(error.to_string(), "duplicate key (SQLSTATE 23505)");
    }

    /// Of a body with these fields.
    fn read(fields: &[(u8, &[u8])]) -> ServerError {
        let mut body: Vec<u8> = Vec::new();
        for (letter, text) in fields {
            body.push(*letter);
            body.extend_from_slice(text);
            body.push(0);
        }
        body.push(0);
        ServerError::read(&body).unwrap()
    }

    #[test]
    fn words_and_codes_that_are_not_known_are_kept() {
        let said = |fields: &[(u8, &[u8])]| {
            let error = read(fields);
            assert_eq!(error.unknown().count(), 0);
            error
        };
        let error = said(&[(b'S', b"FEHLER"), (b'V', b"ERROR"), (b'C', b"22012")]);
        assert_eq!((error.severity_text(), error.severity), ("FEHLER", Severity::Error));
        assert_eq!((error.unknown_severity(), error.unknown_sqlstate()), (None, None));
        let error = said(&[(b'V', b"DISASTER"), (b'S', b"ERROR"), (b'C', b"2201")]);
        assert_eq!((error.severity_text(), error.severity), ("ERROR", Severity::Other));
        assert_eq!(error.unknown_severity(), Some("DISASTER"));
        assert_eq!((error.unknown_sqlstate(), error.sqlstate), (Some("2201"), SqlState::UNKNOWN));
        // Old servers send no `V`.
        let error = said(&[(b'S', b"PANIC")]);
        assert_eq!((error.severity_text(), error.severity), ("PANIC", Severity::Panic));
        let error = said(&[(b'S', b"PANIK")]);
        assert_eq!((error.severity_text(), error.severity), ("PANIK", Severity::Other));
        assert_eq!(said(&[]).severity_text(), "");
    }

    #[test]
    fn of_several_fields_of_one_letter_the_first_is_kept() {
        let letters = (1..=u8::MAX).filter(|letter| !b"SVC".contains(letter));
        let known = [(b'V', "FATAL"), (b'V', "ERROR"), (b'C', "57P01"), (b'C', "00000")];
        let fields: Vec<(u8, &[u8])> = letters
            .flat_map(|letter| [(letter, "first"), (letter, "second")])
            .chain(known)
            .map(|(letter, text)| (letter, text.as_bytes()))
            .collect();
        let error = read(&fields);
        assert_eq!((&*error.message, error.severity), ("first", Severity::Fatal));
        assert_eq!(error.sqlstate.as_str(), "57P01");
        assert!(error.fields.iter().all(|field| &*field.1 == "first"));
        assert_eq!(error.fields.len(), 255 - 4);
    }

    #[test]
    fn texts_without_end_are_cut_between_characters() {
        for (text, kept) in [
            ("x".repeat(ROOM), ROOM),
            ("x".repeat(ROOM + 1), ROOM),
            ("x".repeat(ROOM - 1) + "é", ROOM - 1),
            ("x".repeat(ROOM - 2) + "é" + "x", ROOM),
            ("x".repeat(ROOM - 1) + "🦀", ROOM - 1),
        ] {
            let detail = "d".repeat(1000);
            let fields: &[(u8, &[u8])] =
                &[(b'M', text.as_bytes()), (b'D', detail.as_bytes()), (b'C', b"22000")];
            let error = read(fields);
            assert_eq!(error.message.len(), kept);
            assert!(text.starts_with(&*error.message));
            assert_eq!(error.detail().map(str::len), Some(NAME));
            assert_eq!(error.sqlstate.as_str(), "22000");
        }
    }

    #[test]
    fn a_text_that_is_not_utf_8_takes_no_more_room_than_one_that_is() {
        let error = read(&[(b'M', &vec![0xff; 2 * ROOM])]);
        assert!(error.message.len() <= ROOM && error.message.len() > ROOM - 3);
        assert!(error.message.chars().all(|character| character == '\u{fffd}'));
    }
}
