//! Statements over lanes.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll};
use std::time::Duration;

use stellata_client::{
    ColumnError, Columns, Completion, Expect, FromRow, IntoParams, Params, Statement, Unread,
};
use tokio::time::Instant;

use crate::error::Error;
use crate::lanes::Choice;
use crate::lanes::place::Answer;
use crate::lanes::traffic::{Refused, Sharing, Traffic};
use crate::lending::Lent;
use crate::pool::Pool;
use crate::pooled::Pooled;
use crate::shared::{Shared, millis};

/// How long no connection is fetched for a further lane after one could not be had.
const REST: Duration = Duration::from_millis(500);
/// How long who finds all lanes full waits for one of them before it has a connection of its own, where there may be more.
const CROWDED: Duration = Duration::from_millis(50);

/// Why a statement that was to share a connection has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SharedError {
    /// There was no connection for it.
    Pool(Error),
    /// The statement itself, or the connection while it ran.
    Statement(stellata_client::Error),
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(error) => error.fmt(f),
            Self::Statement(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pool(error) => error.source(),
            Self::Statement(error) => error.source(),
        }
    }
}

/// Looks at the columns of a statement, once.
type Check = fn(&mut Expect<'_>) -> Result<(), ColumnError>;

/// Takes each row.
type Sink<'s> = &'s mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send);

impl Pool {
    /// Whether statements may share connections: [`PoolOptions::lanes`](crate::PoolOptions::lanes) is above 0.
    #[inline]
    #[must_use]
    pub fn has_lanes(&self) -> bool {
        self.shared.lanes.is_on()
    }

