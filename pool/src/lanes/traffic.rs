//! What is under way on a lane: one connection, the statements that are in flight on it in their order, and their answers
//! until they are fetched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use stellata_client::{
    Connection, Error, Lane, LaneEvent, LaneTicket, Params, Statement, TransactionStatus,
};

use crate::lanes::crew::{Added, Served, When, Work};
use crate::lanes::place::{Answer, End, Place, Rows};
use crate::lending::Lent;
use crate::meter::LaneMeter;
use crate::pooled::Pooled;

/// The most statements in flight on a lane.
pub(crate) const MOST_IN_FLIGHT: u32 = 64;
/// The most statements under one Sync: the server keeps their answers back until it comes.
const MOST_TOGETHER: u32 = 16;
/// Where more than this waits to be written, nothing is added, in bytes.
const MOST_UNSENT: usize = 1024 * 1024;
/// While so many writes have not been answered in full, what is added waits, so that it leaves in one write when one of
/// them has been: the server has enough to do meanwhile.
const WRITES: u32 = 2;
/// How many reads are one turn.
const READS: usize = 16;

/// What a lane shows of itself: the lower, the better it is for the next statement. The lowest byte is how many are in flight.
const COUNT: u32 = 0xFF;
/// Added where the oldest statement takes long.
const SLOW: u32 = 1 << 24;
/// There is no room now.
pub(crate) const FULL: u32 = 1 << 25;
/// Its connection takes no more, and is still in use.
pub(crate) const LEAVING: u32 = u32::MAX - 1;
/// There is no connection.
pub(crate) const SHUT: u32 = u32::MAX;
/// So many statements in one write count as one that is on its way: they cost the server little more than that.
const BATCH: u32 = 8;
/// After a write of several statements, so many of a single one have to come before the next is not waited with.
const CROWD: u32 = 8;

/// How many statements are in flight on a lane that shows this.
pub(crate) const fn in_flight(shown: u32) -> u32 {
    shown & COUNT
}

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Under a Sync of its own: nothing that others send has to do with it.
    Apart,
    /// Under one Sync with others, as it comes: for reads, which can be sent again where another one fails.
    Together,
}

/// Why a statement was not added.
pub(crate) enum Refused {
    /// The lane takes no more, or its connection is gone.
    Shut,
    /// The statement belongs on a connection of its own.
    Unfit,
    /// The statement can't be sent.
    Failed(Error),
}

/// A statement that is in flight.
#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    /// Where its answer goes; `None` where nobody waits for it any more.
    place: Option<u32>,
    /// A Sync stands behind it.
    is_last: bool,
    /// It is the last of a write.
    ends_write: bool,
}

/// One connection and what is in flight on it.
pub(crate) struct Traffic {
    lent: Option<Lent<Pooled>>,
    /// What is to be given away.
    parting: Option<Lent<Pooled>>,
    flights: VecDeque<Flight>,
    places: Vec<Place>,
    free: Vec<u32>,
    /// Which of the flights is being answered.
    answering: usize,
    /// How many flights at the end have no Sync behind them yet.
    open: u32,
    /// How many flights somebody waits for.
    wanted: u32,
    /// The bytes of answers that have not been fetched.
    held: usize,
    number: u64,
    /// It takes no more.
    is_leaving: bool,
    /// Statements that were added since the last write.
    unsent: u32,
    /// How many writes have not been answered in full.
    writes: u32,
    /// The socket has not taken all of the last write.
    is_blocked: bool,
    /// So much waits to be written that nothing is added.
    is_stuffed: bool,
    /// How many places have come free that nobody was told of.
    freed: u32,
    /// What others see of it.
    load: Arc<AtomicU32>,
    slow: bool,
    /// Above 0 where statements leave together: others are likely to come soon after one. All lanes have one count.
    crowd: Arc<AtomicU32>,
    meter: Arc<LaneMeter>,
    watched: Watched,
}

