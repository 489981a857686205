//! What a tracer is told.

use std::time::Duration;

/// What a tracer is told beside the statements' text: see [`Config::with_tracing`](crate::Config::with_tracing).
///
/// Defaults: no log of slow statements; no values of parameters, since they may be anybody's secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceOptions {
    slow: Option<Duration>,
    parameters: bool,
}

impl TraceOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { slow: None, parameters: false }
    }

    /// Sets from which time on a statement is slow: it is reported by an event of the level WARN, with its text and how
    /// long it took. A batch of several is slow as a whole, since the server sends the answers together; of a COPY the time
    /// that the program takes for its data is part.
    #[must_use]
    pub const fn slow(mut self, from: Duration) -> Self {
        self.slow = Some(from);
        self
    }

    /// Sets whether the values of parameters are told.
    #[must_use]
    pub const fn parameters(mut self, told: bool) -> Self {
        self.parameters = told;
        self
    }

    pub(crate) const fn slow_from(self) -> Option<Duration> {
        self.slow
    }

    pub(crate) const fn tells_parameters(self) -> bool {
        self.parameters
    }
}
