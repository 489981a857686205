//! The pool.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind};
use tokio::time::Instant;

use crate::error::{Cause, Error, Result};
use crate::lease::Lease;
use crate::meter::Reason;
use crate::opening::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::options::{PoolOptions, clamped};
use crate::shared::{Open, Shared};
use crate::status::{PoolMetrics, PoolStatus};

/// A bounded set of connections that are lent and given back. A clone is another handle of the same pool.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use stellata_pool::{Config, Pool, PoolOptions};
///
/// let pool = Pool::new(Config::parse("postgres://me@localhost/music")?, PoolOptions::new().max(8));
/// let mut connection = pool.acquire().await?;
/// let (count,): (i64,) = connection.query_one("select count(*) from albums", ()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    pub(crate) shared: Arc<Shared>,
}

impl Pool {
    /// A pool that opens its connections as they are asked for.
    #[must_use]
    pub fn new(config: Config, options: PoolOptions) -> Self {
        #[cfg(feature = "metrics")]
        let options = named_for(&config, options);
        let config = Arc::new(config);
        Self::opened_by(
            move || {
                let config = Arc::clone(&config);
                async move { Connection::connect(&config).await }
            },
            options,
        )
    }

    /// A pool whose connections are opened by a function: through a tunnel, with a password that changes, to a server that
    /// is found anew each time.
    ///
    /// ```
    /// use stellata_client::Connection;
    /// use stellata_pool::{Config, Pool, PoolOptions};
    ///
    /// let open = || async {
    ///     let config = Config::parse("postgres://me@db.internal/music")?;
    ///     // ... look up today's password
    ///     Connection::connect(&config.with_password("of today")).await
    /// };
    /// let pool = Pool::opened_by(open, PoolOptions::new());
    /// ```
    #[must_use]
    pub fn opened_by<F>(open: impl Fn() -> F + Send + Sync + 'static, options: PoolOptions) -> Self
    where
        F: Future<Output = stellata_client::Result<Connection>> + Send + 'static,
    {
        let open: Open = Box::new(move || Box::pin(open()));
        Self { shared: Arc::new(Shared::new(open, options)) }
    }

    /// Lends a connection: an idle one where there is one, else the first that comes back or is opened. Callers are served
    /// in the order in which they came.
    ///
    /// Connections are opened by tasks of the pool, one for each caller who finds none, as long as there may be more. When
    /// an attempt fails one task tries again, after pauses of 10 ms to 500 ms, until the server is back or nobody waits.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the deadline of the options passes, with the true cause. [`Error::Connect`] at once when
    /// opening a connection fails for a reason that does not mend by waiting, such as a wrong password or a database that
    /// is not there, and the pool has no other connection to wait for. [`Error::Closed`] when the pool is closed.
    ///
    /// # Cancel safety
    /// When the future is dropped its place in line is given up; what it had been given goes to the next.
    #[inline]
    pub async fn acquire(&self) -> Result<Lease> {
        match self.try_acquire() {
            Some(lease) => Ok(lease),
            None => self.acquire_in_line().await,
        }
    }

    /// Lends an idle connection, if there is one and nobody waits; opens none and waits for none.
    #[inline]
    #[must_use]
    pub fn try_acquire(&self) -> Option<Lease> {
        if self.shared.options.before_lend.is_some() {
            // It has to be awaited.
            return None;
        }
        let lent = self.shared.take()?;
        self.shared.meter.lent_at_once();
        Some(Lease::new(lent, Arc::clone(&self.shared)))
    }

    /// Waits in line, as one who has just come: until a connection comes back, or the pool's task says that it is too late.
    async fn acquire_in_line(&self) -> Result<Lease> {
        let shared = &self.shared;
        let start = Instant::now();
        if shared.options.before_lend.is_none()
            && let Some(runtime) = shared.usher()
        {
            let _passed_on = PassedOn(shared);
            let wait = shared.lending.wait(shared.deadline(start));
            // Who looks at the idle ones has those opened that are missing then.
            if !shared.is_looking() {
                shared.open_wanted();
            }
            shared.yield_lane();
            // It may have ended just before there was somebody in line.
            if shared.has_usher(runtime) {
                match wait.await {
                    Some(mut lent) => match shared.fault(&mut lent.thing) {
                        None => {
                            shared.meter.lent_after(start.elapsed());
                            return Ok(Lease::new(lent, Arc::clone(shared)));
                        }
                        Some(reason) => shared.retire(lent, reason),
                    },
                    None if start.elapsed() >= shared.options.acquire_timeout => {
                        shared.meter.timed_out();
                        return Err(self.timed_out(start, None));
                    }
                    None => {
                        if let Some(error) = self.turned_away(start) {
                            return Err(error);
                        }
                    }
                }
            }
        }
        // Boxed: the future of a lookup need not be as large as that of waiting with a timer.
        Box::pin(self.acquire_since(start)).await
    }

    /// Waits in line, as one who came at `start`.
    #[cold]
    pub(crate) async fn acquire_since(&self, start: Instant) -> Result<Lease> {
        let limit = self.shared.options.acquire_timeout;
        let mut hooked = Hooked::default();
        let acquired = match start.checked_add(limit) {
            Some(deadline) => {
                tokio::time::timeout_at(deadline, self.wait(start, &mut hooked)).await
            }
            None => Ok(self.wait(start, &mut hooked).await),
        };
        match acquired {
            Ok(Ok(lease)) => {
                self.shared.meter.lent_after(start.elapsed());
                Ok(lease)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.shared.meter.timed_out();
                Err(self.timed_out(start, Some(hooked)))
            }
        }
    }

    async fn wait(&self, start: Instant, hooked: &mut Hooked) -> Result<Lease> {
        let shared = &self.shared;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut lent = match shared.take() {
                Some(lent) => lent,
                None => {
                    let _passed_on = PassedOn(shared);
                    // Those behind in line may rely on it that no deadline in front of them is later than theirs.
                    let wait = shared.lending.wait(shared.deadline(start));
                    // Who looks at the idle ones has those opened that are missing then.
                    if !shared.is_looking() {
                        shared.open_wanted();
                    }
                    shared.yield_lane();
                    match wait.await {
                        Some(lent) => lent,
                        // The timer of this call is about to say so.
                        None if start.elapsed() >= shared.options.acquire_timeout => {
                            std::future::pending().await
                        }
                        None => match self.turned_away(start) {
                            Some(error) => return Err(error),
                            None => {
                                // Somebody has succeeded meanwhile, or a runtime has ended that did something for all.
                                tokio::task::yield_now().await;
                                continue;
                            }
                        },
                    }
                }
            };
            if let Some(reason) = shared.fault(&mut lent.thing) {
                shared.retire(lent, reason);
                continue;
            }
            let mut lease = Lease::new(lent, Arc::clone(shared));
            let Some(hook) = &shared.options.before_lend else { return Ok(lease) };
            hooked.is_under_way = true;
            let limit = shared.options.clean_timeout;
            let error = match tokio::time::timeout(limit, hook.run(&mut lease)).await {
                Ok(Ok(())) => return Ok(lease),
                Ok(Err(error)) => error,
                Err(_) => hook_hangs(),
            };
            let error = Arc::new(error);
            shared.note_hook_failure(&error);
            hooked.last = Some(error);
            lease.end(Reason::Unclean);
            // Another that is idle may do. Before a new one is opened for the next try, the server is left alone for a while.
            if shared.lending.idle() == 0 {
                tokio::time::sleep(shared.lots.shorten(pause, 2)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            hooked.is_under_way = false;
        }
    }

    /// Why who has waited since `start` was told that there will be nothing, if it is so.
    #[cold]
    fn turned_away(&self, start: Instant) -> Option<Error> {
        let shared = &self.shared;
        if shared.lending.is_closed() {
            return Some(Error::Closed);
        }
        let failure = shared.last_failure().filter(|failure| failure.lasts && failure.at >= start);
        failure.filter(|_| shared.open() == 0).map(|failure| Error::Connect(failure.error))
    }

    /// The error of who came at `start`, and what the hook before lending has to do with it.
    #[cold]
    pub(crate) fn timed_out(&self, start: Instant, hooked: Option<Hooked>) -> Error {
        let shared = &self.shared;
        let Hooked { is_under_way, last } = hooked.unwrap_or_default();
        let last = last.or_else(|| shared.hook_failure(start));
        let cause = if is_under_way {
            Cause::Failed(last.unwrap_or_else(|| Arc::new(hook_hangs())))
        } else if shared.is_full() {
            Cause::Exhausted
        } else if let Some(failure) = last.or_else(|| shared.failure()) {
            Cause::Failed(failure)
        } else {
            Cause::Opening
        };
        Error::Timeout { waited: start.elapsed(), status: self.status(), cause }
    }

    /// How the pool stands now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        self.shared.status()
    }

    /// What the pool has done so far.
    #[must_use]
    pub fn metrics(&self) -> PoolMetrics {
        self.shared.meter.read()
    }

    /// Opens connections until there is the [minimum](PoolOptions::min), all at the same time. The pool does so itself when
    /// it is used, but later, and nobody learns what went wrong.
    ///
    /// # Errors
    /// [`Error::Connect`] when one can't be opened, by a single attempt each; [`Error::Closed`].
    ///
    /// # Cancel safety
    /// When the future is dropped the connections are opened all the same.
    pub async fn warm_up(&self) -> Result<()> {
        let shared = &self.shared;
        let mut tasks = Vec::new();
        if let Some(runtime) = shared.runtime() {
            shared.start_reaper(&runtime);
        }
        for _ in shared.open()..shared.options.min {
            let Some(vacancy) = shared.lending.vacancy() else { break };
            tasks.push(tokio::spawn(Arc::clone(shared).open_once(vacancy)));
        }
        let mut failed = None;
        for task in tasks {
            // A task that is gone went with its runtime, and so does who waits here.
            if let Ok(Err(error)) = task.await {
                failed = Some(error);
            }
        }
        match failed {
            _ if shared.lending.is_closed() => Err(Error::Closed),
            Some(error) => Err(Error::Connect(error)),
            None => Ok(()),
        }
    }

    /// Sets how many connections there may be from now on, 1 at least. Where there are more, idle ones are closed at once,
    /// others when they come back.
    pub fn resize(&self, max: usize) {
        let new = clamped(max);
        let old = self.shared.max.swap(new, Ordering::AcqRel);
        if new < old {
            self.shared.lending.withhold(old - new);
            self.shared.shed();
            self.shared.tend_lanes();
        } else {
            self.shared.lending.add(new - old);
            for _ in old..new {
                if !self.shared.lending.is_waited_for() {
                    break;
                }
                self.shared.open_wanted();
            }
        }
    }

    /// Lets no connection that is open now be lent again: idle ones are closed at once, others when they come back. For
    /// when the same name leads to another server than before; a connection that the server has ended is noticed without.
    pub fn renew(&self) {
        self.shared.renew();
        self.shared.tend_lanes();
    }

    /// Closes the pool: idle connections at once, lent ones when they come back. Whoever waits gets [`Error::Closed`].
    pub fn close(&self) {
        self.shared.lending.close();
        self.shared.shed();
        self.shared.tend_lanes();
    }

    /// Whether the pool is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lending.is_closed()
    }

