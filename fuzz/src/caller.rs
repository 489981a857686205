//! A caller that uses a conversation and holds it to its promises after every step.
//!
//! What it asserts does not depend on what the server sends: answers come in the order of the calls, only to what was
//! asked, at most one ReadyForQuery for each Sync; memory follows what was received; after an error every call returns
//! that error.

use stellata_protocol::auth::{BearerToken, ChannelBindingPolicy};
use stellata_protocol::message::{
    BindHead, CommandTag, CopyResponse, TransactionStatus, read_function_result,
    read_parameter_description, read_row_description,
};
use stellata_protocol::{
    Answer, Columns, Conversation, Error, ErrorKind, Event, Format, Limits, Login, Oid, Params,
};

use crate::action::Action;

/// The random bytes of every login here, so that a recorded exchange fits.
pub(crate) const NONCE: [u8; 18] = [7; 18];

/// The user of every login here.
pub(crate) const USER: &str = "me";

/// The password of every login here that has one.
pub(crate) const PASSWORD: &[u8] = b"pencil";

/// What stands for the hash of the server's certificate.
pub(crate) const CERTIFICATE: &[u8] = b"hash of a certificate";

/// The OAuth token of every login here that has one.
pub(crate) const TOKEN: &str = "a.token";

/// What is due is counted after every step of a session with fewer requests than this. The conversation counts by going
/// through all of them, so that in a longer one it is done the less often, the longer it is, and once at the end.
const COUNTED: usize = 8;

/// How a session is set up: one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup(pub(crate) u8);

impl Setup {
    /// The login has no password.
    pub(crate) const NO_PASSWORD: u8 = 1;
    /// The password may be sent as it is.
    pub(crate) const CLEARTEXT: u8 = 2;
    /// There is a certificate to bind to.
    pub(crate) const CERTIFICATE: u8 = 4;
    /// Binding to it is required.
    pub(crate) const BOUND: u8 = 8;
    /// The limits are small.
    pub(crate) const SMALL: u8 = 16;
    /// The login is already done.
    pub(crate) const READY: u8 = 32;
    /// There is an OAuth token.
    pub(crate) const TOKEN: u8 = 64;
    /// The password is handed in when the server asks for it.
    pub(crate) const ASKED: u8 = 128;

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// The limits of such a session.
    pub(crate) fn limits(self) -> Limits {
        if self.has(Self::SMALL) {
            Limits {
                message: 512,
                notices: 2,
                notice_bytes: 4096,
                notifications: 2,
                notification_bytes: 4096,
                parameters: 2,
            }
        } else {
            Limits::default()
        }
    }

    fn login(self) -> Login {
        // A real server asks for thousands of iterations; here they would only burn time.
        let mut login = Login::new(USER, NONCE)
            .parameter("database", "music")
            .allow_cleartext(self.has(Self::CLEARTEXT))
            .has_password(self.has(Self::ASKED))
            .has_token(self.has(Self::TOKEN))
            .max_iterations(16);
        if !self.has(Self::NO_PASSWORD) && !self.has(Self::ASKED) {
            login = login.password(PASSWORD);
        }
        let end_point = self.has(Self::CERTIFICATE).then(|| CERTIFICATE.to_vec());
        let policy = if self.has(Self::BOUND) {
            ChannelBindingPolicy::Require
        } else {
            ChannelBindingPolicy::Prefer
        };
        login.channel_binding(policy, end_point)
    }
}

/// An event as a caller saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    /// The message's body.
    pub(crate) body: Vec<u8>,
    /// How many bytes had come by then.
    pub(crate) received: usize,
}

/// What a call has asked for and not seen answered.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    parses: usize,
    binds: usize,
    describes: usize,
    columns: usize,
    executes: usize,
    closes: usize,
    queries: usize,
    functions: usize,
    ends: usize,
}

