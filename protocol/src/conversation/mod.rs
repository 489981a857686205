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

pub(crate) mod encryption;
mod input;
mod kept;
mod parameters;
pub(crate) mod owed;
pub(crate) mod login;
mod ask;
pub(crate) mod withdraw;
mod receive;

use core::fmt;
use core::ops::Range;
use std::collections::VecDeque;

use crate::auth::{BearerToken, KeyDerivation, Keys, TokenChallenge};
use crate::conversation::input::Input;
use crate::conversation::kept::Kept;
use crate::conversation::login::{Login, LoginState};
use crate::conversation::owed::{Event, Owed, Queue};
use crate::conversation::parameters::Parameters;
use crate::error::{Error, ErrorKind, Result};
use crate::message::notice::ServerError;
use crate::message::startup::BackendKey;
use crate::message::status::{Notification, TransactionStatus};
use crate::wire::buffer::Buffer;

/// How much a server may make a client hold. Each limit has a safe default.
///
/// Memory follows the bytes that have come, never a length or a count that they declare: beside twice what has come, less
/// than 64 MiB are held, whatever the server sends.
///
/// | what | limit | default | past it |
/// |---|---|---|---|
/// | a message | [`Limits::message`] | 256 MiB | an error, seen by its first five bytes |
/// | a message other than rows, descriptions, COPY data, function results, errors, notices and notifications | none to set | 30 000 bytes | an error, seen by its first five bytes |
/// | a message before the server has let us in | none to set | 30 000 bytes | an error, seen by its first five bytes |
/// | the text of an error or a notice | none to set | 256 KiB | cut off |
/// | notices that nobody takes | [`Limits::notices`], [`Limits::notice_bytes`] | 256, 4 MiB | the oldest go, and are counted |
/// | notifications that nobody takes | [`Limits::notifications`], [`Limits::notification_bytes`] | 8 192, 16 MiB | the oldest go, and are counted |
/// | settings that the server reports | [`Limits::parameters`] | 256 | an error |
/// | columns, parameters | none to set | 65 535 | what the protocol counts |
/// | iterations of SCRAM | [`Login::max_iterations`] | [`DEFAULT_MAX_ITERATIONS`](crate::auth::DEFAULT_MAX_ITERATIONS) | an error |
/// | a row of a binary COPY | [`BinaryCopyReader::limit`](crate::copy::BinaryCopyReader::limit) | 256 MiB | an error, seen by its lengths |
/// | nesting of JSON | none to set | 128 levels | an error |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, in bytes. Default: 256 MiB.
    pub message: usize,
    /// How many notices are kept for the caller; the oldest go first, and [`Conversation::dropped`] counts them.
    /// Default: 256.
    pub notices: usize,
    /// How many bytes of memory the notices may hold that are kept for the caller; past it the oldest go, and a larger one
    /// is not kept at all. Default: 4 MiB.
    pub notice_bytes: usize,
    /// How many notifications are kept for the caller; the oldest go first, and [`Conversation::dropped`] counts them.
    /// Default: 8192.
    pub notifications: usize,
    /// How many bytes of memory the notifications may hold that are kept for the caller; past it the oldest go, and a
    /// larger one is not kept at all. Default: 16 MiB, which is 2 000 of the longest that a server sends.
    pub notification_bytes: usize,
    /// How many settings a server may report. Default: 256.
    pub parameters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 256 << 20,
            notices: 256,
            notice_bytes: 4 << 20,
            notifications: 8192,
            notification_bytes: 16 << 20,
            parameters: 256,
        }
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
pub struct Conversation {
    input: Input,
    /// Where the body of the newest message lies in the input.
    body: Range<usize>,
    output: Buffer,
    written: usize,
    /// The output holds, or held, what proves the login: it is overwritten once it is written.
    output_is_secret: bool,
    queue: Queue,
    /// The number of the newest call.
    request: u64,
    /// Calls up to this number do not want their answers any more.
    abandoned: u64,
    status: TransactionStatus,
    /// Apart, since most of a session's life goes by without it.
    login: Option<Box<LoginState>>,
    key: Option<BackendKey>,
    parameters: Parameters,
    /// The names of those that have changed since the login, the oldest change first.
    changed: VecDeque<Box<str>>,
    notices: Kept<ServerError>,
    notifications: Kept<Notification>,
    /// How many notices were dropped because nobody took them.
    dropped: u64,
    /// How many notifications were.
    dropped_notifications: u64,
    limits: Limits,
    failed: Option<Error>,
    ended: bool,
    /// The protocol version that both sides speak.
    version: u32,
    /// Options that the server does not know.
    unknown_options: Vec<Box<str>>,
    /// The data of the COPY that was asked for last has been ended.
    data_ended: bool,
}

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
        let version = login.version();
        let mut queue = Queue::default();
        queue.push(Owed::Login, 0);
        Ok(Self {
            input: Input::new(),
            body: 0..0,
            output,
            written: 0,
            output_is_secret: false,
            queue,
            request: 0,
            abandoned: 0,
            status: TransactionStatus::Idle,
            login: Some(Box::new(login)),
            key: None,
            parameters: Parameters::default(),
            changed: VecDeque::new(),
            notices: Kept::default(),
            notifications: Kept::default(),
            dropped: 0,
            dropped_notifications: 0,
            limits,
            failed: None,
            ended: false,
            version,
            unknown_options: Vec::new(),
            data_ended: true,
        })
    }

    // The login.

    /// The derivation that the login waits for after [`Event::KeyDerivation`]. It takes milliseconds of computing, more if
    /// the server says so: run it elsewhere than on a thread that serves others.
    pub fn key_derivation(&mut self) -> Option<KeyDerivation> {
        self.login.as_mut().and_then(|login| login.take_key_derivation())
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
            Some(login) => {
                self.output_is_secret = true;
                login.provide_keys(keys, &mut self.output)
            }
            None => Err(Error::new(ErrorKind::Usage, "no login waits for keys")),
        }
    }

    /// Hands in the password that the login waits for after [`Event::Password`]; the login goes on. It need not be UTF-8.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the login does not wait for it, [`ErrorKind::InvalidText`] for a NUL where the server
    /// wants it in clear text, or the error that ended the conversation.
    pub fn provide_password(&mut self, password: &[u8]) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.login.as_mut() {
            Some(login) => {
                self.output_is_secret = true;
                login.provide_password(password, &mut self.output)
            }
            None => Err(Error::new(ErrorKind::Usage, "no login waits for a password")),
        }
    }

    /// Hands in the token that the login waits for after [`Event::BearerToken`]; the login goes on.
    ///
    /// Without a token the server is asked where tokens are to be had. Its answer is a refusal: an [`Event::Error`]
    /// ends the login, and [`Conversation::token_challenge`] has the answer. Another session may then log in with a token
    /// from there.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the login does not wait for it, or the error that ended the conversation.
    pub fn provide_token(&mut self, token: Option<&BearerToken>) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.login.as_mut() {
            Some(login) => {
                self.output_is_secret = true;
                login.provide_token(token, &mut self.output)
            }
            None => Err(Error::new(ErrorKind::Usage, "no login waits for a token")),
        }
    }

    /// What the server answered to a token that it does not take, or to the question where tokens are to be had.
    #[must_use]
    pub fn token_challenge(&self) -> Option<&TokenChallenge> {
        self.login.as_ref().and_then(|login| login.token_challenge())
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

    /// Whether answers are owed.
    #[inline]
    #[must_use]
    pub fn is_owing(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The number of the call whose answer is owed next; `None` where none is owed.
    #[must_use]
    pub fn answering(&self) -> Option<u64> {
        self.queue.front()
    }

    /// Whether something has come while nothing is owed: a notice, a notification, a goodbye, or what no question was asked
    /// for. [`Conversation::advance`] looks at it, best before the next request takes it for its answer.
    #[inline]
    #[must_use]
    pub fn has_strays(&self) -> bool {
        !self.input.unread().is_empty() && self.queue.is_empty()
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

    /// The protocol version in use: what was asked for, or what the server came down to.
    #[must_use]
    pub fn protocol_version(&self) -> u32 {
        self.version
    }

    /// Options of the start-up (`_pq_.` names) that the server does not know.
    pub fn unknown_options(&self) -> impl Iterator<Item = &str> {
        self.unknown_options.iter().map(|option| &**option)
    }

    /// The key by which another connection may cancel this session's query.
    #[must_use]
    pub fn backend_key(&self) -> Option<&BackendKey> {
        self.key.as_ref()
    }

    /// The value of a setting that the server reports, such as `server_version`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)
    }

    /// Takes the oldest change of a setting that the server has reported since the login: its name and the value it has now.
    pub fn pop_parameter_change(&mut self) -> Option<(Box<str>, &str)> {
        let name = self.changed.pop_front()?;
        let value = self.parameters.get(&name)?;
        Some((name, value))
    }

    /// Whether a notice or the change of a setting waits to be taken.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.notices.is_empty() || !self.changed.is_empty()
    }

    /// Takes the oldest notice.
    pub fn pop_notice(&mut self) -> Option<ServerError> {
        self.notices.pop()
    }

    /// Takes the oldest notification.
    pub fn pop_notification(&mut self) -> Option<Notification> {
        self.notifications.pop()
    }

    /// How many notices and notifications were dropped because nobody took them, or because one alone was larger than the
    /// limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.saturating_add(self.dropped_notifications)
    }

    /// How many notifications were dropped because nobody took them.
    #[must_use]
    pub fn dropped_notifications(&self) -> u64 {
        self.dropped_notifications
    }

    /// Whether a notice or a notification waits to be taken.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        !self.notices.is_empty() || !self.notifications.is_empty()
    }

    /// How much memory the buffers hold, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.input.capacity().saturating_add(self.output.capacity())
    }
}

/// Without the buffers: they hold the values of parameters and rows, and what proves the login.
impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("version", &self.version)
            .field("login", &self.login)
            .field("status", &self.status)
            .field("request", &self.request)
            .field("owed", &self.queue.len())
            .field("unsent", &self.output().len())
            .field("unread", &self.input.unread().len())
            .field("failed", &self.failed)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Overwrites what proves the login, where it has not been written yet.
impl Drop for Conversation {
    fn drop(&mut self) {
        if self.output_is_secret {
            self.output.wipe();
        }
    }
}
