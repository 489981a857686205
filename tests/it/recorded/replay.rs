//! A recorded session, played to a conversation that asks what the recorded client asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use stellata_protocol::auth::{ChannelBindingPolicy, Keys};
use stellata_protocol::message::{
    Bind, Execute, FirstMessage, FunctionCall, Notification, Parse, SaslInitialResponse,
    ServerError, Target, TransactionStatus, read_copy_fail, read_query, read_sasl_response,
};
use stellata_protocol::{
    Buffer, Conversation, Error, Event, Format, Frame, Login, Oid, Params, frame,
};
use stellata_testkit::{Direction, PASSWORD, Recording};

/// What the recorder used in place of random bytes.
const NONCE: [u8; 18] = *b"recorded, not new!";

/// All streams that were recorded, with their names, in the order of the names. Those of other versions than 15 are in
/// folders of their own, which their names begin with.
pub(super) fn streams() -> Vec<(String, Recording)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/streams");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                Some(extension) if extension == "bin" => files.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    let name = |file: &PathBuf| {
        file.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().into_owned()
    };
    files.iter().map(|file| (name(file), Recording::read(file).unwrap())).collect()
}

/// Everything that a caller can learn from a session.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// Each event, the call it answers, and the body of its message.
    pub(super) events: Vec<(Event, u64, Vec<u8>)>,
    notices: Vec<ServerError>,
    notifications: Vec<Notification>,
    status: TransactionStatus,
    timezone: Option<String>,
    process: Option<i32>,
    /// The protocol version that both sides speak, and the CancelRequest that the session's key makes.
    pub(super) protocol: u32,
    pub(super) cancel: Option<Vec<u8>>,
}

/// The keys of the logins that were played, by the password and the server's message: what is recorded does not change, and
/// a derivation takes as long as a thousand plays.
static KEYS: Mutex<Option<HashMap<(String, Vec<u8>), Keys>>> = Mutex::new(None);

/// How many of them are kept.
const MOST_KEYS: usize = 64;

/// The hash of the server's certificate that a recorded client has bound its login to.
fn end_point(recording: &Recording) -> Option<Vec<u8>> {
    let sent = recording.bytes(Direction::ToServer);
    let length = u32::from_be_bytes(sent[..4].try_into().unwrap()) as usize;
    let mut rest = &sent[length..];
    let mut proofs = Vec::new();
    while let Ok(Some(Frame { tag: b'p', size })) = frame(rest, 1 << 20) {
        proofs.push(&rest[5..size]);
        rest = &rest[size..];
    }
    let (first, last) = (proofs.first()?, proofs.get(1)?);
    if SaslInitialResponse::read(first).ok()?.mechanism != "SCRAM-SHA-256-PLUS" {
        return None;
    }
    let last = std::str::from_utf8(read_sasl_response(last)).unwrap();
    let binding = base64(last.strip_prefix("c=").unwrap().split(',').next().unwrap());
    Some(binding.strip_prefix(b"p=tls-server-end-point,,").unwrap().to_vec())
}

/// The bytes that a text in base64 stands for.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte).unwrap();
        bits = bits << 6 | u32::try_from(digit).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A session that is being played.
pub(super) struct Player {
    pub(super) conversation: Conversation,
    password: &'static str,
    events: Vec<(Event, u64, Vec<u8>)>,
    notices: Vec<ServerError>,
    notifications: Vec<Notification>,
}

