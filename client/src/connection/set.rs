//! A statement with settings of its own, in one round trip.

use std::task::{Context, Poll, ready};

use stellata_protocol::{Event, Params};

use crate::connection::Connection;
use crate::connection::batch::{Completion, Step, Ticket, gone};
use crate::connection::columns::{Check, Sink};
use crate::connection::query::Limited;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::statement::Statement;
use crate::statement::cache::SlotId;
#[cfg(feature = "tracing")]
use crate::trace::Watch;

/// A statement that runs with settings of its own.
pub(super) struct RunSet<'c> {
    settings: &'c Settings,
    statement: &'c dyn Statement,
    params: &'c Params,
    check: Check,
    sink: Sink<'c>,
    /// How often it may still be sent again: once for each statement that may turn out to be gone.
    tries: u8,
    asked: Option<Asked>,
}

/// The statements of a flush: what puts the settings in force, the statement, and what takes them back.
struct Asked {
    first: Ticket,
    statement: Ticket,
    last: Option<Ticket>,
    /// How many of them have been answered.
    answered: u8,
    completion: Option<Completion>,
    failed: Option<Error>,
    /// The rows wait until it is known what their types are.
    is_held: bool,
    /// All has been read.
    has_ended: bool,
    /// What tracers are told of the one that is being answered.
    #[cfg(feature = "tracing")]
    watch: Option<(Watch, u64)>,
}

impl<'c> RunSet<'c> {
    pub(super) fn new(
        settings: &'c Settings,
        statement: &'c dyn Statement,
        params: &'c Params,
        check: Check,
        sink: Sink<'c>,
    ) -> Self {
        Self { settings, statement, params, check, sink, tries: 2, asked: None }
    }

    /// Puts the flush together.
    fn ask(&self, connection: &mut Connection) -> Result<Asked> {
        // What was given up may have left a transaction open.
        let is_alone = connection.is_quiet() && connection.is_idle();
        connection.begin_batch()?;
        let (before, after) = if is_alone {
            (self.settings.until_end()?, None)
        } else {
            let [before, after] = self.settings.for_a_while(0)?;
            (before, Some(after))
        };
        let first = connection.submit(&&*before.0, &before.1)?;
        let statement = connection.submit(self.statement, self.params)?;
        let last = match &after {
            Some((sql, params)) => Some(connection.submit(&&**sql, params)?),
            None => None,
        };
        connection.sync()?;
        Ok(Asked {
            first,
            statement,
            last,
            answered: 0,
            completion: None,
            failed: None,
            is_held: false,
            has_ended: false,
            #[cfg(feature = "tracing")]
            watch: None,
        })
    }
}

impl Limited for RunSet<'_> {
    fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Completion>> {
        loop {
            let asked = match &mut self.asked {
                Some(asked) => asked,
                None => {
                    if !connection.is_quiet() {
                        ready!(connection.poll_settle(cx))?;
                    }
                    let asked = self.ask(connection)?;
                    self.asked.insert(asked)
                }
            };
            let (check, sink) = (self.check, &mut *self.sink);
            match ready!(connection.poll_set(cx, self.settings, asked, check, sink)) {
                Err(error)
                    if self.tries > 0
                        && error.can_be_healed()
                        && !connection.is_closed()
                        && connection.is_idle() =>
                {
                    self.tries -= 1;
                    self.asked = None;
                }
                Ok(completion) => return Poll::Ready(Ok(completion)),
                Err(error) => return Poll::Ready(Err(connection.fail(self.statement, error))),
            }
        }
    }

    fn slot(&self) -> Option<SlotId> {
        self.asked.as_ref().map(|asked| asked.statement.slot)
    }
}

impl Asked {
    /// The statement that is to be answered next.
    fn next(&self) -> Option<Ticket> {
        match self.answered {
            // The rest is not run, or is behind rows that are held.
            _ if self.failed.is_some() || self.is_held => None,
            0 => Some(self.first),
            1 => Some(self.statement),
            2 => self.last,
            _ => None,
        }
    }
}

