//! What a proxy is told to do to the bytes that pass.

use std::time::Duration;

/// The way bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How a connection through a proxy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides see an orderly end of the stream.
    Close,
    /// Both sides see their connection reset (a server's unix socket is just closed).
    Reset,
    /// Nothing passes any more in either direction, and nobody is told: a cable was cut.
    Silence,
    /// The receiver sees the end of the stream; what it sends still passes.
    HalfClose,
}

/// Ends a connection after an exact number of bytes. The receiver gets those bytes, none more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub(super) direction: Direction,
    pub(super) after: u64,
    pub(super) ending: Ending,
    pub(super) always: bool,
}

impl Cut {
    /// Ends the first connection that has carried `after` bytes in this direction, counted for
    /// each connection from the moment the proxy is told, or from its start if that is later.
    pub fn new(direction: Direction, after: u64, ending: Ending) -> Cut {
        Cut { direction, after, ending, always: false }
    }

    /// Ends every such connection, not the first alone.
    #[must_use]
    pub fn always(self) -> Cut {
        Cut { always: true, ..self }
    }
}

/// Orders are numbered, so that each connection knows which of them it has not yet obeyed.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) delay_to_server: Duration,
    pub(super) delay_to_client: Duration,
    pub(super) paused: bool,
    pub(super) cut: Option<Cut>,
    pub(super) cut_number: u64,
    pub(super) sever: Option<Ending>,
    pub(super) sever_number: u64,
    pub(super) half_close: Option<Direction>,
    pub(super) half_close_number: u64,
}

impl Settings {
    pub(super) fn delay(&self, direction: Direction) -> Duration {
        match direction {
            Direction::ToServer => self.delay_to_server,
            Direction::ToClient => self.delay_to_client,
        }
    }
}