/// The caller.
#[derive(Debug)]
pub(crate) struct Caller {
    conversation: Conversation,
    /// By the number of the call; 0 is the login.
    calls: Vec<Open>,
    /// The call of the newest event.
    newest: u64,
    abandoned: u64,
    /// Requests made since the login, for the bound of memory.
    requests: usize,
    received: usize,
    ready_asked: usize,
    ready_seen: usize,
    logged_in: bool,
    goodbye: bool,
    /// A request was made that takes COPY data, and the data was not ended.
    copying: bool,
    /// The shorter ways are tried first. Their answers do not tell their calls, so that nobody holds them against those.
    quick: bool,
    seen: Vec<Seen>,
    error: Option<Error>,
    written: Vec<u8>,
    columns: Vec<Oid>,
    /// How often everything was looked at, for [`Caller::check`].
    checks: usize,
}

impl Caller {
    /// Begins a session. One that is ready from the start has its login answered here.
    pub(crate) fn start(setup: Setup) -> Self {
        let conversation = Conversation::start_with(setup.login(), setup.limits());
        let mut caller = Self {
            conversation: conversation.expect("a login with a user name and no NUL can be written"),
            calls: vec![Open::default()],
            newest: 0,
            abandoned: 0,
            requests: 0,
            received: 0,
            ready_asked: 0,
            ready_seen: 0,
            logged_in: false,
            goodbye: false,
            copying: false,
            quick: false,
            seen: Vec::new(),
            error: None,
            written: Vec::new(),
            columns: Vec::new(),
            checks: 0,
        };
        if setup.has(Setup::READY) {
            // Its own output and events are of no interest then.
            caller.act(Action::Write(15));
            caller.written.clear();
            caller.feed(if setup.has(Setup::BOUND) {
                b""
            } else {
                b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x09\0\0\0\x08Z\0\0\0\x05I"
            });
            caller.seen.clear();
            caller.received = 0;
        }
        caller
    }

    /// Tries the shorter ways to what comes next before the usual one.
    pub(crate) fn quickly(mut self) -> Self {
        self.quick = true;
        self
    }

    /// The conversation as it is.
    pub(crate) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The conversation, for whoever wants to use it otherwise.
    pub(crate) fn into_conversation(self) -> Conversation {
        self.conversation
    }

    /// The events so far.
    pub(crate) fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The error that ended the conversation.
    pub(crate) fn error(&self) -> Option<Error> {
        self.error
    }

    /// All output so far, whether or not it was written to the server.
    pub(crate) fn output(&self) -> Vec<u8> {
        [&self.written, self.conversation.output()].concat()
    }