impl Connection {
    /// Reads the answers to all statements of the flush, to its end.
    fn poll_set(
        &mut self,
        cx: &mut Context<'_>,
        settings: &Settings,
        asked: &mut Asked,
        check: Check,
        sink: Sink<'_>,
    ) -> Poll<Result<Completion>> {
        while let Some(ticket) = asked.next() {
            let is_it = asked.answered == 1;
            let answer = if is_it {
                ready!(self.poll_answer(cx, asked, ticket, check, sink))
            } else {
                ready!(self.poll_answer(cx, asked, ticket, |_| Ok(()), &mut |_| Ok(())))
            };
            match answer {
                Ok(completion) => {
                    if is_it {
                        asked.completion = Some(completion);
                        asked.is_held = self.discovery.holds(self.call);
                    }
                    asked.answered += 1;
                }
                Err(error) => {
                    let has_more = !matches!(error.kind(), ErrorKind::Decode) && !self.is_closed();
                    let error = if asked.answered == 0 { settings.refused(error) } else { error };
                    if !has_more {
                        return Poll::Ready(Err(error));
                    }
                    asked.failed = Some(error);
                }
            }
        }
        while !asked.has_ended {
            ready!(self.poll_end(cx, asked))?;
        }
        if let Some(error) = asked.failed.take() {
            return Poll::Ready(Err(error));
        }
        if asked.is_held {
            ready!(self.poll_look_up(cx))?;
            self.read_held(asked.statement.slot, check, sink)?;
        }
        Poll::Ready(asked.completion.ok_or_else(gone))
    }

    /// Reads the answer to one statement; with the feature `tracing`, watched.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        asked: &mut Asked,
        ticket: Ticket,
        check: Check,
        sink: Sink<'_>,
    ) -> Poll<Result<Completion>> {
        #[cfg(feature = "tracing")]
        if let Some((mut watch, group)) =
            asked.watch.take().or_else(|| self.watched.next(&self.labels))
        {
            let polled = watch
                .poll(|| self.poll_rows(cx, ticket, check, sink), |completion| completion.rows);
            match &polled {
                Poll::Pending => asked.watch = Some((watch, group)),
                Poll::Ready(Err(error)) => self.watched.fail(error, group),
                Poll::Ready(Ok(_)) => {}
            }
            return polled;
        }
        #[cfg(not(feature = "tracing"))]
        let _ = asked;
        self.poll_rows(cx, ticket, check, sink)
    }

    fn poll_rows(
        &mut self,
        cx: &mut Context<'_>,
        ticket: Ticket,
        check: Check,
        sink: Sink<'_>,
    ) -> Poll<Result<Completion>> {
        loop {
            let step = self.read_rows(ticket.slot, check, sink);
            match step.map_err(|error| self.refuse(error))? {
                Step::Wait => ready!(self.driver.poll_fill(cx))?,
                Step::Done(completion) => return Poll::Ready(Ok(completion)),
                Step::RolledBack(completion) => {
                    return Poll::Ready(self.judge(ticket.slot, completion));
                }
                Step::Failed(error) => {
                    self.note_failure(ticket.slot, &error);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Reads on towards the end of the flush.
    fn poll_end(&mut self, cx: &mut Context<'_>, asked: &mut Asked) -> Poll<Result<()>> {
        match self.advance()? {
            None => {
                if let Err(broken) = ready!(self.driver.poll_fill(cx)) {
                    return Poll::Ready(Err(broken.after(asked.failed.take())));
                }
            }
            Some(Event::Error) => {
                let error = self.server_error(None);
                if self.is_closed() {
                    return Poll::Ready(Err(error));
                }
                asked.failed = Some(error);
            }
            Some(Event::ReadyForQuery) => {
                asked.has_ended = true;
                #[cfg(feature = "tracing")]
                self.note_end(asked.failed.as_ref());
            }
            Some(_) => {}
        }
        Poll::Ready(Ok(()))
    }
}