impl Player {
    /// Begins the session that the start-up message of the recording begins.
    pub(super) fn start(recording: &Recording) -> Self {
        let sent = recording.bytes(Direction::ToServer);
        let length = u32::from_be_bytes(sent[..4].try_into().unwrap()) as usize;
        let FirstMessage::Startup { version, parameters } =
            FirstMessage::read(&sent[4..length]).unwrap()
        else {
            panic!("the recording begins with no start-up message");
        };
        let refused = recording.bytes(Direction::ToClient).windows(6).any(|six| six == b"C28P01");
        let password = if refused { "wrong" } else { PASSWORD };
        let login = Login::new(parameters[0].1, NONCE)
            .version(version)
            .password(password.as_bytes())
            .channel_binding(ChannelBindingPolicy::Prefer, end_point(recording))
            .allow_cleartext(true);
        let login =
            parameters[1..].iter().fold(login, |login, (name, value)| login.parameter(name, value));
        let conversation = Conversation::start(login).unwrap();
        Self {
            conversation,
            password,
            events: Vec::new(),
            notices: Vec::new(),
            notifications: Vec::new(),
        }
    }

    /// Takes in bytes of the server and tells all that they mean.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.conversation.receive(bytes);
        while let Some(answer) = self.conversation.advance()? {
            let body = self.conversation.body().to_vec();
            self.events.push((answer.event, answer.request, body));
            if answer.event == Event::KeyDerivation {
                let keys = self.keys();
                self.conversation.provide_keys(keys)?;
            }
        }
        self.notices.extend(std::iter::from_fn(|| self.conversation.pop_notice()));
        self.notifications.extend(std::iter::from_fn(|| self.conversation.pop_notification()));
        Ok(())
    }

    /// The keys that the login waits for.
    fn keys(&mut self) -> Keys {
        let derivation = self.conversation.key_derivation().unwrap();
        let name = (self.password.to_owned(), self.conversation.body().to_vec());
        let mut known = KEYS.lock().unwrap();
        let known = known.get_or_insert_default();
        if let Some(keys) = known.get(&name) {
            return keys.clone();
        }
        let keys = derivation.run();
        if known.len() < MOST_KEYS {
            known.insert(name, keys.clone());
        }
        keys
    }

    /// The events so far, as [`Seen::events`].
    #[allow(dead_code, reason = "the mutated streams are looked at when they have been played")]
    pub(super) fn events(&self) -> &[(Event, u64, Vec<u8>)] {
        &self.events
    }

    /// The events so far, as [`Seen::events`].
    #[allow(dead_code, reason = "the replay of whole streams looks at more")]
    pub(super) fn into_events(self) -> Vec<(Event, u64, Vec<u8>)> {
        self.events
    }

    pub(super) fn seen(self) -> Seen {
        Seen {
            events: self.events,
            notices: self.notices,
            notifications: self.notifications,
            status: self.conversation.status(),
            timezone: self.conversation.parameter("TimeZone").map(str::to_owned),
            process: self.conversation.backend_key().map(|key| key.process_id),
            protocol: self.conversation.protocol_version(),
            cancel: self.conversation.backend_key().map(|key| {
                let mut cancel = Buffer::new();
                key.write_cancel_request(&mut cancel).unwrap();
                cancel.as_slice().to_vec()
            }),
        }
    }
}

/// The tag and the body of a message.
type Message = (u8, Vec<u8>);

/// The client's messages of a recording, by the pieces that they came in.
pub(super) struct Asked {
    /// The bytes of each piece, and its messages but for those that a conversation sends of itself: of the
    /// login, and the refusal of a COPY that nobody has data for.
    pieces: Vec<(Vec<u8>, Vec<Message>)>,
}

impl Asked {
    pub(super) fn of(recording: &Recording) -> Self {
        let mut first = true;
        let mut pieces = Vec::new();
        for (direction, bytes) in recording.pieces() {
            if direction == Direction::ToClient {
                continue;
            }
            let mut rest = bytes;
            if std::mem::take(&mut first) {
                let length = u32::from_be_bytes(rest[..4].try_into().unwrap());
                rest = &rest[length as usize..];
            }
            let mut messages = Vec::new();
            // A client's Query and Parse may be as long as they like; a server's messages of these tags may not.
            while let Some(Frame { tag, size }) = frame(rest, 1 << 20).unwrap() {
                messages.push((tag, rest[5..size].to_vec()));
                rest = &rest[size..];
            }
            assert!(rest.is_empty(), "a piece ends within a message");
            messages.retain(|(tag, body)| {
                let refusal = *tag == b'f' && body.starts_with(b"no data was given");
                *tag != b'p' && !refusal
            });
            pieces.push((bytes.to_vec(), messages));
        }
        Self { pieces }
    }

