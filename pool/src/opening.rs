//! Opens connections, by tasks of the pool: never by the future of who waits for one, which may be dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stellata_client::{Connection, Error, ErrorKind};
use tokio::time::Instant;

use crate::lending::{Lent, Vacancy};
use crate::pooled::Pooled;
use crate::shared::{Failure, Shared};

/// The pause after the first attempt that fails; each further one is twice as long as the one before.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause, so that a server that is back is found soon.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Shared {
    /// Has a vacancy filled, if somebody waits and nobody is known to fail at it.
    pub(crate) fn open_wanted(self: &Arc<Self>) {
        if let Some(vacancy) = self.lending.wanted() {
            self.spawn(vacancy, false);
        }
    }

    /// Has a vacancy filled if more wait than connections are being opened.
    pub(crate) fn open_overlooked(self: &Arc<Self>, catching_up: bool) {
        if self.lending.waiting() > self.opening.load(Ordering::Relaxed)
            && let Some(vacancy) = self.lending.wanted()
        {
            self.spawn(vacancy, catching_up);
        }
    }

    /// Has vacancies filled until there is the minimum, as far as there are any. While the last attempt is one that failed,
    /// there is one at a time.
    pub(crate) fn open_minimum(self: &Arc<Self>) {
        let opening = || self.opening.load(Ordering::Relaxed);
        // So often and no more: a runtime that ends drops each task at once, which leaves everything as it was.
        for _ in 0..self.options.min {
            let is_enough = self.open().saturating_add(opening()) >= self.options.min;
            if is_enough || (opening() > 0 && self.last_failure().is_some()) {
                return;
            }
            let Some(vacancy) = self.lending.vacancy() else { return };
            if !self.spawn(vacancy, false) {
                return;
            }
        }
    }

    /// Has a vacancy filled. Returns false where there is no runtime to do it.
    fn spawn(self: &Arc<Self>, vacancy: Vacancy, catching_up: bool) -> bool {
        let Some(runtime) = self.runtime() else {
            self.lending.vacate(vacancy);
            // Whoever waits does so in a runtime, and has it filled there.
            self.lending.turn_away();
            return false;
        };
        self.start_reaper(&runtime);
        runtime.spawn(Opening::new(self, vacancy, catching_up).run());
        true
    }

    /// Fills a vacancy, by a single attempt.
    pub(crate) async fn open_once(self: Arc<Self>, vacancy: Vacancy) -> Result<(), Arc<Error>> {
        let opening = Opening::new(&self, vacancy, false);
        match self.attempt().await {
            Ok(pooled) => {
                opening.succeed(pooled);
                Ok(())
            }
            Err(error) => {
                let (error, _) = opening.note_failure(error);
                opening.give_up();
                Err(error)
            }
        }
    }

    async fn attempt(&self) -> Result<Box<Pooled>, Error> {
        let generation = self.generation();
        let start = Instant::now();
        let mut connection = (self.opener)().await?;
        self.prepare(&mut connection).await?;
        self.meter.opened(start.elapsed());
        Ok(self.admit(connection, generation))
    }

    /// Runs the hook of new connections, within a limit. What it leaves in the session belongs there.
    pub(crate) async fn prepare(&self, connection: &mut Connection) -> Result<(), Error> {
        let Some(hook) = &self.options.after_connect else { return Ok(()) };
        let limit = self.options.clean_timeout;
        match tokio::time::timeout(limit, hook.run(connection)).await {
            Ok(done) => done?,
            Err(_) => {
                let message = format!("preparing a new connection took longer than {limit:?}");
                return Err(Error::new(ErrorKind::Timeout, message));
            }
        }
        connection.mark_clean();
        Ok(())
    }
}

