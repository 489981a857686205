//! The conversation with a server: what was asked, what is still owed, what has come (manual: "Message Flow").
//!
//! A [`Conversation`] is fed bytes and yields events; it is asked for requests and yields bytes. It does no I/O, so that a
//! socket, a recorded stream and a fuzzer drive the same code.
//!
//! ```
//! use stellata_protocol::{Conversation, Event, Format, Login, Params};
//!
//! let mut conversation = Conversation::start(Login::new("me", [7; 18])).unwrap();
//! // The bytes of `conversation.output()` go to the server; what it sends comes back in:
//! conversation.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
//! while let Some(answer) = conversation.advance().unwrap() {
//!     assert_eq!(answer.event, Event::ReadyForQuery);
//! }
//! conversation.begin();
//! conversation.parse("", "select 1", &[]).unwrap();
//! conversation.bind("", &Params::new(), Format::Binary).unwrap();
//! conversation.execute(0).unwrap();
//! conversation.sync().unwrap();
//! ```

mod input;
pub(crate) mod owed;
pub(crate) mod login;

use core::ops::Range;
use std::collections::VecDeque;

use crate::auth::{KeyDerivation, Keys};
use crate::conversation::input::Input;
use crate::conversation::login::{Login, LoginState, Progress};
use crate::conversation::owed::{Event, Owed, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::message::extended::{
    Target, write_bind, write_close, write_copy_fail, write_describe, write_execute, write_flush,
    write_parse, write_query, write_sync, write_terminate,
};
use crate::message::notice::ServerError;
use crate::message::row::Format;
use crate::message::startup::BackendKey;
use crate::message::status::{Notification, ParameterStatus, TransactionStatus};
use crate::oid::Oid;
use crate::types::params::Params;
use crate::wire::buffer::Buffer;
use crate::wire::frame::{HEAD, frame};

/// How much a server may make a client hold. Each limit has a safe default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, in bytes. Default: 256 MiB.
    pub message: usize,
    /// How many notices are kept for the caller; the oldest go first. Default: 256.
    pub notices: usize,
    /// How many notifications are kept for the caller; the oldest go first. Default: 8192.
    pub notifications: usize,
    /// How many settings a server may report. Default: 256.
    pub parameters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 256 << 20, notices: 256, notifications: 8192, parameters: 256 }
    }
}

/// An event, and the call that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came.
    pub event: Event,
    /// The number that [`Conversation::begin`] gave the call; 0 for the login.
    pub request: u64,
    /// Whether the caller gave the answer up by [`Conversation::abandon`]: it is to be passed over.
    pub abandoned: bool,
}

/// The state of one session's conversation with its server.
///
/// After any error of [`Conversation::advance`] the two sides no longer agree; every later call returns the same error,
/// and the connection is to be closed.
#[derive(Debug)]
pub struct Conversation {
    input: Input,
    /// Where the body of the newest message lies in the input.
    body: Range<usize>,
    output: Buffer,
    written: usize,
    queue: Queue,
    /// The number of the newest call.
    request: u64,
    /// Calls up to this number do not want their answers any more.
    abandoned: u64,
    status: TransactionStatus,
    login: Option<LoginState>,
    key: Option<BackendKey>,
    parameters: Vec<(Box<str>, Box<str>)>,
    notices: VecDeque<ServerError>,
    notifications: VecDeque<Notification>,
    dropped: u64,
    limits: Limits,
    failed: Option<Error>,
    ended: bool,
}

/// The size that the output buffer goes back to after a large request.
const OUTPUT_KEPT: usize = 16 * 1024;

impl Conversation {
    /// Begins a session: the start-up message is the first output.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidText`] for a NUL in a name or value, [`ErrorKind::Usage`] for an empty user name.
    pub fn start(login: Login) -> Result<Self> {
        Self::start_with(login, Limits::default())
    }

