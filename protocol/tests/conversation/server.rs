//! The server's side of a script: its messages, made by the crate's own writers.

use stellata_protocol::message::{
    Authentication, BackendKey, CommandTag, Notification, ParameterStatus, ServerError,
    TransactionStatus, write_data_row, write_empty, write_parameter_description,
    write_row_description,
};
use stellata_protocol::{Buffer, FieldDescription, Format, Oid, Result};

/// Messages of a server, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    bytes: Buffer,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What a server says once the login is done.
    pub(crate) fn welcome() -> Self {
        Self::new().authentication(Authentication::Ok).greeting()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    fn write(mut self, write: impl FnOnce(&mut Buffer) -> Result<()>) -> Self {
        write(&mut self.bytes).expect("a test's message can be written");
        self
    }

    /// Bytes as they are.
    pub(crate) fn raw(self, bytes: &[u8]) -> Self {
        self.write(|out| {
            out.put_slice(bytes);
            Ok(())
        })
    }

    /// A message of any type.
    pub(crate) fn message(self, tag: u8, body: &[u8]) -> Self {
        self.write(|out| {
            out.message(tag, |out| {
                out.put_slice(body);
                Ok(())
            })
        })
    }

    pub(crate) fn authentication(self, request: Authentication<'_>) -> Self {
        self.write(|out| request.write(out))
    }

    /// What follows AuthenticationOk: a setting, the key, ReadyForQuery.
    pub(crate) fn greeting(self) -> Self {
        self.parameter("server_version", "17.0").key().ready()
    }

    pub(crate) fn key(self) -> Self {
        self.write(|out| BackendKey::new(4711, &[1, 2, 3, 4])?.write(out))
    }

    pub(crate) fn parameter(self, name: &str, value: &str) -> Self {
        self.write(|out| ParameterStatus { name, value }.write(out))
    }

    pub(crate) fn notice(self, text: &str) -> Self {
        self.write(|out| {
            ServerError::write(out, b'N', &[(b'V', "NOTICE"), (b'C', "00000"), (b'M', text)])
        })
    }

    pub(crate) fn notification(self, payload: &str) -> Self {
        let notification =
            Notification { process_id: 9, channel: "news".into(), payload: payload.into() };
        self.write(|out| notification.write(out))
    }

    pub(crate) fn error(self, code: &str) -> Self {
        self.failure("ERROR", code)
    }

    pub(crate) fn fatal(self, code: &str) -> Self {
        self.failure("FATAL", code)
    }

    fn failure(self, severity: &str, code: &str) -> Self {
        let fields = [(b'S', severity), (b'V', severity), (b'C', code), (b'M', "no")];
        self.write(|out| ServerError::write(out, b'E', &fields))
    }

    pub(crate) fn ready(self) -> Self {
        self.ready_in(TransactionStatus::Idle)
    }

    pub(crate) fn ready_in(self, status: TransactionStatus) -> Self {
        self.write(|out| status.write(out))
    }

    /// A message without a body.
    pub(crate) fn empty(self, tag: u8) -> Self {
        self.write(|out| {
            write_empty(out, tag);
            Ok(())
        })
    }

    pub(crate) fn parse_complete(self) -> Self {
        self.empty(b'1')
    }

    pub(crate) fn bind_complete(self) -> Self {
        self.empty(b'2')
    }

    /// The answer to the Describe of a statement with one parameter and one column.
    pub(crate) fn described(self) -> Self {
        self.parameters(&[Oid::INT4]).columns()
    }

    pub(crate) fn parameters(self, types: &[Oid]) -> Self {
        self.write(|out| write_parameter_description(out, types))
    }

    /// A RowDescription of one column.
    pub(crate) fn columns(self) -> Self {
        let field = FieldDescription {
            name: "n".into(),
            table_oid: Oid(0),
            column_number: 0,
            type_oid: Oid::INT4,
            type_size: 4,
            type_modifier: -1,
            format: Format::Binary,
        };
        self.write(|out| write_row_description(out, &[field]))
    }

    /// A DataRow with one number.
    pub(crate) fn row(self, number: i32) -> Self {
        self.write(|out| write_data_row(out, &[Some(&number.to_be_bytes())]))
    }

    pub(crate) fn complete(self, text: &str) -> Self {
        self.write(|out| CommandTag { text }.write(out))
    }

    /// CopyInResponse (`G`) or CopyOutResponse (`H`): text, one column.
    pub(crate) fn copy(self, tag: u8) -> Self {
        self.message(tag, &[0, 0, 1, 0, 0])
    }

    pub(crate) fn copy_data(self, data: &[u8]) -> Self {
        self.message(b'd', data)
    }

    /// These messages, and then those.
    pub(crate) fn then(self, other: &Self) -> Self {
        self.raw(other.bytes())
    }

    /// All that answers [`Action::Series`](crate::action::Action::Series), with these rows.
    pub(crate) fn series(self, rows: &[i32]) -> Self {
        let answers = self.parse_complete().bind_complete().described();
        let answers = rows.iter().fold(answers, |server, row| server.row(*row));
        answers.complete("SELECT").empty(b'3').ready()
    }
}