    /// How many connections are lanes now.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.shared.lanes.open() as usize
    }

    /// Runs a read on a connection that others use at the same time, and reads each row into `T`. It goes under a Sync of its
    /// own: an error of one statement does not touch the others. Without lanes it runs on a connection of its own.
    ///
    /// The statement must be a read that leaves nothing behind in the session: no transaction, no setting, no temporary
    /// table, no lock that outlives it. Its answer, when it is large or of types that are asked for first, is read on
    /// another connection, so that it may run twice.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use stellata_pool::{Config, Pool, PoolOptions};
    ///
    /// let pool = Pool::new(Config::parse("postgres://me@localhost/music")?, PoolOptions::new().lanes(4));
    /// let titles: Vec<(String,)> =
    ///     pool.query_shared("select title from albums where id = $1", (7_i64,)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SharedError::Pool`] as [`Pool::acquire`]; [`SharedError::Statement`] as
    /// [`Connection::query`](stellata_client::Connection::query). When the connection is lost, so are all statements that
    /// were in flight on it; none of them is sent again.
    ///
    /// # Cancel safety
    /// When the future is dropped the statement may run all the same, and its answer is passed over. It is not cancelled
    /// while others share its connection.
    pub async fn query_shared<T>(
        &self,
        sql: &str,
        params: impl IntoParams,
    ) -> Result<Vec<T>, SharedError>
    where
        T: for<'r> FromRow<'r> + Send,
    {
        let mut collected = Params::new();
        params
            .append_to(&mut collected)
            .map_err(|error| SharedError::Statement(stellata_client::Error::encode(error)))?;
        let mut rows = Vec::new();
        let check = <T as FromRow<'_>>::expect;
        self.run_shared(&sql, &collected, Sharing::Apart, check, &mut |columns| {
            rows.push(T::from_row(columns)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// As [`Pool::query_shared`], of a statement of any kind, with each row handed to `sink`.
    ///
    /// # Errors
    /// As [`Pool::query_shared`].
    ///
    /// # Cancel safety
    /// As [`Pool::query_shared`].
    pub async fn run_shared(
        &self,
        statement: &dyn Statement,
        params: &Params,
        sharing: Sharing,
        check: fn(&mut Expect<'_>) -> Result<(), ColumnError>,
        sink: &mut (dyn FnMut(&mut Columns<'_>) -> Result<(), ColumnError> + Send),
    ) -> Result<Completion, SharedError> {
        let shared = &self.shared;
        let mut call = Call {
            shared,
            statement,
            params,
            sharing,
            waited: false,
            since: None,
            is_alone: false,
            seat: None,
        };
        let mut again = false;
        while shared.lanes.is_on() {
            match (&mut call).await {
                Step::Answer(Answer::Rows(mut ticket, completion, rows)) => {
                    return match ticket.read(&rows, check, sink) {
                        Ok(()) => ticket.ended(Ok(completion)).map_err(SharedError::Statement),
                        Err(Unread::Failed(error)) => {
                            Err(SharedError::Statement(told(&mut ticket, error)))
                        }
                        Err(Unread::UnknownType) => {
                            shared.meter.lanes.moved();
                            break;
                        }
                    };
                }
                Step::Answer(Answer::Failed(mut ticket, error, can_heal)) => {
                    if again || !can_heal {
                        return Err(SharedError::Statement(told(&mut ticket, error)));
                    }
                    again = true;
                }
                Step::Answer(Answer::Unanswered) => {
                    shared.meter.lanes.sent_again();
                    call.sharing = Sharing::Apart;
                }
                Step::Wait => {
                    let since = *call.since.get_or_insert_with(Instant::now);
                    // Boxed: the future of a lookup need not be as large as that of waiting.
                    if !Box::pin(self.wait_for_room(since)).await.map_err(SharedError::Pool)? {
                        break;
                    }
                    call.waited = true;
                }
                Step::Failed(error) => return Err(SharedError::Statement(error)),
                Step::Answer(Answer::TooLarge) | Step::Own => {
                    shared.meter.lanes.moved();
                    break;
                }
            }
        }
        let since = call.since;
        drop(call);
        Box::pin(self.run_own(since, statement, params, check, sink)).await
    }

    /// Runs a statement on a connection of its own; it may have waited for a lane before.
    async fn run_own(
        &self,
        since: Option<Instant>,
        statement: &dyn Statement,
        params: &Params,
        check: Check,
        sink: Sink<'_>,
    ) -> Result<Completion, SharedError> {
        let lease = match since {
            None => self.acquire().await,
            Some(start) => self.acquire_since(start).await,
        };
        let mut lease = lease.map_err(SharedError::Pool)?;
        lease.run(statement, params, check, sink).await.map_err(SharedError::Statement)
    }

    /// Waits until a statement can be added to a lane, as one who came at `start`. Returns false where it is to have a
    /// connection of its own: none could be had for a lane, or all lanes are slow and there may be more connections.
    async fn wait_for_room(&self, start: Instant) -> Result<bool, Error> {
        let shared = &self.shared;
        let lanes = &shared.lanes;
        let deadline = start.checked_add(shared.options.acquire_timeout);
        let failures = lanes.failures.load(Ordering::Relaxed);
        let _waiting = Waiting::new(shared);
        let mut is_alone = false;
        loop {
            let mut told = pin!(lanes.room.notified());
            told.as_mut().enable();
            if shared.lending.is_closed() {
                return Err(Error::Closed);
            }
            if lanes.has_room() {
                return Ok(true);
            }
            if lanes.failures.load(Ordering::Relaxed) != failures {
                return Ok(false);
            }
            if lanes.has_vacancy() && !shared.open_lane() {
                return Ok(lanes.has_room());
            }
            is_alone = is_alone || !shared.look_after_lanes();
            let next = Instant::now() + CROWDED;
            let until = deadline.map_or(next, |deadline| deadline.min(next));
            if tokio::time::timeout_at(until, told).await.is_ok() {
                continue;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                shared.meter.timed_out();
                return Err(self.timed_out(start, None));
            }
            if lanes.are_all_there() && (shared.lending.idle() > 0 || !shared.is_full()) {
                return Ok(false);
            }
        }
    }
}

/// Tells a tracer of an error.
fn told(
    ticket: &mut stellata_client::LaneTicket,
    error: stellata_client::Error,
) -> stellata_client::Error {
    match ticket.ended(Err(error)) {
        Err(error) => error,
        Ok(_) => {
            stellata_client::Error::new(stellata_client::ErrorKind::Usage, "it has not failed")
        }
    }
}

/// One who waits for room.
struct Waiting<'s>(&'s Shared);

impl<'s> Waiting<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.lanes.waiting.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lanes.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What came of trying a lane.
#[allow(clippy::large_enum_variant, reason = "it is handed on once, for less than a box costs")]
enum Step {
    Answer(Answer),
    /// No lane has room.
    Wait,
    /// The statement belongs on a connection of its own.
    Own,
    /// It can't be sent.
    Failed(stellata_client::Error),
}

/// Where a statement is.
#[derive(Clone, Copy)]
struct Seat {
    lane: usize,
    place: u32,
    number: u64,
}

/// A statement on its way over a lane. It can be awaited again when it is over, and is sent once more then.
struct Call<'c> {
    shared: &'c Arc<Shared>,
    statement: &'c dyn Statement,
    params: &'c Params,
    sharing: Sharing,
    /// It was told that there is room, and does not stand back behind others who wait.
    waited: bool,
    /// Since when it has waited for a place, until it has one.
    since: Option<Instant>,
    /// No task could be had to look after the lanes, and there is no use in trying again.
    is_alone: bool,
    seat: Option<Seat>,
}

impl Future for Call<'_> {
    type Output = Step;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let Some(seat) = self.seat else { return self.enter(cx) };
        let Some(lane) = self.shared.lanes.get(seat.lane) else { return Poll::Ready(Step::Own) };
        let mut freed = 0;
        let (polled, parting) = lane.crew.poll(seat.number, cx, |traffic| {
            freed += traffic.take_freed();
            traffic.take(seat.place, seat.number)
        });
        self.shared.let_go(parting);
        self.shared.lanes.tell_of_room(freed);
        match polled {
            Poll::Ready(answer) => {
                self.seat = None;
                Poll::Ready(Step::Answer(answer))
            }
            Poll::Pending => {
                // Who did may have gone with its runtime.
                self.look_after_lanes();
                Poll::Pending
            }
        }
    }
}

impl Call<'_> {
    #[inline]
    fn look_after_lanes(&mut self) {
        self.is_alone = self.is_alone || !self.shared.look_after_lanes();
    }

    /// Adds the statement to a lane.
    fn enter(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let shared = self.shared;
        let lanes = &shared.lanes;
        if !self.waited && lanes.waiting.load(Ordering::Relaxed) > 0 {
            return Poll::Ready(Step::Wait);
        }
        let waited = std::mem::take(&mut self.waited);
        // Once for each lane that turns out to be gone.
        for _ in 0..=lanes.iter().count() {
            let index = match lanes.choose() {
                Choice::Lane { index, may_widen } => {
                    if may_widen && shared.widen() {
                        continue;
                    }
                    index
                }
                Choice::Nothing if shared.widen() => continue,
                Choice::Nothing => break,
            };
            let Some(lane) = lanes.get(index) else { break };
            let (added, parting) =
                lane.crew.add(cx, |traffic| traffic.add(self.statement, self.params, self.sharing));
            shared.let_go(parting);
            match added {
                Ok(added) => {
                    self.seat =
                        Some(Seat { lane: index, place: added.place, number: added.number });
                    if waited && let Some(since) = self.since.take() {
                        shared.meter.lent_after(since.elapsed());
                    }
                    self.look_after_lanes();
                    return Poll::Pending;
                }
                Err(Refused::Shut) => {}
                Err(Refused::Unfit) => return Poll::Ready(Step::Own),
                Err(Refused::Failed(error)) => return Poll::Ready(Step::Failed(error)),
            }
        }
        Poll::Ready(Step::Wait)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat
            && let Some(lane) = self.shared.lanes.get(seat.lane)
        {
            let forget = |traffic: &mut Traffic| {
                traffic.forget(seat.place, seat.number);
            };
            self.shared.let_go(lane.crew.leave(seat.number, forget));
        }
    }
}

impl Shared {
    /// Makes an idle connection a lane, or has one fetched. Returns whether there is a new lane now.
    #[cold]
    fn widen(self: &Arc<Self>) -> bool {
        if !self.lanes.has_vacancy() || self.lending.is_closed() {
            return false;
        }
        // A hook that is run before each lending has to be awaited.
        if self.options.before_lend.is_none()
            && let Some(lent) = self.take()
        {
            self.meter.lent_at_once();
            return self.install(lent);
        }
        if self.lanes.rest_until.load(Ordering::Relaxed) <= self.tick() {
            self.open_lane();
        }
        false
    }

    /// Has a task fetch a connection for a lane. Returns false where there is no living runtime to do it, or it is there.
    fn open_lane(self: &Arc<Self>) -> bool {
        let Some(runtime) = self.runtime() else { return false };
        let opening = Opening::new(self);
        let task = runtime.spawn(async move {
            let pool = Pool { shared: Arc::clone(&opening.0) };
            match pool.acquire().await {
                Ok(lease) => {
                    if let Some(lent) = lease.keep() {
                        pool.shared.install(lent);
                    }
                }
                Err(_) => opening.fail(),
            }
        });
        // A runtime that ends drops a task at once.
        !task.is_finished()
    }

    /// Makes a connection a lane, where one is wanted.
    fn install(self: &Arc<Self>, lent: Lent<Pooled>) -> bool {
        let now = self.tick();
        let mut lent = Some(lent);
        for lane in self.lanes.iter() {
            let Some(one) = lent.take() else { break };
            let (left, parting) = lane.crew.with(|traffic| traffic.install(one, now));
            lent = left;
            self.let_go(parting);
        }
        let is_installed = lent.is_none();
        self.let_go(lent);
        // Whoever closed the pool meanwhile has looked at the lanes before this one was there, or is seen here.
        fence(Ordering::SeqCst);
        if self.lending.is_closed() {
            self.tend_lanes();
        }
        self.yield_lane();
        is_installed
    }
}

/// A task that fetches a connection for a lane. Dropped, those who wait look again.
struct Opening(Arc<Shared>);

impl Opening {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.lanes.opening.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }

    fn fail(&self) {
        let lanes = &self.0.lanes;
        lanes.rest_until.store(self.0.tick().saturating_add(millis(REST)), Ordering::Relaxed);
        lanes.failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.lanes.opening.fetch_sub(1, Ordering::Relaxed);
        self.0.lanes.room.notify_waiters();
    }
}
