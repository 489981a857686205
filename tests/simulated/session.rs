//! One session of the server in memory: as much of the protocol and of SQL as models need.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;

use crate::world::{Cut, Ending, Notes, World};

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statement {
    /// Reads the note of a number.
    Select,
    /// Adds a note, and returns it where that is asked for.
    Insert {
        returning: bool,
    },
    Begin,
    Commit,
    Rollback,
    /// Whatever else leaves the notes as they are.
    Other,
}

impl Statement {
    fn read(sql: &[u8]) -> Self {
        let sql = String::from_utf8_lossy(sql).to_ascii_lowercase();
        match sql.trim_end_matches('\0').split_whitespace().next().unwrap_or_default() {
            "select" => Self::Select,
            "insert" => Self::Insert { returning: sql.contains("returning") },
            "begin" => Self::Begin,
            "commit" => Self::Commit,
            "rollback" => Self::Rollback,
            "discard" => Self::Other,
            other => panic!("the server in memory does not know `{other}`"),
        }
    }

    fn returns_rows(self) -> bool {
        matches!(self, Self::Select | Self::Insert { returning: true })
    }
}

/// What happens to the answers of one flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// The session ends before its work is kept.
    EndsBefore,
    /// The session ends when its work is kept, and nobody hears of it.
    EndsAfter,
    /// The session ends in the middle of its answer.
    IsCut,
    /// The session is ended by a command, and says so.
    IsTerminated,
}

pub(crate) struct Session {
    world: Arc<World>,
    /// The statements that are prepared, and how many parameters each has.
    statements: HashMap<Vec<u8>, (Statement, u16)>,
    bound: Option<(Statement, Vec<i64>)>,
    /// Notes that were added and not committed.
    added: Notes,
    /// A transaction was begun by a command.
    in_transaction: bool,
    /// A statement of the transaction has failed.
    failed: bool,
    /// Messages are passed over up to the next Sync.
    skipping: bool,
    out: Vec<u8>,
    cut: Option<Cut>,
}

