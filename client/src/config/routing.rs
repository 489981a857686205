//! Which of several servers to take.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// What kind of session is wanted, where several servers may be reached: libpq's `target_session_attrs`.
///
/// A server that gives another kind is left, and the next host is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetSessionAttrs {
    /// The first server that lets us in.
    #[default]
    Any,
    /// One whose transactions may write: not a standby, and `default_transaction_read_only` is off.
    ReadWrite,
    /// One whose transactions may only read.
    ReadOnly,
    /// One that is not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby; where none of the hosts is one, the first server that lets us in.
    PreferStandby,
}

/// In what order hosts, and the addresses of each, are tried: libpq's `load_balance_hosts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoadBalanceHosts {
    /// As they are given, and as the system's resolver gives them.
    #[default]
    Disable,
    /// In an order drawn anew for each connection.
    Random,
}

/// Reads and writes libpq's words.
macro_rules! words {
    ($type:ident, $name:literal, $($word:literal => $value:ident),+) => {
        impl FromStr for $type {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$value),)+
                    _ => Err(Error::new(
                        ErrorKind::Config,
                        format!(concat!($name, " is one of" $(, " ", $word)+, "; not `{}`"), word),
                    )),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$value => $word,)+
                })
            }
        }
    };
}

words!(TargetSessionAttrs, "target_session_attrs",
    "any" => Any, "read-write" => ReadWrite, "read-only" => ReadOnly, "primary" => Primary,
    "standby" => Standby, "prefer-standby" => PreferStandby);
words!(LoadBalanceHosts, "load_balance_hosts", "disable" => Disable, "random" => Random);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for word in ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] {
            assert_eq!(word.parse::<TargetSessionAttrs>().unwrap().to_string(), word);
        }
        for word in ["disable", "random"] {
            assert_eq!(word.parse::<LoadBalanceHosts>().unwrap().to_string(), word);
        }
        let error = "Random".parse::<LoadBalanceHosts>().unwrap_err();
        assert_eq!(error.to_string(), "load_balance_hosts is one of disable random; not `Random`");
    }
}
