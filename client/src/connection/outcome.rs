//! What is told of statements whose limit is over, and of transactions: a COMMIT that did not commit, one whose answer is
//! lost.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Connection;
use crate::connection::batch::Completion;
use crate::error::Result;
use crate::error::{Error, ErrorKind};
use crate::statement::cache::SlotId;

impl Connection {
    /// Tells a COMMIT that ended in a rollback, which is a failure, from a ROLLBACK.
    #[cold]
    pub(super) fn judge(&self, slot: SlotId, completion: Completion) -> Result<Completion> {
        match self.cache.get(slot) {
            Some(entry) if completion.rolled_back && commits(&entry.sql) => {
                Err(rolled_back(Arc::clone(&entry.sql)))
            }
            _ => Ok(completion),
        }
    }

    /// Whether a statement is to commit.
    #[cold]
    pub(super) fn is_commit(&self, slot: SlotId) -> bool {
        self.cache.get(slot).is_some_and(|entry| commits(&entry.sql))
    }
}

#[cold]
pub(super) fn unsent(limit: Duration) -> Error {
    let message = format!(
        "nothing was sent within {limit:?}: what was asked before, and given up, has not ended yet"
    );
    Error::new(ErrorKind::Timeout, message)
}

#[cold]
pub(super) fn timed_out(limit: Duration, cause: Option<Error>, sql: Option<Arc<str>>) -> Error {
    let error = match cause {
        None if sql.as_deref().is_some_and(commits) => Error::new(
            ErrorKind::OutcomeUnknown,
            format!("the commit took longer than {limit:?}; what became of it is not known"),
        ),
        Some(cause) => Error::with_source(
            ErrorKind::Timeout,
            format!("the statement took longer than {limit:?}, and was cancelled"),
            cause,
        ),
        None => Error::new(
            ErrorKind::Timeout,
            format!("the statement took longer than {limit:?}; what became of it is not known"),
        ),
    };
    error.with_sql(sql)
}

/// The error of a COMMIT whose transaction was rolled back.
#[cold]
pub(super) fn rolled_back(sql: Arc<str>) -> Error {
    let message = "the transaction was rolled back instead of committed, because a statement in it had failed";
    Error::new(ErrorKind::RolledBack, message).with_sql(Some(sql))
}

/// What is told of an error of statements that were to commit: where the connection was lost with it, nobody knows whether
/// they did.
#[cold]
pub(super) fn of_commit(error: Error) -> Error {
    // What the server refused is not committed, whatever came behind it.
    let is_refused = error.server().is_some_and(|server| !server.ends_session());
    if error.is_fatal() && !is_refused && error.kind() != ErrorKind::OutcomeUnknown {
        error.into_unknown()
    } else {
        error
    }
}

/// Whether a text holds a statement that is to commit: COMMIT, END or PREPARE TRANSACTION.
#[cold]
pub(super) fn commits(sql: &str) -> bool {
    commits_each(sql).contains(&true)
}

/// Of each statement of a text whether it is to commit. Statements within the body of a function in SQL are taken for
/// statements of the text.
#[cold]
pub(super) fn commits_each(sql: &str) -> Vec<bool> {
    let mut found = Vec::new();
    let mut rest = sql.as_bytes();
    // The first two words of the statement; what is no word counts as an empty one.
    let mut first: Option<&[u8]> = None;
    let mut second: Option<&[u8]> = None;
    loop {
        let (token, behind) = token(rest);
        rest = behind;
        match token {
            Token::Nothing => {}
            Token::Word(word) if first.is_none() => first = Some(word),
            Token::Word(word) => {
                second.get_or_insert(word);
            }
            Token::Other if first.is_none() => first = Some(b""),
            Token::Other => {
                second.get_or_insert(b"");
            }
            Token::End | Token::Semicolon => {
                if let Some(word) = first.take() {
                    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
                    let is_prepared = is(word, "prepare")
                        && second.is_some_and(|second| is(second, "transaction"));
                    found.push(is(word, "commit") || is(word, "end") || is_prepared);
                }
                second = None;
                if token == Token::End {
                    return found;
                }
            }
        }
    }
}

