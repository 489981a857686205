//! What only some systems have: unix sockets, and files that belong to somebody. Nothing else in this crate asks for more than
//! TCP, but for a few settings of sockets.
//!
//! `--cfg elsewhere` builds the crate on a unix system as it is on others, so that this is seen to compile.

#[cfg(all(unix, not(elsewhere)))]
mod unix;
#[cfg(not(all(unix, not(elsewhere))))]
mod without;

#[cfg(all(unix, not(elsewhere)))]
pub(crate) use unix::{UNIX_SOCKETS, UnixStream, connect, is_open_to, peer};
#[cfg(not(all(unix, not(elsewhere))))]
pub(crate) use without::{UNIX_SOCKETS, UnixStream, connect, is_open_to, peer};

/// Whom a file is not to be open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Everybody but its owner.
    All,
    /// The same; of a file that belongs to root, its group may read it.
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "only keys of certificates are such files")
    )]
    AllButRootsGroup,
}
