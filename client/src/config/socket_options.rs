//! How a TCP socket finds out that the other side is gone, and how long each part of connecting may take.

use std::time::Duration;

use crate::config::defaults;
use crate::tls::TlsSettings;

/// Probes that the system sends over an idle TCP connection, so that a peer that vanished is noticed: libpq's
/// `keepalives_idle`, `keepalives_interval` and `keepalives_count`.
///
/// What is not set is the system's default (Linux: two hours, 75 s, 9 probes). Times are whole seconds, 1 at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    idle: Option<Duration>,
    interval: Option<Duration>,
    count: Option<u32>,
}

impl Keepalive {
    /// Probes with the system's times.
    #[must_use]
    pub const fn new() -> Self {
        Self { idle: None, interval: None, count: None }
    }

    /// Sets how long the connection is idle before the first probe.
    #[must_use]
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Sets how long after an unanswered probe the next is sent.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Sets how many probes may stay unanswered before the connection is given up. Not to be set on Windows.
    #[must_use]
    pub const fn with_count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// How long the connection is idle before the first probe.
    #[must_use]
    pub const fn idle(&self) -> Option<Duration> {
        self.idle
    }

    /// How long after an unanswered probe the next is sent.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// How many probes may stay unanswered.
    #[must_use]
    pub const fn count(&self) -> Option<u32> {
        self.count
    }
}

/// How long the parts of an attempt to connect may take. Whatever they are, the whole attempt ends at the limit of
/// [`Config::with_connect_timeout`](crate::Config::with_connect_timeout).
///
/// Default: no limit of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseLimits {
    reach: Option<Duration>,
    tls: Option<Duration>,
    login: Option<Duration>,
}

impl PhaseLimits {
    /// No limits of their own.
    #[must_use]
    pub const fn new() -> Self {
        Self { reach: None, tls: None, login: None }
    }

    /// Sets how long it may take to look a host's name up, and how long to reach each address: a socket that is
    /// connected.
    #[must_use]
    pub const fn with_reach(mut self, limit: Duration) -> Self {
        self.reach = Some(limit);
        self
    }

    /// Sets how long it may take to agree on TLS.
    #[must_use]
    pub const fn with_tls(mut self, limit: Duration) -> Self {
        self.tls = Some(limit);
        self
    }

    /// Sets how long the login may take, from the first message of the session to the server's readiness. It includes
    /// asking a password provider.
    #[must_use]
    pub const fn with_login(mut self, limit: Duration) -> Self {
        self.login = Some(limit);
        self
    }

    /// How long a name's look-up, and reaching an address, may take.
    #[must_use]
    pub const fn reach(&self) -> Option<Duration> {
        self.reach
    }

    /// How long it may take to agree on TLS.
    #[must_use]
    pub const fn tls(&self) -> Option<Duration> {
        self.tls
    }

    /// How long the login may take.
    #[must_use]
    pub const fn login(&self) -> Option<Duration> {
        self.login
    }
}

/// What is asked of a socket and of its encryption: all that a connection needs which does not log in, as one that cancels.
/// It holds no password.
#[derive(Clone, Debug)]
pub(crate) struct SocketSettings {
    pub(crate) connect_timeout: Duration,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) require_peer: Option<String>,
    pub(crate) tls: TlsSettings,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            connect_timeout: defaults::CONNECT_TIMEOUT,
            keepalive: Some(Keepalive::new()),
            tcp_user_timeout: None,
            require_peer: None,
            tls: TlsSettings::default(),
        }
    }
}