/// A piece of SQL (manual: "Lexical Structure").
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'s> {
    /// White space or a comment.
    Nothing,
    /// A word that is not quoted.
    Word(&'s [u8]),
    /// Anything else that is part of a statement.
    Other,
    Semicolon,
    /// The end of the text.
    End,
}

/// The first piece of a text, and what is behind it.
fn token(text: &[u8]) -> (Token<'_>, &[u8]) {
    let from = |at: usize| text.get(at..).unwrap_or_default();
    match text {
        [] => (Token::End, text),
        [b';', ..] => (Token::Semicolon, from(1)),
        [b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c', ..] => (Token::Nothing, from(1)),
        [b'-', b'-', ..] => {
            let length = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
            (Token::Nothing, from(length))
        }
        [b'/', b'*', ..] => (Token::Nothing, behind_comment(from(2))),
        [b'e' | b'E', b'\'', ..] => (Token::Other, behind_quoted(from(2), b'\'', true)),
        [quote @ (b'\'' | b'"'), ..] => (Token::Other, behind_quoted(from(1), *quote, false)),
        [b'$', ..] => {
            let length = 1 + text.iter().skip(1).take_while(|byte| is_of_word(**byte)).count();
            let tag = text.get(..=length).filter(|tag| tag.ends_with(b"$") && tag.len() > 1);
            match tag {
                // A parameter, or a lone sign.
                None => (Token::Other, from(length)),
                Some(tag) => (Token::Other, behind(from(tag.len()), tag)),
            }
        }
        [byte, ..] if is_of_word(*byte) => {
            let is_inside = |byte: &&u8| is_of_word(**byte) || **byte == b'$';
            let length = text.iter().take_while(is_inside).count();
            (Token::Word(text.get(..length).unwrap_or_default()), from(length))
        }
        _ => (Token::Other, from(1)),
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// What is behind the first occurrence of `end`.
fn behind<'s>(text: &'s [u8], end: &[u8]) -> &'s [u8] {
    let at = text.windows(end.len()).position(|window| window == end);
    at.and_then(|at| text.get(at + end.len()..)).unwrap_or_default()
}

/// What is behind a quoted piece that has begun. A quote that is doubled begins another, which is as good here.
fn behind_quoted(mut text: &[u8], quote: u8, has_escapes: bool) -> &[u8] {
    loop {
        text = match text {
            [] => return text,
            [b'\\', _, rest @ ..] if has_escapes => rest,
            [byte, rest @ ..] if *byte == quote => return rest,
            [_, rest @ ..] => rest,
        };
    }
}

/// What is behind a comment that has begun, and may hold others.
fn behind_comment(mut text: &[u8]) -> &[u8] {
    let mut depth = 1;
    while depth > 0 {
        text = match text {
            [] => return text,
            [b'/', b'*', rest @ ..] => {
                depth += 1;
                rest
            }
            [b'*', b'/', rest @ ..] => {
                depth -= 1;
                rest
            }
            [_, rest @ ..] => rest,
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_told_by_the_first_word_of_each_statement() {
        for (sql, want) in [
            ("commit", &[true][..]),
            (" \n/* now /* or never */ */ -- so be it\n CoMmIt and chain ;", &[true]),
            ("END", &[true]),
            ("prepare transaction 'x'", &[true]),
            ("prepare x as select 1", &[false]),
            ("rollback", &[false]),
            ("commitment", &[false]),
            ("\"commit\"", &[false]),
            ("", &[]),
            (";; ;", &[]),
            (
                "begin; insert into t values (';commit', E'\\';commit', $$;commit$$, $a$;$$;commit$a$); commit",
                &[false, false, true],
            ),
            ("select $1; end", &[false, true]),
            ("select 'it''s; commit'; select \"a;\"\"commit\"", &[false, false]),
            ("(select 1); commit", &[false, true]),
            ("select a$b$ from t; commit", &[false, true]),
            ("select 'open; commit", &[false]),
            ("select $open$; commit", &[false]),
            ("/* open; commit", &[]),
        ] {
            assert_eq!(commits_each(sql), want, "{sql}");
        }
    }
}
