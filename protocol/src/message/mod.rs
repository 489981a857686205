//! Messages (manual: "Message Formats"), each read in place and written in both directions.

pub(crate) mod row;
