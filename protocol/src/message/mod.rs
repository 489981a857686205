//! Messages (manual: "Message Formats"), each read in place and written, in both directions.
//!
//! A client needs one direction only. The other is what a scripted server, a proxy and a round-trip test are made of.

pub(crate) mod row;
pub(crate) mod startup;
pub(crate) mod authentication;
pub(crate) mod extended;
pub(crate) mod notice;
pub(crate) mod status;

pub use authentication::{
    Authentication, write_password, write_sasl_initial_response, write_sasl_response,
};
pub use extended::{
    Bind, Execute, Parse, Target, read_parameter_description, write_bind, write_close,
    write_copy_fail, write_describe, write_empty, write_execute, write_flush,
    write_parameter_description, write_parse, write_query, write_sync, write_terminate,
};
pub use notice::{ServerError, Severity};
pub use row::{
    FieldDescription, Format, read_row_description, write_data_row, write_row_description,
};
pub use startup::{
    BackendKey, NegotiateProtocolVersion, PROTOCOL_3_0, read_startup, write_startup,
};
pub use status::{CommandTag, Notification, ParameterStatus, TransactionStatus};