/// A vacancy that is being filled. Dropped, it is vacant again. Where its task is dropped with its runtime, those who wait
/// look again, and have it filled in theirs.
struct Opening {
    shared: Arc<Shared>,
    vacancy: Option<Vacancy>,
    /// The attempts that are made at the same time and after one another.
    series: u32,
    /// It was tried, and is no more.
    is_over: bool,
    /// Attempts have failed, and this task is the one that tries again.
    retrying: bool,
    /// Callers came while attempts failed, who have nobody that opens a connection for them yet.
    catching_up: bool,
}

impl Opening {
    fn new(shared: &Arc<Shared>, vacancy: Vacancy, catching_up: bool) -> Self {
        if shared.opening.fetch_add(1, Ordering::Relaxed) == 0 {
            shared.series.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            shared: Arc::clone(shared),
            vacancy: Some(vacancy),
            series: shared.series.load(Ordering::Relaxed),
            is_over: false,
            retrying: false,
            catching_up,
        }
    }

    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.shared.attempt().await {
                Ok(pooled) => return self.succeed(pooled),
                Err(error) => {
                    if !self.goes_on(error) {
                        return self.give_up();
                    }
                }
            }
            // Between a half and the whole: the tasks of other pools draw other lots.
            tokio::time::sleep(self.shared.lots.shorten(pause, 2)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if !self.is_wanted() {
                return self.give_up();
            }
        }
    }

    fn succeed(mut self, pooled: Box<Pooled>) {
        let shared = Arc::clone(&self.shared);
        let catching_up = self.catching_up || self.retrying;
        let vacancy = self.vacancy.take();
        drop(self);
        if let Some(slot) = vacancy {
            shared.give(Lent { thing: pooled, slot });
        }
        // Two more each time: as many as are wanted in a few steps, and no rush on a server that has just come back.
        if catching_up {
            shared.open_overlooked(true);
            shared.open_overlooked(true);
        }
    }

    /// What to do after an attempt that failed: whether to try again.
    fn goes_on(&mut self, error: Error) -> bool {
        let (_, lasts) = self.note_failure(error);
        if lasts && self.shared.open() == 0 {
            // Nothing will come back either: whoever waits is told at once.
            self.shared.lending.turn_away();
            return false;
        }
        self.retrying = self.retrying || self.shared.lending.begin_retry();
        self.retrying && self.is_wanted()
    }

    /// Takes note of an attempt that failed; returns whether the next one will too.
    fn note_failure(&self, error: Error) -> (Arc<Error>, bool) {
        let (lasts, error) = (is_lasting(&error), Arc::new(error));
        let (at, series) = (Instant::now(), self.series);
        self.shared.note_failure(Failure { error: Arc::clone(&error), lasts, at, series });
        (error, lasts)
    }

    fn is_wanted(&self) -> bool {
        !self.shared.lending.is_closed() && self.shared.lending.is_waited_for()
    }

    fn give_up(mut self) {
        self.is_over = true;
        let shared = Arc::clone(&self.shared);
        drop(self);
        // Who came in the last moment relied on this task.
        shared.open_wanted();
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.shared.opening.fetch_sub(1, Ordering::Relaxed);
        if self.retrying {
            self.shared.lending.end_retry();
        }
        if let Some(vacancy) = self.vacancy.take() {
            self.shared.lending.vacate(vacancy);
            // Where the function that opens connections has panicked, it may do so again at once.
            if !self.is_over && !std::thread::panicking() {
                self.shared.lending.turn_away();
            }
        }
        self.shared.gone.notify_waiters();
    }
}

/// Whether the next attempt will fail as this one did: the server knows who asks for what, and refuses; or nothing could be
/// sent at all. A server that is away, starts, stops or is full may take the next.
fn is_lasting(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Config | ErrorKind::Encode | ErrorKind::Usage | ErrorKind::Authentication => {
            true
        }
        ErrorKind::Server => error.server().is_some_and(|server| {
            // Connection, transaction, resources, state, operator, system, internal.
            !matches!(server.sqlstate.class(), "08" | "40" | "53" | "55" | "57" | "58" | "XX")
        }),
        _ => false,
    }
}
