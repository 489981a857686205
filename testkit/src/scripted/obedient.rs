//! A server that does what it is asked, as long as it is asked for `select` and a number.

use super::reply::{Column, Reply};
use super::request::Request;
use std::collections::HashMap;

const INT4: u32 = 23;

/// What such a server knows of one session.
#[derive(Debug, Default)]
pub(super) struct Obedient {
    statements: HashMap<String, String>,
    /// The text that the unnamed portal runs, and whether its results are wanted in binary.
    portal: (String, bool),
    /// An error came, and all is passed over until a Sync.
    failed: bool,
    reply: Reply,
}

impl Obedient {
    /// Takes a message; gives what is to be sent now.
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let reply = std::mem::take(&mut self.reply);
        self.reply = match request.tag() {
            'S' => {
                self.failed = false;
                return reply.ready('I');
            }
            'H' => return reply,
            'Q' => {
                let answer = select(&request.string(0), Form::Described);
                return reply.then(answer.unwrap_or_else(|refusal| refusal)).ready('I');
            }
            _ if self.failed => reply,
            'P' => {
                self.statements.insert(request.string(0), request.string(1));
                reply.parse_complete()
            }
            'D' => match request.body().first() {
                Some(b'S') => reply.parameter_types(&[]).columns(&[column(false)]),
                _ => reply.columns(&[column(self.portal.1)]),
            },
            'B' => match self.statements.get(&request.string(1)) {
                Some(sql) => {
                    self.portal = (sql.clone(), request.body().ends_with(&[0, 1, 0, 1]));
                    reply.bind_complete()
                }
                None => {
                    self.failed = true;
                    reply.error("ERROR", "26000", "there is no such prepared statement")
                }
            },
            'E' => {
                let (sql, binary) = &self.portal;
                let answer = select(sql, if *binary { Form::Binary } else { Form::Text });
                self.failed = answer.is_err();
                reply.then(answer.unwrap_or_else(|refusal| refusal))
            }
            'C' => {
                self.statements.remove(request.string(0).trim_start_matches('S'));
                reply.close_complete()
            }
            _ => reply,
        };
        Reply::new()
    }
}

/// How a result is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
    /// As text, with the description in front, as the simple protocol has it.
    Described,
}

/// The answer to `select` and a number, or the refusal of all else.
fn select(sql: &str, form: Form) -> Result<Reply, Reply> {
    let number = sql.strip_prefix("select ").and_then(|number| number.parse::<i32>().ok());
    let number = number
        .ok_or_else(|| Reply::new().error("ERROR", "42601", "only numbers can be selected here"))?;
    let reply = match form {
        Form::Described => Reply::new().columns(&[column(false)]),
        _ => Reply::new(),
    };
    let reply = match form {
        Form::Binary => reply.row(&[Some(&number.to_be_bytes())]),
        _ => reply.row(&[Some(number.to_string().as_bytes())]),
    };
    Ok(reply.complete("SELECT 1"))
}

fn column(binary: bool) -> Column {
    Column::new("n", INT4).format(i16::from(binary))
}