    /// Asks what the client asked in its `number`th piece, and holds what is written against what it wrote.
    #[allow(dead_code, reason = "the mutated streams are asked otherwise")]
    pub(super) fn ask(&self, number: usize, conversation: &mut Conversation) {
        self.try_ask(number, conversation).unwrap();
        let bytes = &self.pieces[number].0;
        assert_eq!(conversation.output(), bytes, "the client of the recording wrote otherwise");
        conversation.wrote(bytes.len());
    }

    /// Asks what the client asked in its `number`th piece, as far as the conversation lets it.
    pub(super) fn try_ask(
        &self,
        number: usize,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let messages = &self.pieces[number].1;
        let mut begun = false;
        for (index, (tag, body)) in messages.iter().enumerate() {
            if !begun && !matches!(tag, b'd' | b'c' | b'f' | b'X') {
                begun = true;
                conversation.begin();
            }
            let next = messages.get(index + 1).map(|next| next.0).or_else(|| {
                self.pieces.get(number + 1).and_then(|piece| piece.1.first()).map(|next| next.0)
            });
            let with_data = matches!(next, Some(b'd' | b'c' | b'f'));
            ask(conversation, *tag, body, with_data)?;
        }
        Ok(())
    }
}

fn ask(
    conversation: &mut Conversation,
    tag: u8,
    body: &[u8],
    with_data: bool,
) -> Result<(), Error> {
    match tag {
        b'P' => {
            let parse = Parse::read(body).unwrap();
            conversation.parse(parse.name, parse.sql, &parse.types)
        }
        b'D' => match Target::read(body).unwrap() {
            Target::Statement(name) => conversation.describe_statement(name),
            Target::Portal(name) => conversation.describe_portal(name),
        },
        b'B' => {
            let bind = Bind::read(body).unwrap();
            let params = params(&bind.parameters);
            let format = bind.result_formats.first().copied().unwrap_or(Format::Text);
            conversation.bind_portal(bind.portal, bind.statement, &params, format)
        }
        b'E' if with_data => conversation.execute_copy_in(),
        b'E' => {
            let execute = Execute::read(body).unwrap();
            let rows = u32::try_from(execute.max_rows).unwrap();
            conversation.execute_portal(execute.portal, rows)
        }
        b'C' => match Target::read(body).unwrap() {
            Target::Statement(name) => conversation.close_statement(name),
            Target::Portal(name) => conversation.close_portal(name),
        },
        b'S' => conversation.sync(),
        b'H' => conversation.flush(),
        b'Q' => {
            let sql = read_query(body).unwrap();
            if with_data { conversation.query_copy(sql) } else { conversation.query(sql) }
        }
        b'F' => {
            let call = FunctionCall::read(body).unwrap();
            let arguments = params(&call.arguments);
            conversation.call_function(call.function, &arguments, call.result_format)
        }
        b'd' => conversation.copy_data(body).map(drop),
        b'c' => conversation.copy_done().map(drop),
        b'f' => conversation.copy_fail(read_copy_fail(body).unwrap()).map(drop),
        b'X' => {
            conversation.terminate();
            Ok(())
        }
        _ => panic!("a client sends no {}", char::from(tag)),
    }
}

/// Parameters whose types do not matter, since Bind does not name them.
fn params(values: &[Option<&[u8]>]) -> Params {
    let mut params = Params::new();
    for value in values {
        match value {
            None => params.push_null(Oid::UNSPECIFIED),
            Some(bytes) => params
                .push_with(Oid::UNSPECIFIED, |out| {
                    out.put_slice(bytes);
                    Ok(())
                })
                .unwrap(),
        }
    }
    params
}
