//! Messages (manual: "Message Formats"), each read in place and written, in both directions.
//!
//! A client needs one direction only. The other is what a scripted server, a proxy and a round-trip test are made of.
//!
//! All but the first message of a connection are a tag of one byte, an Int32 length that counts itself and not the tag, and
//! the body: [`frame`](crate::frame) finds them. What is told of each message below is its body, in the manual's notation:
//! `Int16` and `Int32` are numbers with the most significant byte first, `String` is text with a zero byte behind it, `Byte1`
//! is a byte that means itself. Counts of columns and parameters are read without sign, 0 to 65 535.
//!
//! Readers want all of a body, and no more: [`Truncated`](crate::ErrorKind::Truncated) when it ends too early,
//! [`TrailingBytes`](crate::ErrorKind::TrailingBytes) when something is left,
//! [`InvalidLength`](crate::ErrorKind::InvalidLength) for a negative length where none may be,
//! [`InvalidText`](crate::ErrorKind::InvalidText) for text that is not UTF-8. These are the errors of a malformed body.
//! Nothing is allocated by a length or a count before the bytes for it are there.

pub(crate) mod row;
pub(crate) mod startup;
pub(crate) mod authentication;
pub(crate) mod extended;
pub(crate) mod copy;
pub(crate) mod function;
pub(crate) mod notice;
pub(crate) mod status;
#[cfg(test)]
mod largest;

pub use authentication::{
    Authentication, SaslInitialResponse, read_gss_response, read_password, read_sasl_response,
    write_gss_response, write_password, write_sasl_initial_response, write_sasl_response,
};
pub use copy::{CopyResponse, read_copy_fail, write_copy_data, write_copy_done, write_copy_fail};
pub use extended::{
    Bind, BindHead, Execute, Parse, Target, read_parameter_description, read_query, write_bind,
    write_bind_execute, write_bind_formats, write_close, write_describe, write_empty,
    write_execute, write_flush, write_parameter_description, write_parse, write_query, write_sync,
    write_terminate,
};
pub use function::{
    FunctionCall, read_function_result, write_function_call, write_function_result,
};
pub use notice::{ServerError, Severity};
pub use row::{
    FieldDescription, Format, read_data_row, read_row_description, write_data_row,
    write_row_description,
};
pub use startup::{
    BackendKey, FirstMessage, NegotiateProtocolVersion, PROTOCOL_3_0, PROTOCOL_3_2, read_startup,
    write_gssenc_request, write_ssl_request, write_startup,
};
pub use status::{CommandTag, Notification, ParameterStatus, TransactionStatus};
