//! What is outside of the client: the server's table, the network, the clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use stellata_client::{Config, Connection, Error, ErrorKind, Result};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::numbers::Numbers;
use crate::session::Session;

/// When something happened, in microseconds; what; and to whom.
pub(crate) type Happening = (u128, &'static str, u64);

/// The rows that the server has: values by number.
pub(crate) type Notes = BTreeMap<i64, i64>;

/// How a session ends that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its stream is closed.
    Close,
    /// Nothing more comes, and nobody says so.
    Silence,
}

/// Where the first session is cut: behind so many bytes of what the server sends.
pub(crate) type Cut = (usize, Ending);

#[derive(Debug)]
pub(crate) struct World {
    numbers: Mutex<Numbers>,
    start: Instant,
    notes: Mutex<Notes>,
    sessions: Mutex<Vec<AbortHandle>>,
    trace: Mutex<Vec<Happening>>,
    /// The server is away: it ends all sessions, and lets nobody in.
    away: AtomicBool,
    /// Nothing bad happens any more.
    calm: AtomicBool,
    /// What befalls the next session that begins.
    cut: Mutex<Option<Cut>>,
    /// Whether a session was cut.
    was_cut: AtomicBool,
    /// A client has sent what the server can't understand.
    confused: AtomicBool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            numbers: Mutex::new(Numbers::new(seed)),
            start: Instant::now(),
            notes: Mutex::default(),
            sessions: Mutex::default(),
            trace: Mutex::default(),
            away: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            cut: Mutex::default(),
            was_cut: AtomicBool::new(false),
            confused: AtomicBool::new(false),
        })
    }

    /// A world in which nothing happens by chance.
    pub(crate) fn with_cut(cut: Cut) -> Arc<Self> {
        let world = Self::new(1);
        *world.cut.lock().unwrap() = Some(cut);
        world.calm_down();
        world
    }

    pub(crate) fn take_cut(&self) -> Option<Cut> {
        self.cut.lock().unwrap().take()
    }

    pub(crate) fn note_cut(&self) {
        self.was_cut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }

    pub(crate) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap()
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    pub(crate) fn note(&self, what: &'static str, who: u64) {
        self.trace.lock().unwrap().push((self.start.elapsed().as_micros(), what, who));
    }

    pub(crate) fn take_trace(&self) -> Vec<Happening> {
        std::mem::take(&mut *self.trace.lock().unwrap())
    }

    /// Whether something bad happens, which does so many times in a hundred.
    pub(crate) fn happens(&self, times: u64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.numbers().percent(times)
    }

    pub(crate) fn note_confusion(&self) {
        self.confused.store(true, Ordering::Relaxed);
    }

    /// Nothing bad happens any more, and the server has understood everything.
    pub(crate) fn is_well(&self) -> bool {
        self.calm.load(Ordering::Relaxed) && !self.confused.load(Ordering::Relaxed)
    }

    /// Ends one session by chance, as when its process is killed.
    pub(crate) fn kill_one(&self) {
        let mut sessions = self.sessions.lock().unwrap();
        sessions.retain(|session| !session.is_finished());
        if !sessions.is_empty() {
            let one = self.numbers().below(sessions.len() as u64);
            sessions[one as usize].abort();
            self.note("killed", one);
        }
    }

    /// The server goes away, with all sessions and what they have not committed.
    pub(crate) fn go_away(&self) {
        self.away.store(true, Ordering::Relaxed);
        for session in self.sessions.lock().unwrap().drain(..) {
            session.abort();
        }
        self.note("the server goes", 0);
    }

    pub(crate) fn come_back(&self) {
        self.away.store(false, Ordering::Relaxed);
        self.note("the server is back", 0);
    }

    /// From now on nothing bad happens.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.come_back();
    }

    /// Opens a connection, or does not.
    pub(crate) async fn connect(self: Arc<Self>) -> Result<Connection> {
        let delay = self.numbers().millis(20);
        sleep(delay).await;
        if self.away.load(Ordering::Relaxed) || self.happens(5) {
            self.note("refused", 0);
            return Err(Error::new(ErrorKind::Connect, "the server is away"));
        }
        // Sometimes so few bytes at once that nothing comes in one piece.
        let capacity = 16 << self.numbers().below(9);
        let (client, server) = tokio::io::duplex(capacity);
        let session = Session::new(Arc::clone(&self));
        let serving = tokio::spawn(async move {
            // A session whose client is gone ends.
            let _ = session.serve(server).await;
        });
        self.sessions.lock().unwrap().push(serving.abort_handle());
        self.note("connected", 0);
        let config = Config::parse("postgres://me@in.memory/x?sslmode=disable&connect_timeout=2")?;
        Connection::over(client, &config).await
    }
}
