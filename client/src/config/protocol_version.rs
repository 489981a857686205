//! Versions of the protocol.

use std::fmt;
use std::str::FromStr;

use stellata_protocol::message::{PROTOCOL_3_0, PROTOCOL_3_2};

use crate::config::invalid;
use crate::error::{Error, Result};

/// A version of the protocol (manual, "Frontend/Backend Protocol").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// 3.0, which every server speaks.
    V3_0,
    /// 3.2, which has longer keys to cancel queries with. Servers from version 18 on speak it.
    V3_2,
}

impl ProtocolVersion {
    /// As the messages of the protocol have it.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::V3_0 => PROTOCOL_3_0,
            Self::V3_2 => PROTOCOL_3_2,
        }
    }
}

/// Reads libpq's word for it; `latest` is 3.2.
impl FromStr for ProtocolVersion {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "3.0" => Ok(Self::V3_0),
            "3.2" | "latest" => Ok(Self::V3_2),
            _ => Err(invalid(format!(
                "a version of the protocol is one of 3.0 3.2 latest; not `{word}`"
            ))),
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_0 => "3.0",
            Self::V3_2 => "3.2",
        })
    }
}