/// What was seen at the last look.
#[derive(Default)]
struct Watched {
    oldest: u64,
    /// How often in a row the oldest was the same.
    times: u32,
    number: u64,
    /// The pool's clock when the newest number was another.
    since: u64,
}

impl Traffic {
    pub(crate) fn new(load: Arc<AtomicU32>, crowd: Arc<AtomicU32>, meter: Arc<LaneMeter>) -> Self {
        Self {
            lent: None,
            parting: None,
            flights: VecDeque::new(),
            places: Vec::new(),
            free: Vec::new(),
            answering: 0,
            open: 0,
            wanted: 0,
            held: 0,
            number: 0,
            is_leaving: false,
            unsent: 0,
            writes: 0,
            is_blocked: false,
            is_stuffed: false,
            freed: 0,
            load,
            slow: false,
            crowd,
            meter,
            watched: Watched::default(),
        }
    }

    /// Begins to use a connection, if there is none; returns it otherwise.
    pub(crate) fn install(&mut self, lent: Lent<Pooled>, now: u64) -> Option<Lent<Pooled>> {
        if self.lent.is_some() {
            return Some(lent);
        }
        self.lent = Some(lent);
        self.is_leaving = false;
        self.slow = false;
        self.watched = Watched { number: self.number, since: now, ..Watched::default() };
        self.show_load();
        None
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_quiet(&self) -> bool {
        self.flights.is_empty()
    }

    /// Lets what is in flight be answered, and takes no more.
    pub(crate) fn stop(&mut self) {
        self.is_leaving = true;
        self.leave_if_over();
    }

    /// The connection, to look at it.
    pub(crate) fn pooled(&mut self) -> Option<&mut Pooled> {
        self.lent.as_mut().map(|lent| &mut *lent.thing)
    }

    fn show_load(&self) {
        let count = u32::try_from(self.flights.len()).unwrap_or(COUNT).min(COUNT);
        let load = if self.lent.is_none() {
            SHUT
        } else if self.is_leaving {
            LEAVING
        } else if count >= MOST_IN_FLIGHT || self.is_stuffed {
            FULL | count
        } else {
            // First those with the least at the server; among them the one where the most wait to be written together.
            let at_server = count.saturating_sub(self.unsent) + self.unsent / BATCH;
            let rank = at_server * BATCH + (BATCH - 1 - self.unsent % BATCH);
            (if self.slow { SLOW } else { 0 }) | (rank << 8) | count
        };
        self.load.store(load, Ordering::Relaxed);
    }

    /// Adds a statement.
    pub(crate) fn add(
        &mut self,
        statement: &dyn Statement,
        params: &Params,
        sharing: Sharing,
    ) -> Result<Added, Refused> {
        let Some(lent) = &mut self.lent else { return Err(Refused::Shut) };
        if self.is_leaving || self.flights.len() >= MOST_IN_FLIGHT as usize {
            return Err(Refused::Shut);
        }
        let connection = &mut lent.thing.connection;
        if self.flights.is_empty() && !connection.is_alive() {
            self.stop();
            return Err(Refused::Shut);
        }
        let mut lane = connection.lane();
        if lane.unsent() > MOST_UNSENT {
            self.is_stuffed = true;
            self.show_load();
            return Err(Refused::Shut);
        }
        if self.open > 0 && (sharing == Sharing::Apart || self.open >= MOST_TOGETHER) {
            Self::end_group(&mut lane, &mut self.flights, &mut self.open);
        }
        let is_last = sharing == Sharing::Apart;
        let submitted = lane.submit(statement, params, self.open == 0, is_last);
        let ticket = match submitted {
            Ok(Some(ticket)) => ticket,
            Ok(None) => return Err(Refused::Unfit),
            Err(error) => {
                // What may have been added of it is answered, up to the Sync.
                self.flights.push_back(Flight {
                    number: 0,
                    place: None,
                    is_last: false,
                    ends_write: false,
                });
                self.open += 1;
                Self::end_group(&mut lane, &mut self.flights, &mut self.open);
                self.show_load();
                return Err(Refused::Failed(error));
            }
        };
        self.number += 1;
        let number = self.number;
        let place = self.place(number, ticket);
        self.flights.push_back(Flight { number, place: Some(place), is_last, ends_write: false });
        self.open = if is_last { 0 } else { self.open + 1 };
        self.wanted += 1;
        self.unsent += 1;
        self.show_load();
        let when = match self.unsent {
            _ if self.writes >= WRITES => When::WithOthers,
            1 if self.flights.len() == 1 && self.crowd.load(Ordering::Relaxed) == 0 => When::Now,
            1 => When::Soon,
            _ => When::WithOthers,
        };
        Ok(Added { number, place, when })
    }

    fn place(&mut self, number: u64, ticket: LaneTicket) -> u32 {
        let place = Place {
            number,
            ticket: Some(ticket),
            rows: Rows::new(),
            end: End::Open,
            is_over: false,
        };
        match self.free.pop() {
            Some(at) => {
                if let Some(free) = self.places.get_mut(at as usize) {
                    *free = place;
                }
                at
            }
            None => {
                self.places.push(place);
                u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    /// Puts a Sync behind what has none. Where that can't be done the session is over, and whoever reads next learns why.
    fn end_group(lane: &mut Lane<'_>, flights: &mut VecDeque<Flight>, open: &mut u32) {
        if *open > 0 {
            let _ = lane.sync();
            *open = 0;
            if let Some(last) = flights.back_mut() {
                last.is_last = true;
            }
        }
    }

    /// Takes the answer to a statement, if it is there.
    pub(crate) fn take(&mut self, at: u32, number: u64) -> Option<Answer> {
        let place = self.places.get_mut(at as usize);
        let place = place.filter(|place| place.number == number && place.is_over)?;
        let end = std::mem::replace(&mut place.end, End::Open);
        let (ticket, rows) = (place.ticket.take(), std::mem::take(&mut place.rows));
        self.clear(at, rows.len());
        Some(match (end, ticket) {
            (End::Done(completion), Some(ticket)) => Answer::Rows(ticket, completion, rows),
            (End::Failed(error, again), Some(ticket)) => Answer::Failed(ticket, error, again),
            (End::TooLarge, _) => Answer::TooLarge,
            _ => Answer::Unanswered,
        })
    }

    /// Frees a place.
    fn clear(&mut self, at: u32, held: usize) {
        self.held = self.held.saturating_sub(held);
        if let Some(place) = self.places.get_mut(at as usize) {
            place.number = 0;
        }
        self.free.push(at);
    }

    /// Gives up a statement: what comes in answer to it is passed over.
    pub(crate) fn forget(&mut self, at: u32, number: u64) {
        let place = self.places.get_mut(at as usize).filter(|place| place.number == number);
        let Some(place) = place else { return };
        let held = place.rows.len();
        (place.ticket, place.rows, place.end) = (None, Rows::new(), End::Open);
        self.clear(at, held);
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.number == number)
            && flight.place.take().is_some()
        {
            self.wanted = self.wanted.saturating_sub(1);
            self.leave_if_over();
        }
    }

    /// Gives the connection away where it takes no more, and nobody waits for what may be in flight.
    fn leave_if_over(&mut self) {
        if self.is_leaving && self.wanted == 0 {
            self.part_with_connection();
        }
        self.show_load();
    }

    fn part_with_connection(&mut self) {
        self.parting = self.lent.take().or(self.parting.take());
        self.flights.clear();
        (self.answering, self.open, self.wanted, self.unsent) = (0, 0, 0, 0);
        (self.writes, self.is_blocked, self.is_stuffed) = (0, false, false);
    }

    /// How many places have come free since this was asked last.
    #[inline]
    pub(crate) fn take_freed(&mut self) -> u32 {
        std::mem::take(&mut self.freed)
    }

    /// Takes statements again where enough has been written.
    #[cold]
    fn unstuff(&mut self) {
        let Some(lent) = &mut self.lent else { return };
        self.is_stuffed = lent.thing.connection.lane().unsent() > MOST_UNSENT;
        if !self.is_stuffed {
            self.freed += MOST_IN_FLIGHT;
        }
    }

    /// Writes what is unsent, reads what has come, and hands it on.
    fn exchange(&mut self, cx: &mut Context<'_>, served: &mut Served<'_>) -> Result<(), Error> {
        for _ in 0..READS {
            let Some(lent) = &mut self.lent else { return Ok(()) };
            if self.flights.is_empty() {
                return Ok(());
            }
            let mut lane = lent.thing.connection.lane();
            let filled = if self.writes >= WRITES && !self.is_blocked {
                lane.poll_receive(cx)
            } else {
                Self::end_group(&mut lane, &mut self.flights, &mut self.open);
                if self.unsent > 0 {
                    note_crowd(&self.crowd, self.unsent);
                    self.meter.wrote(self.unsent);
                    self.unsent = 0;
                    self.writes += 1;
                    if let Some(last) = self.flights.back_mut() {
                        last.ends_write = true;
                    }
                }
                let filled = lane.poll_fill(cx);
                self.is_blocked = lane.unsent() > 0;
                filled
            };
            match filled {
                Poll::Pending => return Ok(()),
                Poll::Ready(filled) => filled?,
            }
            self.take_in(served)?;
        }
        served.go_on_later();
        Ok(())
    }

    /// Hands on what has come.
    fn take_in(&mut self, served: &mut Served<'_>) -> Result<(), Error> {
        loop {
            let Self { lent: Some(lent), flights, places, .. } = self else { return Ok(()) };
            let connection: &mut Connection = &mut lent.thing.connection;
            let is_over = self
                .answering
                .checked_sub(1)
                .is_some_and(|before| flights.get(before).is_some_and(|before| before.is_last));
            let flight = if is_over { None } else { flights.get(self.answering).copied() };
            let mut place = flight.and_then(|flight| places.get_mut(flight.place? as usize));
            let mut lane = connection.lane();
            let ticket = place.as_mut().and_then(|place| place.ticket.as_mut());
            let Some(event) = lane.next(ticket)? else { return Ok(()) };
            match event {
                LaneEvent::Row => {
                    if let Some(place) = place {
                        place.push(lane.row(), &mut self.held);
                    }
                }
                LaneEvent::Done(completion) => {
                    if let Some(place) = place
                        && matches!(place.end, End::Open)
                    {
                        place.end = End::Done(completion);
                    }
                    self.answering += 1;
                }
                LaneEvent::Failed { error, again } => self.note_failure(is_over, error, again),
                LaneEvent::Ready => self.end_oldest_group(served),
            }
        }
    }

    /// A statement of the oldest group has failed, and those behind it are not run. All others of the group are to be sent
    /// again: they were in one transaction with it, and might be told otherwise alone.
    #[cold]
    fn note_failure(&mut self, is_over: bool, error: Error, again: bool) {
        let mut failed = Some((error, again));
        let end = self.flights.iter().position(|flight| flight.is_last);
        let end = end.map_or(self.flights.len(), |last| last + 1);
        // What fails at the Sync itself is the fault of the only one, or of nobody.
        let at_fault =
            if is_over && end > 1 { end } else { self.answering.min(end.saturating_sub(1)) };
        for (at, flight) in self.flights.iter().enumerate().take(end) {
            let Some(place) = flight.place else { continue };
            let Some(place) = self.places.get_mut(place as usize) else { continue };
            self.held = self.held.saturating_sub(place.rows.len());
            place.rows = Rows::new();
            place.end = match failed.take_if(|_| at == at_fault) {
                Some((error, again)) => End::Failed(error, again),
                None => End::Unanswered,
            };
        }
        self.answering = end;
    }

    /// The oldest group is over: its answers can be fetched.
    fn end_oldest_group(&mut self, served: &mut Served<'_>) {
        self.answering = 0;
        self.slow = false;
        let (mut answered, mut by_others) = (0_u32, 0);
        while let Some(flight) = self.flights.pop_front() {
            answered += 1;
            if let Some(at) = flight.place
                && let Some(place) = self.places.get_mut(at as usize)
            {
                if matches!(place.end, End::Open) {
                    place.end = End::Unanswered;
                }
                place.is_over = true;
                self.wanted = self.wanted.saturating_sub(1);
                by_others += u64::from(!served.is_driver(flight.number));
                served.tell(flight.number);
            }
            if flight.ends_write {
                self.writes = self.writes.saturating_sub(1);
            }
            if flight.is_last {
                break;
            }
        }
        self.freed += answered;
        self.meter.answered(answered.into(), by_others);
        let is_unchanged = self.lent.as_ref().is_some_and(|lent| {
            let connection = &lent.thing.connection;
            connection.status() == TransactionStatus::Idle && !connection.is_changed()
        });
        self.is_leaving |= !is_unchanged;
    }

    /// The connection is gone: so are all answers that have not come.
    #[cold]
    fn lose(&mut self, error: Error, served: &mut Served<'_>) {
        let mut first = Some(error);
        let mut others = None;
        for flight in std::mem::take(&mut self.flights) {
            if let Some(at) = flight.place
                && let Some(place) = self.places.get_mut(at as usize)
            {
                let error = match first.take() {
                    Some(error) => {
                        others = Some(error.for_others());
                        error
                    }
                    None => match &others {
                        Some(error) => error.for_others(),
                        None => continue,
                    },
                };
                self.held = self.held.saturating_sub(place.rows.len());
                place.rows = Rows::new();
                place.end = End::Failed(error, false);
                place.is_over = true;
                served.tell(flight.number);
            }
        }
        self.part_with_connection();
        self.show_load();
    }

    /// Notes how long the oldest statement has been running. Returns how often in a row it was the same.
    pub(crate) fn watch_oldest(&mut self) -> u32 {
        let oldest = self.flights.front().map_or(0, |flight| flight.number);
        let is_same = oldest > 0 && oldest == self.watched.oldest;
        self.watched.times = if is_same { self.watched.times.saturating_add(1) } else { 0 };
        self.watched.oldest = oldest;
        if is_same && !self.slow {
            self.slow = true;
            self.show_load();
        }
        self.watched.times
    }

    /// Whether somebody waits for anything that is in flight.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// For how long nothing was added, by the pool's clock.
    pub(crate) fn unused_for(&mut self, now: u64) -> u64 {
        if self.watched.number != self.number || !self.flights.is_empty() {
            self.watched.number = self.number;
            self.watched.since = now;
        }
        now.saturating_sub(self.watched.since)
    }
}

/// Notes how many statements leave together.
fn note_crowd(crowd: &AtomicU32, together: u32) {
    let noted = match together {
        1 => crowd.load(Ordering::Relaxed).saturating_sub(1),
        _ => CROWD,
    };
    crowd.store(noted, Ordering::Relaxed);
}

impl Work for Traffic {
    type Parting = Lent<Pooled>;

    fn go_on(&mut self, cx: &mut Context<'_>, served: &mut Served<'_>) {
        if let Err(error) = self.exchange(cx, served) {
            self.lose(error, served);
            return;
        }
        if self.is_stuffed {
            self.unstuff();
        }
        self.leave_if_over();
    }

    fn part(&mut self) -> Option<Lent<Pooled>> {
        self.parting.take()
    }
}
