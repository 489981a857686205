//! A connection between two calls: what comes unasked, and how it ends.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use stellata_protocol::Event;
use stellata_protocol::message::Notification;

use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

impl Connection {
    /// Waits, reading, until the server says something that nobody asked for: a notification or a notice to be taken by
    /// [`Connection::pop_notification`] or [`Connection::pop_notice`], or the end of the session. It returns at once while
    /// one of them has not been taken.
    ///
    /// An idle connection learns in this way that its server has shut down, has restarted or has ended the session, at the
    /// moment when that happens and in the server's own words. A network that has gone silent without a word is found out by
    /// the probes of [`Config::with_keepalive`](crate::Config::with_keepalive), or by asking something now and then.
    ///
    /// # Errors
    /// Why the session has ended; [`Error::is_fatal`] is true.
    ///
    /// # Cancel safety
    /// Nothing is lost: what has been read stays to be taken.
    pub async fn idle(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_idle(cx)).await
    }

    /// Takes in what has come while nobody asked, without waiting: as [`Connection::is_alive`], telling why the connection
    /// can't be used any more. Calls whose futures were dropped are given up.
    ///
    /// # Errors
    /// Why the session has ended; [`Error::is_fatal`] is true.
    pub fn check(&mut self) -> Result<()> {
        self.watch(Waker::noop())
    }

    /// As [`Connection::check`], and has `waker` woken when something more comes: a notice, a notification, a report of a
    /// setting, the end of the session. Where nothing has come it costs no system call. The connection's next call puts its
    /// own waker in the place of this one, which is dropped then.
    ///
    /// This is for who looks after many connections that nobody uses, as a pool does.
    ///
    /// # Errors
    /// As [`Connection::check`].
    pub fn watch(&mut self, waker: &Waker) -> Result<()> {
        match self.poll_news(&mut Context::from_waker(waker), false) {
            Poll::Ready(ended) => ended,
            Poll::Pending => Ok(()),
        }
    }

    /// Waits for the next notification of a channel that the session listens on.
    ///
    /// This is for a connection that is looked after by its owner. [`Listener`](crate::Listener) has one of its own, opens
    /// it anew when it is lost, and tells what may have been missed.
    ///
    /// # Errors
    /// Why the session has ended; [`Error::is_fatal`] is true.
    ///
    /// # Cancel safety
    /// No notification is lost.
    pub async fn notification(&mut self) -> Result<Notification> {
        poll_fn(|cx| {
            loop {
                if let Some(notification) = self.pop_notification() {
                    return Poll::Ready(Ok(notification));
                }
                // Nobody will take notices meanwhile, and the conversation keeps the newest only.
                while self.pop_notice().is_some() {}
                match self.poll_idle(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// How many notifications were dropped because nobody took them: the newest 8192 are kept, or as many as
    /// [`Limits::notifications`](crate::Limits::notifications) says.
    #[must_use]
    pub fn dropped_notifications(&self) -> u64 {
        self.driver.conversation.dropped_notifications()
    }

    /// Sends a notification to all sessions that listen on a channel, when the transaction commits that is open, or at once
    /// where none is (manual: "NOTIFY"). Nothing is left in the session.
    ///
    /// ```no_run
    /// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
    /// connection.notify("orders", "17 is paid").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the channel's name is empty or longer than 63 bytes, or the payload than 7999;
    /// [`ErrorKind::Encode`] for a NUL in one of them.
    ///
    /// # Cancel safety
    /// When the future is dropped the notification may be sent all the same; the connection stays usable.
    pub async fn notify(&mut self, channel: &str, payload: &str) -> Result<()> {
        self.execute("select pg_catalog.pg_notify($1, $2)", (channel, payload)).await?;
        Ok(())
    }

    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_news(cx, true)
    }

    /// Reads until the session ends or, where that is wanted, until there is something to take.
    fn poll_news(&mut self, cx: &mut Context<'_>, wanted: bool) -> Poll<Result<()>> {
        if !self.is_quiet() {
            if self.is_closed() {
                return Poll::Ready(Err(Error::new(ErrorKind::Closed, "the connection is closed")));
            }
            // Nobody comes whom it could ride with.
            self.riding = None;
            if wanted {
                ready!(self.poll_settle(cx))?;
            } else if !self.pass_by(cx)? {
                return Poll::Ready(Ok(()));
            }
        }
        loop {
            match self.advance() {
                // Between two calls the server's goodbye is the only answer that comes unasked.
                Ok(Some(Event::Error)) => return Poll::Ready(Err(self.server_error(None))),
                Ok(Some(_)) => {
                    let message = "an answer came that nobody asked for";
                    let error = Error::new(ErrorKind::Protocol, message);
                    return Poll::Ready(Err(self.refuse(error)));
                }
                // The goodbye was told before, and the end of the socket may have yet to come.
                Ok(None) if self.is_closed() => {
                    return Poll::Ready(Err(Error::new(
                        ErrorKind::Closed,
                        "the connection is closed",
                    )));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.refuse(error))),
            }
            if wanted && self.driver.conversation.has_messages() {
                return Poll::Ready(Ok(()));
            }
            match self.driver.poll_fill(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