    /// Begins a session with other limits.
    ///
    /// # Errors
    /// As [`Conversation::start`].
    pub fn start_with(login: Login, limits: Limits) -> Result<Self> {
        let mut output = Buffer::with_capacity(1024);
        let login = LoginState::start(login, &mut output)?;
        let mut queue = Queue::default();
        queue.push(Owed::Login, 0);
        Ok(Self {
            input: Input::new(),
            body: 0..0,
            output,
            written: 0,
            queue,
            request: 0,
            abandoned: 0,
            status: TransactionStatus::Idle,
            login: Some(login),
            key: None,
            parameters: Vec::new(),
            notices: VecDeque::new(),
            notifications: VecDeque::new(),
            dropped: 0,
            limits,
            failed: None,
            ended: false,
        })
    }

    // What goes out.

    /// The bytes that are to be written to the server next.
    #[inline]
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_slice().get(self.written..).unwrap_or_default()
    }

    /// Says that the first `count` bytes of [`Conversation::output`] were written.
    #[inline]
    pub fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.output.len() {
            self.written = 0;
            if self.output.capacity() > OUTPUT_KEPT {
                self.output = Buffer::with_capacity(1024);
            } else {
                self.output.clear();
            }
        }
    }

    /// Begins a call: what is asked from here on belongs to the number returned.
    pub fn begin(&mut self) -> u64 {
        self.request = self.request.wrapping_add(1);
        self.request
    }

    /// Gives up the answers to everything asked so far. They will still come, marked as abandoned.
    pub fn abandon(&mut self) {
        self.abandoned = self.request;
    }

    fn may_ask(&self) -> Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None if self.login.is_some() => {
                Err(Error::new(ErrorKind::Usage, "the session is not logged in yet"))
            }
            None if self.ended => Err(Error::new(ErrorKind::Usage, "the session is over")),
            None => Ok(()),
        }
    }

    fn ask(&mut self, owed: Owed) {
        self.queue.push(owed, self.request);
    }

    /// Asks to prepare a statement. The empty name is the unnamed statement.
    ///
    /// # Errors
    /// Of the values (see [`write_parse`]), or when the session is not ready for requests. Nothing is asked then.
    pub fn parse(&mut self, name: &str, sql: &str, types: &[Oid]) -> Result<()> {
        self.may_ask()?;
        write_parse(&mut self.output, name, sql, types)?;
        self.ask(Owed::Parse);
        Ok(())
    }

    /// Asks for the parameters and columns of a statement.
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn describe_statement(&mut self, name: &str) -> Result<()> {
        self.may_ask()?;
        write_describe(&mut self.output, Target::Statement(name))?;
        self.ask(Owed::DescribeStatement);
        Ok(())
    }

    /// Asks to bind parameters to a statement, in the unnamed portal.
    ///
    /// # Errors
    /// As [`Conversation::parse`]; more than 65 535 parameters are refused here.
    #[inline]
    pub fn bind(&mut self, statement: &str, params: &Params, results: Format) -> Result<()> {
        self.may_ask()?;
        write_bind(&mut self.output, "", statement, params, results)?;
        self.ask(Owed::Bind);
        Ok(())
    }

    /// Asks to run the unnamed portal, up to `max_rows` rows (0: all).
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    #[inline]
    pub fn execute(&mut self, max_rows: u32) -> Result<()> {
        self.may_ask()?;
        write_execute(&mut self.output, "", max_rows)?;
        self.ask(Owed::Execute);
        Ok(())
    }

    /// Asks to forget a prepared statement.
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn close_statement(&mut self, name: &str) -> Result<()> {
        self.may_ask()?;
        write_close(&mut self.output, Target::Statement(name))?;
        self.ask(Owed::Close);
        Ok(())
    }

    /// Asks the server to send what it holds back, without ending the series.
    ///
    /// # Errors
    /// When the session is not ready for requests.
    pub fn flush(&mut self) -> Result<()> {
        self.may_ask()?;
        write_flush(&mut self.output);
        Ok(())
    }

    /// Ends a series of requests: one ReadyForQuery will answer it, and an error before it reaches no further.
    ///
    /// # Errors
    /// When the session is not ready for requests.
    #[inline]
    pub fn sync(&mut self) -> Result<()> {
        self.may_ask()?;
        write_sync(&mut self.output);
        self.ask(Owed::Sync);
        Ok(())
    }

    /// Asks to run text of one or more statements by the simple query protocol.
    ///
    /// # Errors
    /// As [`Conversation::parse`], and [`ErrorKind::Usage`] within a series that no Sync has ended: after an error the
    /// server would pass the query over.
    pub fn query(&mut self, sql: &str) -> Result<()> {
        self.may_ask()?;
        if !self.queue.ends_with_sync() {
            return Err(Error::new(ErrorKind::Usage, "a simple query can't stand inside a series"));
        }
        write_query(&mut self.output, sql)?;
        self.ask(Owed::Query);
        Ok(())
    }

    /// Says goodbye. Nothing can be asked any more.
    pub fn terminate(&mut self) {
        if self.may_ask().is_ok() {
            write_terminate(&mut self.output);
            self.ended = true;
        }
    }

    // What comes in.

    /// Room for bytes from the server; [`Conversation::received`] says how many were put there. It is never empty.
    ///
    /// The body of the newest message is gone after this call.
    pub fn space(&mut self) -> &mut [u8] {
        self.body = 0..0;
        self.input.space()
    }

    /// Says that `count` bytes were put into [`Conversation::space`].
    pub fn received(&mut self, count: usize) {
        self.input.received(count);
    }

    /// Takes in bytes from the server, in pieces of any length.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            if let Some(place) = space.get_mut(..count) {
                place.copy_from_slice(now);
            }
            self.received(count);
            bytes = later;
        }
    }

    /// Goes on to the next event, if all its bytes are there. `Ok(None)`: more bytes are needed.
    ///
    /// # Errors
    /// When the server breaks the protocol or a limit, or fails to prove the login. The connection is to be closed.
    #[inline]
    pub fn advance(&mut self) -> Result<Option<Answer>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.step() {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    #[inline]
    fn step(&mut self) -> Result<Option<Answer>> {
        while let Some(frame) = frame(self.input.unread(), self.limits.message)? {
            self.body = self.input.take(frame.size, HEAD);
            match frame.tag {
                b'E' => return self.error_response().map(Some),
                b'N' => {
                    let notice = ServerError::read(self.body())?;
                    keep(&mut self.notices, notice, self.limits.notices, &mut self.dropped);
                }
                b'A' if self.hears_notifications() => self.notification()?,
                _ if self.login.is_some() => {
                    if let Some(event) = self.login_message(frame.tag)? {
                        return Ok(Some(self.answer(event, 0)));
                    }
                }
                b'S' => self.parameter_status()?,
                tag => {
                    let (event, request) = self.queue.answer(tag)?;
                    match event {
                        Event::ReadyForQuery => {
                            self.status = TransactionStatus::read(self.body())?;
                            if self.queue.is_empty() {
                                self.body = self.input.shrink(self.body.clone());
                            }
                        }
                        Event::CopyInRefused => self.refuse_copy_in()?,
                        _ => {}
                    }
                    return Ok(Some(self.answer(event, request)));
                }
            }
        }
        Ok(None)
    }

    #[inline]
    fn answer(&self, event: Event, request: u64) -> Answer {
        Answer { event, request, abandoned: request <= self.abandoned && request > 0 }
    }

    #[cold]
    fn error_response(&mut self) -> Result<Answer> {
        let error = ServerError::read(self.body())?;
        if error.ends_session() {
            self.ended = true;
        }
        if let Some(login) = self.login.as_mut() {
            login.refuse();
            self.ended = true;
        }
        if let Some(request) = self.queue.fail() {
            return Ok(self.answer(Event::Error, request));
        }
        if self.ended {
            // The server may end an idle session at any time; it concerns whoever uses the session next.
            return Ok(Answer { event: Event::Error, request: self.request, abandoned: false });
        }
        Err(Error::new(ErrorKind::UnexpectedMessage, "an error came that answers no request"))
    }

    fn login_message(&mut self, tag: u8) -> Result<Option<Event>> {
        let Some(login) = self.login.as_mut() else {
            return Err(owed::unexpected(tag));
        };
        let body = self.input.at(self.body.clone());
        match login.handle(tag, body, &mut self.output)? {
            Progress::Goes => Ok(None),
            Progress::NeedsKeys => Ok(Some(Event::KeyDerivation)),
            Progress::Key(key) => {
                self.key = Some(key);
                Ok(None)
            }
            Progress::Parameter => {
                self.parameter_status()?;
                Ok(None)
            }
            Progress::Done(status) => {
                self.status = status;
                self.login = None;
                self.queue.finish_login();
                Ok(Some(Event::ReadyForQuery))
            }
        }
    }

    /// Before the login is done nobody can have asked for notifications.
    fn hears_notifications(&self) -> bool {
        self.login.as_ref().is_none_or(LoginState::is_logged_in)
    }

    #[cold]
    fn notification(&mut self) -> Result<()> {
        let notification = Notification::read(self.body())?;
        keep(&mut self.notifications, notification, self.limits.notifications, &mut self.dropped);
        Ok(())
    }

    fn parameter_status(&mut self) -> Result<()> {
        let range = self.body.clone();
        let status = ParameterStatus::read(self.input.at(range))?;
        if let Some(known) = self.parameters.iter_mut().find(|known| *known.0 == *status.name) {
            if *known.1 != *status.value {
                known.1 = status.value.into();
            }
        } else if self.parameters.len() < self.limits.parameters {
            self.parameters.push((status.name.into(), status.value.into()));
        } else {
            return Err(Error::new(ErrorKind::TooLarge, "the server reports too many settings"));
        }
        Ok(())
    }

    /// Ends a COPY that waits for data which nobody has.
    ///
    /// While a server waits for data it passes over every Sync, so that those which were sent already are lost: each is
    /// sent again behind the CopyFail, and the count of ReadyForQuery stays right.
    #[cold]
    fn refuse_copy_in(&mut self) -> Result<()> {
        write_copy_fail(&mut self.output, "no data was given for COPY FROM STDIN")?;
        for _ in 0..self.queue.syncs_behind() {
            write_sync(&mut self.output);
        }
        Ok(())
    }

    /// The body of the message of the newest event, without tag and length.
    ///
    /// It stays until [`Conversation::space`] or [`Conversation::advance`] is called.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.input.at(self.body.clone())
    }

    /// The error of the newest event, when that is [`Event::Error`].
    ///
    /// # Errors
    /// When the message is malformed.
    pub fn server_error(&self) -> Result<ServerError> {
        ServerError::read(self.body())
    }

    // The login.

    /// The derivation that the login waits for after [`Event::KeyDerivation`]. It takes milliseconds of computing, more if
    /// the server says so: run it elsewhere than on a thread that serves others.
    pub fn key_derivation(&mut self) -> Option<KeyDerivation> {
        self.login.as_mut().and_then(LoginState::take_key_derivation)
    }

    /// Hands in what [`Conversation::key_derivation`] came to; the login goes on.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the login does not wait for it, or the error that ended the conversation.
    pub fn provide_keys(&mut self, keys: Keys) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.login.as_mut() {
            Some(login) => login.provide_keys(keys, &mut self.output),
            None => Err(Error::new(ErrorKind::Usage, "no login waits for keys")),
        }
    }

    // What is known.

    /// The status of the last ReadyForQuery.
    #[inline]
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Whether nothing is owed and nothing is unsent: the server waits for the next request.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.output().is_empty()
    }

    /// Whether the session can't be used any more.
    #[inline]
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended || self.failed.is_some()
    }

    /// How many ReadyForQuery are due, that of the login not counted.
    #[must_use]
    pub fn ready_due(&self) -> usize {
        self.queue.syncs()
    }

    /// How many answers are due, of all requests.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.queue.len()
    }

    /// The key by which another connection may cancel this session's query.
    #[must_use]
    pub fn backend_key(&self) -> Option<&BackendKey> {
        self.key.as_ref()
    }

    /// The value of a setting that the server reports, such as `server_version`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|known| &*known.0 == name).map(|known| &*known.1)
    }

    /// Takes the oldest notice.
    pub fn pop_notice(&mut self) -> Option<ServerError> {
        self.notices.pop_front()
    }

    /// Takes the oldest notification.
    pub fn pop_notification(&mut self) -> Option<Notification> {
        self.notifications.pop_front()
    }

    /// How many notices and notifications were dropped because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How much memory the buffers hold, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.input.capacity().saturating_add(self.output.capacity())
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, limit: usize, dropped: &mut u64) {
    if queue.len() >= limit {
        queue.pop_front();
        *dropped = dropped.saturating_add(1);
    }
    if limit > 0 {
        queue.push_back(item);
    }
}
