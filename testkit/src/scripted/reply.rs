//! Messages as a server writes them
//! ([manual, 55.7](https://www.postgresql.org/docs/current/protocol-message-formats.html)).

/// A column of a RowDescription, of no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    type_oid: u32,
    format: i16,
}

impl Column {
    /// A column whose values come in binary.
    pub fn new(name: impl Into<String>, type_oid: u32) -> Column {
        Column { name: name.into(), type_oid, format: 1 }
    }

    /// The same column with another format code: 0 is text, 1 is binary, all others are wrong.
    #[must_use]
    pub fn format(self, format: i16) -> Column {
        Column { format, ..self }
    }
}

/// Bytes for a client: messages that a server may send, and whatever else one would like to.
///
/// ```
/// use stellata_testkit::Reply;
///
/// let reply = Reply::new().complete("SELECT 0").ready('I');
/// assert_eq!(reply.bytes(), b"C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    bytes: Vec<u8>,
}

impl Reply {
    /// Nothing yet.
    pub fn new() -> Reply {
        Reply::default()
    }

    /// What ends a login: AuthenticationOk and [`Reply::session`].
    pub fn logged_in() -> Reply {
        Reply::new().authentication(0, b"").then(Reply::session())
    }

    /// What follows AuthenticationOk: a few settings, the key for cancel requests and
    /// ReadyForQuery.
    pub fn session() -> Reply {
        Reply::new()
            .parameter("server_version", "15.0 (scripted)")
            .parameter("client_encoding", "UTF8")
            .parameter("standard_conforming_strings", "on")
            .backend_key(4711, &[1, 2, 3, 4])
            .ready('I')
    }

    /// The answer to Parse, Describe (of the statement), Bind and Execute of a statement without
    /// parameters, without the ReadyForQuery of the Sync.
    pub fn rows(columns: &[Column], rows: &[&[Option<&[u8]>]]) -> Reply {
        let reply = Reply::described(columns).bind_complete();
        let reply = rows.iter().fold(reply, |reply, row| reply.row(row));
        reply.complete(&format!("SELECT {}", rows.len()))
    }

    /// The answer to Parse and Describe of a statement without parameters.
    pub fn described(columns: &[Column]) -> Reply {
        Reply::new().parse_complete().parameter_types(&[]).columns(columns)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds what another reply holds.
    #[must_use]
    pub fn then(self, other: Reply) -> Reply {
        self.raw(&other.bytes)
    }

    /// Adds bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Reply {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds a message with the length that it has.
    #[must_use]
    pub fn message(self, tag: char, body: &[u8]) -> Reply {
        // Nobody scripts a message of 2 GiB.
        self.lying(tag, body.len() as i32 + 4, body)
    }

    /// Adds a message with any length in its head.
    #[must_use]
    pub fn lying(self, tag: char, length: i32, body: &[u8]) -> Reply {
        self.raw(&[tag as u8]).raw(&length.to_be_bytes()).raw(body)
    }

    /// Adds an authentication request: its code, and what follows it.
    #[must_use]
    pub fn authentication(self, code: i32, data: &[u8]) -> Reply {
        self.message('R', &[&code.to_be_bytes(), data].concat())
    }

    /// Adds a ParameterStatus.
    #[must_use]
    pub fn parameter(self, name: &str, value: &str) -> Reply {
        self.message('S', &strings(&[name, value]))
    }

    /// Adds a BackendKeyData.
    #[must_use]
    pub fn backend_key(self, process: i32, secret: &[u8]) -> Reply {
        self.message('K', &[&process.to_be_bytes(), secret].concat())
    }

    /// Adds a ReadyForQuery: `I` idle, `T` in a transaction, `E` in a failed one.
    #[must_use]
    pub fn ready(self, status: char) -> Reply {
        self.message('Z', &[status as u8])
    }

    /// Adds a ParseComplete.
    #[must_use]
    pub fn parse_complete(self) -> Reply {
        self.message('1', b"")
    }

    /// Adds a BindComplete.
    #[must_use]
    pub fn bind_complete(self) -> Reply {
        self.message('2', b"")
    }

    /// Adds a CloseComplete.
    #[must_use]
    pub fn close_complete(self) -> Reply {
        self.message('3', b"")
    }

    /// Adds a NoData.
    #[must_use]
    pub fn no_data(self) -> Reply {
        self.message('n', b"")
    }

    /// Adds a ParameterDescription.
    #[must_use]
    pub fn parameter_types(self, types: &[u32]) -> Reply {
        let mut body = count(types.len());
        types.iter().for_each(|oid| body.extend_from_slice(&oid.to_be_bytes()));
        self.message('t', &body)
    }

    /// Adds a RowDescription.
    #[must_use]
    pub fn columns(self, columns: &[Column]) -> Reply {
        let mut body = count(columns.len());
        for column in columns {
            body.extend_from_slice(&strings(&[&column.name]));
            body.extend_from_slice(&[0; 6]);
            body.extend_from_slice(&column.type_oid.to_be_bytes());
            body.extend_from_slice(&[255; 6]);
            body.extend_from_slice(&column.format.to_be_bytes());
        }
        self.message('T', &body)
    }

    /// Adds a DataRow; `None` is NULL.
    #[must_use]
    pub fn row(self, values: &[Option<&[u8]>]) -> Reply {
        let mut body = count(values.len());
        for value in values {
            let length = value.map_or(-1, |value| value.len() as i32);
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(value.unwrap_or_default());
        }
        self.message('D', &body)
    }

    /// Adds a CommandComplete.
    #[must_use]
    pub fn complete(self, tag: &str) -> Reply {
        self.message('C', &strings(&[tag]))
    }

    /// Adds an ErrorResponse.
    #[must_use]
    pub fn error(self, severity: &str, code: &str, message: &str) -> Reply {
        self.message('E', &fields(severity, code, message))
    }

    /// Adds a NoticeResponse.
    #[must_use]
    pub fn notice(self, message: &str) -> Reply {
        self.message('N', &fields("NOTICE", "00000", message))
    }

    /// Adds a NotificationResponse.
    #[must_use]
    pub fn notification(self, process: i32, channel: &str, payload: &str) -> Reply {
        self.message('A', &[&process.to_be_bytes()[..], &strings(&[channel, payload])].concat())
    }

    /// Adds a CopyInResponse (`G`), CopyOutResponse (`H`) or CopyBothResponse (`W`) for text.
    #[must_use]
    pub fn copy(self, tag: char, columns: usize) -> Reply {
        let mut body = vec![0];
        body.extend_from_slice(&count(columns));
        body.resize(3 + 2 * columns, 0);
        self.message(tag, &body)
    }

    /// Adds a CopyData.
    #[must_use]
    pub fn copy_data(self, data: &[u8]) -> Reply {
        self.message('d', data)
    }

    /// Adds a CopyDone.
    #[must_use]
    pub fn copy_done(self) -> Reply {
        self.message('c', b"")
    }
}

/// Texts with a zero byte behind each.
fn strings(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| text.bytes().chain([0])).collect()
}

fn fields(severity: &str, code: &str, message: &str) -> Vec<u8> {
    let fields = [format!("S{severity}"), format!("V{severity}"), format!("C{code}")];
    let mut body = strings(&fields.each_ref().map(String::as_str));
    body.extend_from_slice(&strings(&[&format!("M{message}"), ""]));
    body
}

/// An Int16 count; a script that has more gets what is left of it, which is wrong on purpose.
fn count(count: usize) -> Vec<u8> {
    (count as u16).to_be_bytes().to_vec()
}