impl Session {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self {
            cut: world.take_cut(),
            world,
            statements: HashMap::new(),
            bound: None,
            added: Notes::new(),
            in_transaction: false,
            failed: false,
            skipping: false,
            out: Vec::new(),
        }
    }

    /// Lets the client in and does what it asks for, until one of them ends the session.
    pub(crate) async fn serve(mut self, mut stream: DuplexStream) -> io::Result<()> {
        let length = stream.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await?;
        self.send(&mut stream, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
        loop {
            let tag = stream.read_u8().await?;
            let length = stream.read_u32().await?;
            body.resize(length as usize - 4, 0);
            stream.read_exact(&mut body).await?;
            match tag {
                b'X' => return Ok(()),
                b'Q' => {
                    let statement = Statement::read(&body);
                    self.run(statement, &[]);
                    if !self.end_flush(&mut stream).await? {
                        return Ok(());
                    }
                }
                b'S' => {
                    if !self.end_flush(&mut stream).await? {
                        return Ok(());
                    }
                }
                _ if self.skipping => {}
                b'P' => self.parse(&body),
                b'B' => self.bind(&body),
                b'D' => self.describe(&body),
                b'E' => {
                    let (statement, values) = self.bound.take().expect("Execute without Bind");
                    self.run(statement, &values);
                }
                b'C' => {
                    self.statements.remove(&body[1..body.len() - 1]);
                    self.message(b'3', &[]);
                }
                other => panic!("the server in memory does not know message {}", other as char),
            }
        }
    }

    /// Keeps the work of a flush, and answers it. Returns whether the session goes on.
    async fn end_flush(&mut self, stream: &mut DuplexStream) -> io::Result<bool> {
        let fate = self.fate();
        let delay = self.delay();
        sleep(delay).await;
        match fate {
            Fate::EndsBefore => {
                self.world.note("ends before", 0);
                return Ok(false);
            }
            Fate::IsTerminated => {
                self.world.note("is terminated", 0);
                self.out.clear();
                self.error("FATAL", "57P01", "terminating connection due to administrator command");
                let out = std::mem::take(&mut self.out);
                self.send(stream, &out).await?;
                return Ok(false);
            }
            _ => {}
        }
        if !self.in_transaction {
            let added = std::mem::take(&mut self.added);
            if !self.failed {
                self.world.notes().extend(added);
            }
            self.failed = false;
        }
        self.skipping = false;
        let status = match (self.in_transaction, self.failed) {
            (false, _) => b'I',
            (true, false) => b'T',
            (true, true) => b'E',
        };
        self.message(b'Z', &[status]);
        let mut out = std::mem::take(&mut self.out);
        match fate {
            Fate::EndsAfter => {
                self.world.note("ends after", 0);
                return Ok(false);
            }
            Fate::IsCut => {
                let kept = self.world.numbers().below(out.len() as u64);
                out.truncate(kept as usize);
                self.world.note("is cut", kept);
                self.send(stream, &out).await?;
                return Ok(false);
            }
            _ => self.send(stream, &out).await?,
        }
        Ok(true)
    }

    /// Writes to the client, up to where the session is cut.
    async fn send(&mut self, stream: &mut DuplexStream, bytes: &[u8]) -> io::Result<()> {
        let Some((left, ending)) = &mut self.cut else { return stream.write_all(bytes).await };
        let kept = bytes.len().min(*left);
        *left -= kept;
        stream.write_all(&bytes[..kept]).await?;
        if kept == bytes.len() {
            return Ok(());
        }
        self.world.note_cut();
        match ending {
            Ending::Close => Err(io::ErrorKind::ConnectionAborted.into()),
            Ending::Silence => std::future::pending().await,
        }
    }

    fn fate(&self) -> Fate {
        if !self.world.happens(8) {
            return Fate::Arrives;
        }
        let fates = [Fate::EndsBefore, Fate::EndsAfter, Fate::IsCut, Fate::IsTerminated];
        fates[self.world.numbers().below(4) as usize]
    }

    /// Mostly a little; sometimes longer than anybody waits.
    fn delay(&self) -> Duration {
        let is_long = self.world.happens(4);
        self.world.numbers().millis(if is_long { 6_000 } else { 20 })
    }

    fn parse(&mut self, body: &[u8]) {
        let mut parts = body.splitn(3, |byte| *byte == 0);
        let name = parts.next().unwrap_or_default().to_vec();
        let sql = parts.next().unwrap_or_default();
        let parameters = sql.iter().filter(|byte| **byte == b'$').count() as u16;
        self.statements.insert(name, (Statement::read(sql), parameters));
        self.message(b'1', &[]);
    }

    fn bind(&mut self, body: &[u8]) {
        let mut parts = body.splitn(3, |byte| *byte == 0);
        let (_portal, name) = (parts.next(), parts.next().unwrap_or_default());
        let mut rest = parts.next().unwrap_or_default();
        let mut take = |bytes: usize| -> &[u8] {
            let (taken, left) = rest.split_at(bytes);
            rest = left;
            taken
        };
        let number =
            |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
        let formats = number(take(2));
        take(formats as usize * 2);
        let count = number(take(2));
        let values = (0..count)
            .map(|_| {
                let length = number(take(4));
                assert_eq!(length, 8, "all parameters are int8");
                number(take(8))
            })
            .collect();
        let Some((statement, _)) = self.statements.get(name) else {
            return self.error("ERROR", "26000", "there is no such statement");
        };
        self.bound = Some((*statement, values));
        self.message(b'2', &[]);
    }

    fn describe(&mut self, body: &[u8]) {
        let Some(&(statement, parameters)) = self.statements.get(&body[1..body.len() - 1]) else {
            return self.error("ERROR", "26000", "there is no such statement");
        };
        let mut message = parameters.to_be_bytes().to_vec();
        for _ in 0..parameters {
            message.extend(20_u32.to_be_bytes());
        }
        self.message(b't', &message);
        if !statement.returns_rows() {
            return self.message(b'n', &[]);
        }
        let mut message = 2_u16.to_be_bytes().to_vec();
        for (name, number) in [("id", 1_u16), ("value", 2)] {
            message.extend(name.as_bytes());
            message.push(0);
            // A column of table 16384: int8, 8 bytes, no modifier, as text until Bind says otherwise.
            message.extend(16_384_u32.to_be_bytes());
            message.extend(number.to_be_bytes());
            message.extend(20_u32.to_be_bytes());
            message.extend(8_u16.to_be_bytes());
            message.extend(u32::MAX.to_be_bytes());
            message.extend(0_u16.to_be_bytes());
        }
        self.message(b'T', &message);
    }

    fn run(&mut self, statement: Statement, values: &[i64]) {
        if self.failed && !matches!(statement, Statement::Commit | Statement::Rollback) {
            return self.error("ERROR", "25P02", "current transaction is aborted");
        }
        match (statement, values) {
            // Behind the number stands how many rows are wanted.
            (Statement::Select, &[id, _]) => {
                let found = self.added.get(&id).copied();
                let found = found.or_else(|| self.world.notes().get(&id).copied());
                if let Some(value) = found {
                    self.row(id, value);
                }
                self.complete(if found.is_some() { "SELECT 1" } else { "SELECT 0" });
            }
            (Statement::Insert { returning }, &[id, value]) => {
                if self.added.contains_key(&id) || self.world.notes().contains_key(&id) {
                    return self.error("ERROR", "23505", "duplicate key value");
                }
                self.added.insert(id, value);
                if returning {
                    self.row(id, value);
                }
                self.complete("INSERT 0 1");
            }
            (Statement::Begin, _) => {
                self.in_transaction = true;
                self.complete("BEGIN");
            }
            (Statement::Commit, _) if !self.failed => {
                self.in_transaction = false;
                self.complete("COMMIT");
            }
            (Statement::Commit | Statement::Rollback, _) => {
                self.in_transaction = false;
                self.failed = false;
                self.added.clear();
                self.complete("ROLLBACK");
            }
            (Statement::Other, _) => self.complete("DISCARD ALL"),
            (statement, values) => panic!("{statement:?} with {} values", values.len()),
        }
    }

    fn row(&mut self, id: i64, value: i64) {
        let mut message = 2_u16.to_be_bytes().to_vec();
        for value in [id, value] {
            message.extend(8_u32.to_be_bytes());
            message.extend(value.to_be_bytes());
        }
        self.message(b'D', &message);
    }

    fn complete(&mut self, tag: &str) {
        self.message(b'C', &[tag.as_bytes(), b"\0"].concat());
    }

    fn error(&mut self, severity: &str, code: &str, text: &str) {
        let mut message = Vec::new();
        for (field, value) in [(b'S', severity), (b'V', severity), (b'C', code), (b'M', text)] {
            message.push(field);
            message.extend(value.as_bytes());
            message.push(0);
        }
        message.push(0);
        self.message(b'E', &message);
        self.skipping = true;
        self.failed = true;
    }

    fn message(&mut self, tag: u8, body: &[u8]) {
        self.out.push(tag);
        self.out.extend((body.len() as u32 + 4).to_be_bytes());
        self.out.extend(body);
    }
}

/// What the server does not understand must not pass for a session that was killed.
impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.world.note_confusion();
        }
    }
}