    /// Closes the pool and waits, for `limit` at most, until all connections have come back and are closed. Returns how
    /// many have not.
    ///
    /// # Cancel safety
    /// When the future is dropped the pool is closed all the same.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.close();
        let shared = &self.shared;
        let left = || shared.open().saturating_add(shared.moving()) as usize;
        let _ = tokio::time::timeout(limit, async {
            loop {
                let mut gone = std::pin::pin!(shared.gone.notified());
                gone.as_mut().enable();
                if left() == 0 {
                    return;
                }
                gone.await;
            }
        })
        .await;
        #[cfg(feature = "metrics")]
        shared.publish();
        left()
    }
}

/// What the hook before lending has done to a caller.
#[derive(Default)]
pub(crate) struct Hooked {
    /// It runs, or has failed and is about to be tried again.
    is_under_way: bool,
    /// How it failed last.
    last: Option<Arc<stellata_client::Error>>,
}

#[cold]
fn hook_hangs() -> stellata_client::Error {
    stellata_client::Error::new(ErrorKind::Timeout, "the hook before lending did not end in time")
}

/// Dropped behind a place in line: what one who goes away was given, and nobody else wants, is idle then, which it may not
/// stay in a pool that is closed or has too many.
struct PassedOn<'s>(&'s Arc<Shared>);

impl Drop for PassedOn<'_> {
    fn drop(&mut self) {
        if self.0.is_shedding() {
            self.0.shed();
        }
    }
}

/// The options with a name for the pool: what it connects to, where there is none.
#[cfg(feature = "metrics")]
fn named_for(config: &Config, options: PoolOptions) -> PoolOptions {
    if options.name.is_some() {
        return options;
    }
    let endpoint = config.endpoints().next().map(ToString::to_string).unwrap_or_default();
    let database = config.database().unwrap_or_else(|| config.user());
    options.name(format!("{endpoint}/{database}"))
}