    /// Does anything but feeding.
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Feed(_) => {}
            Action::Begin => self.begin(),
            Action::Abandon => {
                self.conversation.abandon();
                self.abandoned = self.newest_call();
            }
            Action::Write(sixteenths) => {
                let output = self.conversation.output();
                let count = (output.len() * usize::from(sixteenths) / 16 + 1).min(output.len());
                let count = if sixteenths == 15 { output.len() } else { count };
                self.written.extend_from_slice(&output[..count]);
                self.conversation.wrote(count);
            }
            Action::Take => {
                self.conversation.pop_notice();
                self.conversation.pop_notification();
            }
            Action::Derive => self.derive(),
            Action::Terminate => {
                self.conversation.terminate();
                self.goodbye |= self.logged_in;
            }
            Action::Series => {
                self.begin();
                let series = [
                    Action::Parse,
                    Action::Bind,
                    Action::Describe,
                    Action::Execute,
                    Action::Close,
                    Action::Sync,
                ];
                for request in series {
                    self.ask(request);
                }
            }
            Action::CopyData | Action::CopyDone | Action::CopyFail => self.copy(action),
            request => self.ask(request),
        }
        self.check();
    }

    /// Takes in bytes and looks at every event that they make.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.conversation.receive(bytes);
        self.received += bytes.len();
        loop {
            if self.quick && self.take_quickly() {
                self.check();
                continue;
            }
            match self.conversation.advance() {
                Ok(None) => break,
                Ok(Some(answer)) if self.quick => self.note(answer.event),
                Ok(Some(answer)) => self.saw(answer),
                Err(error) => {
                    let known = *self.error.get_or_insert(error);
                    assert_eq!(known, error, "another error came after the first");
                    break;
                }
            }
            self.check();
        }
        self.check();
    }

    /// Takes the next message by one of the shorter ways, if it is one for them.
    fn take_quickly(&mut self) -> bool {
        let owed = self.conversation.owed();
        self.conversation.pass_bind_complete();
        let event = if self.conversation.owed() < owed {
            Event::BindComplete
        } else if self.conversation.next_row().is_some() {
            Event::DataRow
        } else if self.conversation.next_copy_data().is_some() {
            Event::CopyData
        } else if self.conversation.next_complete().is_some() {
            Event::CommandComplete
        } else if self.conversation.pass_ready() {
            Event::ReadyForQuery
        } else {
            return false;
        };
        self.note(event);
        true
    }

    /// Notes an event without a look at the call that it answers.
    fn note(&mut self, event: Event) {
        let body = self.conversation.body().to_vec();
        let answer = Answer { event, request: 0, abandoned: false };
        if event == Event::ReadyForQuery {
            self.ready_seen += usize::from(self.logged_in);
            self.logged_in = true;
        }
        self.seen.push(Seen { answer, body, received: self.received });
    }

    fn begin(&mut self) {
        let number = self.conversation.begin();
        assert_eq!(number, self.newest_call() + 1, "calls are counted");
        self.calls.push(Open::default());
    }

    fn newest_call(&self) -> u64 {
        self.calls.len() as u64 - 1
    }

    /// Hands in the keys, the password or the token that the login waits for.
    fn derive(&mut self) {
        let Some(derivation) = self.conversation.key_derivation() else {
            let token = BearerToken::new(TOKEN).expect("a token of letters is sound");
            let given = [
                self.conversation.provide_password(PASSWORD),
                self.conversation.provide_token(Some(&token)),
            ];
            assert!(given.iter().any(Result::is_err), "one thing is waited for at a time");
            for given in given {
                match given {
                    Ok(()) => assert_eq!(self.error, None, "a secret was written after an error"),
                    Err(error) if self.error.is_some() => assert_eq!(Some(error), self.error),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Usage),
                }
            }
            return;
        };
        let keys = derivation.run();
        match self.conversation.provide_keys(keys) {
            Ok(()) => assert_eq!(self.error, None, "the proof was written after an error"),
            Err(error) => assert_eq!(Some(error), self.error, "the login takes its own keys"),
        }
    }

    fn ask(&mut self, request: Action) {
        let before = self.conversation.output().len();
        let talk = &mut self.conversation;
        let asked = match request {
            Action::Parse => talk.parse("s", "select $1", &[Oid::INT4]),
            Action::Bind => {
                let mut params = Params::new();
                params.push(&7_i32).expect("a number can be written");
                talk.bind("s", &params, Format::Binary)
            }
            Action::Run | Action::RunAlone => {
                let head = BindHead::new("s").expect("a name without a NUL");
                let mut params = Params::new();
                params.push(&7_i32).expect("a number can be written");
                if request == Action::Run {
                    talk.run(&head, &params)
                } else {
                    talk.run_alone(&head, &params)
                }
            }
            Action::Describe => talk.describe_statement("s"),
            Action::DescribePortal => talk.describe_portal(""),
            Action::Execute => talk.execute(3),
            Action::ExecuteCopyIn => talk.execute_copy_in(),
            Action::Close => talk.close_statement("s"),
            Action::ClosePortal => talk.close_portal("p"),
            Action::Flush => talk.flush(),
            Action::Sync => talk.sync(),
            Action::QueryCopy => talk.query_copy("copy t from stdin"),
            Action::FunctionCall => talk.call_function(Oid(1598), &Params::new(), Format::Binary),
            _ => talk.query("select 1; select 2"),
        };
        let grown = self.conversation.output().len() > before;
        assert_eq!(grown, asked.is_ok(), "a request is written if and only if it is accepted");
        if let Err(error) = asked {
            match self.error {
                Some(known) => assert_eq!(known, error, "another error came after the first"),
                None => assert_eq!(error.kind(), ErrorKind::Usage, "{error}"),
            }
            let refusable = !self.logged_in
                || self.error.is_some()
                || self.conversation.is_over()
                || self.copying
                || matches!(request, Action::Query | Action::QueryCopy | Action::FunctionCall);
            assert!(refusable, "{request:?} was refused: {error}");
            return;
        }
        assert!(
            self.logged_in && !self.goodbye && self.error.is_none(),
            "{request:?} was accepted"
        );
        self.requests += 1;
        let call = self.calls.last_mut().expect("the login is there");
        match request {
            Action::Parse => call.parses += 1,
            Action::Bind => call.binds += 1,
            Action::Run | Action::RunAlone => {
                call.binds += 1;
                call.executes += 1;
                call.ends += usize::from(request == Action::RunAlone);
            }
            Action::Describe => call.describes += 1,
            Action::DescribePortal => call.columns += 1,
            Action::Execute | Action::ExecuteCopyIn => call.executes += 1,
            Action::Close | Action::ClosePortal => call.closes += 1,
            Action::Sync => call.ends += 1,
            Action::Query | Action::QueryCopy => {
                call.queries += 1;
                call.ends += 1;
            }
            Action::FunctionCall => {
                call.functions += 1;
                call.ends += 1;
            }
            _ => {}
        }
        self.copying |= matches!(request, Action::ExecuteCopyIn | Action::QueryCopy);
        let ends = matches!(
            request,
            Action::Sync
                | Action::RunAlone
                | Action::Query
                | Action::QueryCopy
                | Action::FunctionCall
        );
        self.ready_asked += usize::from(ends);
    }

    /// Sends data for a COPY, or ends it.
    fn copy(&mut self, action: Action) {
        let before = self.conversation.output().len();
        let talk = &mut self.conversation;
        let sent = match action {
            Action::CopyData => talk.copy_data(b"1\ttwo\n"),
            Action::CopyDone => talk.copy_done(),
            _ => talk.copy_fail("enough"),
        };
        let grown = self.conversation.output().len() > before;
        assert_eq!(grown, sent == Ok(true), "data is written if and only if it is of use");
        match (sent, self.error) {
            (Ok(_), _) => {
                assert!(self.logged_in && !self.goodbye && self.error.is_none());
                assert!(!grown || self.copying, "{action:?} without a COPY");
                self.requests += 1;
            }
            (Err(error), Some(known)) => {
                assert_eq!(known, error, "another error came after the first");
            }
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Usage, "{error}"),
        }
        if action != Action::CopyData && sent.is_ok() {
            self.copying = false;
        }
    }

    fn saw(&mut self, answer: Answer) {
        let body = self.conversation.body().to_vec();
        self.look(answer.event, &body);
        self.seen.push(Seen { answer, body, received: self.received });
        let Answer { event, request, abandoned } = answer;
        if !self.logged_in {
            assert_eq!((request, abandoned), (0, false), "the login is call 0");
            match event {
                Event::ReadyForQuery => self.logged_in = true,
                Event::KeyDerivation | Event::Password | Event::BearerToken | Event::Error => {}
                other => panic!("{other:?} came during the login"),
            }
            return;
        }
        assert!(request <= self.newest_call(), "an answer to a call that was never made");
        assert!(request >= self.newest, "an answer to call {request} after one to {}", self.newest);
        self.newest = request;
        let idle = event == Event::Error && self.conversation.is_over();
        assert!(
            idle || abandoned == (request > 0 && request <= self.abandoned),
            "call {request} is abandoned up to {}: {abandoned}",
            self.abandoned
        );
        let index = usize::try_from(request).expect("as many calls as fit in memory");
        let call = &mut self.calls[index];
        let answered = match event {
            Event::ParseComplete => take(&mut call.parses),
            Event::BindComplete => take(&mut call.binds),
            Event::CloseComplete => take(&mut call.closes),
            Event::ParameterDescription => {
                call.columns += 1;
                take(&mut call.describes)
            }
            Event::RowDescription => take(&mut call.columns) || call.queries > 0,
            Event::NoData => take(&mut call.columns),
            Event::PortalSuspended => take(&mut call.executes),
            Event::CommandComplete | Event::EmptyQuery => {
                call.queries > 0 || take(&mut call.executes)
            }
            Event::DataRow
            | Event::CopyOut
            | Event::CopyData
            | Event::CopyDone
            | Event::CopyIn
            | Event::CopyInRefused => call.executes > 0 || call.queries > 0,
            Event::CopyBoth => call.queries > 0,
            Event::FunctionResult => take(&mut call.functions),
            Event::ReadyForQuery => {
                self.ready_seen += 1;
                let due = take(&mut call.ends);
                if call.ends == 0 {
                    call.queries = 0;
                }
                due
            }
            Event::Error => true,
            _ => false,
        };
        assert!(answered, "{event:?} came for call {request}, which did not ask for it");
    }

    /// Reads the body as a client would.
    fn look(&mut self, event: Event, body: &[u8]) {
        match event {
            Event::RowDescription => {
                let fields = read_row_description(body).unwrap_or_default();
                self.columns = fields.iter().map(|field| field.type_oid).collect();
            }
            Event::DataRow => {
                if let Ok(mut row) = Columns::new(body, &self.columns) {
                    while row.remaining() > 0 && row.skip().is_ok() {}
                }
            }
            Event::ParameterDescription => {
                read_parameter_description(body).expect("the conversation has looked at it");
            }
            Event::CopyIn | Event::CopyOut | Event::CopyBoth | Event::CopyInRefused => {
                CopyResponse::read(body).expect("the conversation has looked at it");
            }
            Event::FunctionResult => {
                let _ = read_function_result(body);
            }
            Event::ParseComplete
            | Event::BindComplete
            | Event::CloseComplete
            | Event::NoData
            | Event::EmptyQuery
            | Event::PortalSuspended
            | Event::CopyDone => assert!(body.is_empty(), "{event:?} has a body"),
            Event::CommandComplete => {
                let _ = CommandTag::read(body).map(|tag| tag.rows());
            }
            Event::ReadyForQuery => {
                assert_eq!(TransactionStatus::read(body), Ok(self.conversation.status()));
            }
            Event::Error => {
                self.conversation.server_error().expect("an error event is one that can be read");
            }
            _ => {}
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let held = self.conversation.buffered();
        let allowed = 400_000 + 4 * self.received + 256 * self.requests;
        assert!(held <= allowed, "{held} bytes are held after {} came", self.received);
        if let Some(error) = self.error {
            assert_eq!(self.conversation.advance(), Err(error));
            assert!(self.conversation.is_over());
        } else if self.checks.is_multiple_of(1 + self.requests / COUNTED) {
            self.check_ready_due();
        }
        self.checks += 1;
    }

    /// What holds at any time of the number of answers that are due.
    fn check_ready_due(&self) {
        let due = self.ready_asked - self.ready_seen;
        assert_eq!(self.conversation.ready_due(), due, "ReadyForQuery due");
    }

    /// What holds when there is nothing more to do.
    pub(crate) fn finish(&mut self) {
        self.check();
        if self.error.is_none() {
            self.check_ready_due();
        }
    }
}

fn take(open: &mut usize) -> bool {
    let some = *open > 0;
    *open = open.saturating_sub(1);
    some
}
