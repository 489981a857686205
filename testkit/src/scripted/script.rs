//! What a scripted server does on one connection, step by step.

use super::reply::{Column, Reply};
use super::request::Request;
use super::scram::ScramServer;
use crate::proxy::Ending;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Looks at the messages that were expected last and makes the answer, or says what is wrong.
pub(super) type Answer = Box<dyn FnOnce(&[Request]) -> Result<Reply, String> + Send>;

/// One step of a script.
pub(super) enum Step {
    Expect(String),
    ExpectBytes(usize),
    Answer(Answer),
    Chunks(usize),
    Pause(Duration),
    ReadToEnd,
    Serve,
    End(Ending),
}

/// What a scripted server does on one connection, step by step.
///
/// ```no_run
/// use stellata_testkit::{Column, Reply, Script, ScriptedServer};
///
/// let seven = Reply::rows(&[Column::new("n", 23)], &[&[Some(&[0, 0, 0, 7])]]);
/// let script = Script::new()
///     .trust_login()
///     .expect("PDBES")
///     .chunks(1)
///     .send(seven.ready('I'))
///     .read_to_end();
/// let server = ScriptedServer::start([script]).unwrap();
/// // ... let the client under test connect to `server.url()` and ask, then drop it
/// server.finish();
/// ```
///
/// A script that ends without an [`Ending`] closes the connection in order.
#[derive(Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(Step::to_string)).finish()
    }
}

impl Script {
    /// No steps yet.
    pub fn new() -> Script {
        Script::default()
    }

    fn step(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }

    /// Waits for messages of these types, in this order; `^` is one without a type byte.
    #[must_use]
    pub fn expect(self, tags: &str) -> Script {
        self.step(Step::Expect(tags.to_owned()))
    }

    /// Waits for this many bytes that are no messages, such as the begin of a TLS handshake.
    #[must_use]
    pub fn expect_bytes(self, count: usize) -> Script {
        self.step(Step::ExpectBytes(count))
    }

    /// Holds the messages that were expected last against a condition, and says what was wanted
    /// where it does not hold.
    #[must_use]
    pub fn check(
        self,
        wanted: &'static str,
        holds: impl FnOnce(&[Request]) -> bool + Send + 'static,
    ) -> Script {
        self.answer(move |requests| match holds(requests) {
            true => Ok(Reply::new()),
            false => Err(format!("{wanted} was expected, unlike {requests:?}")),
        })
    }

    /// Sends messages.
    #[must_use]
    pub fn send(self, reply: Reply) -> Script {
        self.answer(|_| Ok(reply))
    }

    /// Sends what is made of the messages that were expected last; an error fails the test.
    #[must_use]
    pub fn answer(
        self,
        answer: impl FnOnce(&[Request]) -> Result<Reply, String> + Send + 'static,
    ) -> Script {
        self.step(Step::Answer(Box::new(answer)))
    }

    /// Cuts what is sent from here on into pieces of this many bytes; 0 sends it whole.
    #[must_use]
    pub fn chunks(self, bytes: usize) -> Script {
        self.step(Step::Chunks(bytes))
    }

    /// Does nothing for a while.
    #[must_use]
    pub fn pause(self, time: Duration) -> Script {
        self.step(Step::Pause(time))
    }

    /// Takes whatever comes until the client leaves.
    #[must_use]
    pub fn read_to_end(self) -> Script {
        self.step(Step::ReadToEnd)
    }

    /// From here on does what it is asked, until the client leaves: `select` and a number gives a
    /// row with that number, as `int4`; all else is an error with SQLSTATE 42601.
    #[must_use]
    pub fn serve(self) -> Script {
        self.step(Step::Serve)
    }

    /// Ends the connection: in order ([`Ending::Close`], after the client has had time to read
    /// what was sent), by a reset, by silence (nothing is said any more until the client leaves),
    /// or for this side alone ([`Ending::HalfClose`]), so that further steps may read.
    #[must_use]
    pub fn end(self, ending: Ending) -> Script {
        self.step(Step::End(ending))
    }

    /// Adds the steps of another script.
    #[must_use]
    pub fn then(mut self, other: Script) -> Script {
        self.steps.extend(other.steps);
        self
    }

    // Scenes.

    /// A login that asks for nothing.
    #[must_use]
    pub fn trust_login(self) -> Script {
        self.expect("^").send(Reply::logged_in())
    }

    /// A login with a password in clear; another password fails the test.
    #[must_use]
    pub fn password_login(self, password: &str) -> Script {
        let password = password.to_owned();
        self.expect("^")
            .send(Reply::new().authentication(3, b""))
            .expect("p")
            .check("the password", move |requests| requests[0].string(0) == password)
            .send(Reply::logged_in())
    }

    /// A login with SCRAM-SHA-256; a client that does not know the password fails the test.
    #[must_use]
    pub fn scram_login(self, password: &str) -> Script {
        self.scram(ScramServer::new(password, 4096), |first| first, |last| last)
            .send(Reply::logged_in())
    }

    /// The exchange of SCRAM-SHA-256 without the AuthenticationOk behind it, with the server's
    /// texts as `first` and `last` change them.
    #[must_use]
    pub fn scram(
        self,
        scram: ScramServer,
        first: impl FnOnce(String) -> String + Send + 'static,
        last: impl FnOnce(String) -> String + Send + 'static,
    ) -> Script {
        self.expect("^")
            .send(Reply::new().authentication(10, ScramServer::MECHANISMS))
            .scram_texts(scram, first, last)
    }

    /// As [`Script::scram`], from the client's first message on.
    #[must_use]
    pub fn scram_texts(
        self,
        scram: ScramServer,
        first: impl FnOnce(String) -> String + Send + 'static,
        last: impl FnOnce(String) -> String + Send + 'static,
    ) -> Script {
        let scram = Arc::new(Mutex::new(scram));
        let same = Arc::clone(&scram);
        self.expect("p")
            .answer(move |requests| {
                let mut scram = same.lock().unwrap_or_else(PoisonError::into_inner);
                let text = first(scram.first(&requests[0])?);
                Ok(Reply::new().authentication(11, text.as_bytes()))
            })
            .expect("p")
            .answer(move |requests| {
                let scram = scram.lock().unwrap_or_else(PoisonError::into_inner);
                let text = last(scram.last(&requests[0])?);
                Ok(Reply::new().authentication(12, text.as_bytes()))
            })
    }

    /// A statement that is prepared, described, bound and run, and returns these rows.
    #[must_use]
    pub fn answer_query(self, columns: &[Column], rows: &[&[Option<&[u8]>]]) -> Script {
        self.expect("PDBES").send(Reply::rows(columns, rows).ready('I'))
    }

    /// A statement that is prepared, described, bound and run, and fails.
    #[must_use]
    pub fn refuse_query(self, code: &str, message: &str) -> Script {
        self.expect("PDBES").send(Reply::new().error("ERROR", code, message).ready('I'))
    }
}

/// What the step does, for whoever reads why a script did not come to its end.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Expect(tags) => write!(f, "expect {tags:?}"),
            Step::ExpectBytes(count) => write!(f, "expect {count} bytes"),
            Step::Answer(_) => f.write_str("answer"),
            Step::Chunks(bytes) => write!(f, "cut into pieces of {bytes} bytes"),
            Step::Pause(time) => write!(f, "pause for {time:?}"),
            Step::ReadToEnd => f.write_str("read to the end"),
            Step::Serve => f.write_str("serve"),
            Step::End(ending) => write!(f, "end by {ending:?}"),
        }
    }
}
