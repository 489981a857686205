//! What comes in: bytes, and the events that they mean.

use crate::conversation::login::Progress;
use crate::conversation::owed::{Event, unexpected};
use crate::conversation::{Answer, Conversation};
use crate::error::{Error, ErrorKind, Result};
use crate::message::copy::{CopyResponse, write_copy_fail};
use crate::message::extended::{check_parameter_description, write_sync};
use crate::message::notice::ServerError;
use crate::message::status::{Notification, ParameterStatus, TransactionStatus};
use crate::wire::frame::{HEAD, SHORT, frame};

/// The longest message before the server has let us in, tag and length with it. An error is as long at most for libpq too.
const LOGIN: usize = SHORT + 1;

impl Conversation {
    /// Room for bytes from the server; [`Conversation::received`] says how many were put there. It is never empty.
    ///
    /// The body of the newest message is gone after this call.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        self.body = 0..0;
        self.input.space()
    }

    /// Says that `count` bytes were put into [`Conversation::space`].
    pub fn received(&mut self, count: usize) {
        self.input.received(count);
    }

    /// Takes in bytes from the server, in pieces of any length.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            if let Some(place) = space.get_mut(..count) {
                place.copy_from_slice(now);
            }
            self.received(count);
            bytes = later;
        }
    }

    /// Goes on to the next event, if all its bytes are there. `Ok(None)`: more bytes are needed.
    ///
    /// # Errors
    /// When the server breaks the protocol or a limit, or fails to prove the login. The connection is to be closed.
    #[inline]
    pub fn advance(&mut self) -> Result<Option<Answer>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.step() {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Passes over a BindComplete, if that is what comes next, what is owed, and what the caller wants: what
    /// [`Conversation::advance`] would tell by [`Event::BindComplete`], in fewer steps.
    #[inline]
    pub fn pass_bind_complete(&mut self) {
        const BIND_COMPLETE: &[u8; HEAD] = b"2\0\0\0\x04";
        if self.input.unread().first_chunk() == Some(BIND_COMPLETE)
            && self.failed.is_none()
            && self.queue.pass_bind(self.abandoned)
        {
            self.body = self.input.take(HEAD, HEAD);
        }
    }

    /// The body of the next message, if that is a whole row of the statement that is being answered and the caller wants
    /// it: what [`Conversation::advance`] would tell by [`Event::DataRow`], in fewer steps. In all other cases `None`, and
    /// nothing is passed over: ask [`Conversation::advance`].
    #[inline]
    pub fn next_row(&mut self) -> Option<&[u8]> {
        let size = self.whole(b'D')?;
        if self.queue.rows()? <= self.abandoned || self.failed.is_some() {
            return None;
        }
        self.body = self.input.take(size, HEAD);
        Some(self.body())
    }

    /// The body of the next message, if that is whole data of the COPY out that is being answered and the caller wants it:
    /// what [`Conversation::advance`] would tell by [`Event::CopyData`], in fewer steps. In all other cases `None`, and
    /// nothing is passed over.
    #[inline]
    pub fn next_copy_data(&mut self) -> Option<&[u8]> {
        let size = self.whole(b'd')?;
        if self.queue.copy_out()? <= self.abandoned || self.failed.is_some() {
            return None;
        }
        self.body = self.input.take(size, HEAD);
        Some(self.body())
    }

    /// The size of the next message, if that is one of this tag and all of it has come.
    #[inline(always)]
    fn whole(&self, tag: u8) -> Option<usize> {
        let unread = self.input.unread();
        let &[found, a, b, c, d] = unread.first_chunk()?;
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?.checked_add(1)?;
        let is_whole = (HEAD..=self.limits.message.min(unread.len())).contains(&size);
        (found == tag && is_whole).then_some(size)
    }

    /// The body of the next message, if that is the whole CommandComplete of the statement that is being answered and the
    /// caller wants it: what [`Conversation::advance`] would tell by [`Event::CommandComplete`], in fewer steps. In all
    /// other cases `None`, and nothing is passed over.
    #[inline]
    pub fn next_complete(&mut self) -> Option<&[u8]> {
        let unread = self.input.unread();
        // Tags are short: what does not fit one byte is left to the usual way.
        let &[b'C', 0, 0, 0, size] = unread.first_chunk()? else { return None };
        let size = usize::from(size).checked_add(1)?;
        let is_whole = (HEAD..=self.limits.message.min(unread.len())).contains(&size);
        if !is_whole || self.failed.is_some() || !self.queue.pop_execute(self.abandoned) {
            return None;
        }
        self.body = self.input.take(size, HEAD);
        Some(self.body())
    }

    /// Passes over a ReadyForQuery, if that is what comes next, what is owed, and what the caller wants: what
    /// [`Conversation::advance`] would tell by [`Event::ReadyForQuery`], in fewer steps. Returns whether it did.
    #[inline]
    pub fn pass_ready(&mut self) -> bool {
        let Some(&[b'Z', 0, 0, 0, 5, status]) = self.input.unread().first_chunk() else {
            return false;
        };
        let Ok(status) = TransactionStatus::read(&[status]) else { return false };
        if self.failed.is_some() || !self.queue.pop_sync(self.abandoned) {
            return false;
        }
        self.status = status;
        self.body = self.input.take(HEAD.saturating_add(1), HEAD);
        if self.queue.is_empty() {
            self.body = self.input.shrink(self.body.clone());
        }
        true
    }

    #[inline]
    fn step(&mut self) -> Result<Option<Answer>> {
        if self.login.is_some() {
            return self.login_step();
        }
        while let Some(frame) = frame(self.input.unread(), self.limits.message)? {
            self.body = self.input.take(frame.size, HEAD);
            if matches!(frame.tag, b'E' | b'N' | b'A' | b'S') {
                if let Some(answer) = self.aside(frame.tag)? {
                    return Ok(Some(answer));
                }
                continue;
            }
            let (event, request) = self.queue.answer(frame.tag)?;
            match event {
                Event::ReadyForQuery => {
                    self.status = TransactionStatus::read(self.body())?;
                    if self.queue.is_empty() {
                        self.body = self.input.shrink(self.body.clone());
                    }
                }
                // Rows and ends of commands are read by whoever asked for them.
                Event::DataRow | Event::CopyData | Event::CommandComplete => {}
                event => self.check_body(event)?,
            }
            return Ok(Some(self.answer(event, request)));
        }
        Ok(None)
    }

    /// The next event of the login, which ends with one.
    ///
    /// A message that has no place there is refused by its head, and before the server has let us in every message is
    /// short: nothing is held for who is not known yet.
    #[cold]
    #[inline(never)]
    fn login_step(&mut self) -> Result<Option<Answer>> {
        loop {
            let is_logged_in = self.is_logged_in();
            let limit = self.limits.message;
            let limit = if is_logged_in { limit } else { limit.min(LOGIN) };
            let unread = self.input.unread();
            let found = frame(unread, limit)?;
            if let Some(&[tag, ..]) = unread.first_chunk::<HEAD>() {
                let is_legal = match tag {
                    b'R' | b'E' | b'N' => true,
                    b'K' | b'S' | b'A' | b'Z' => is_logged_in,
                    b'v' => !is_logged_in,
                    _ => false,
                };
                if !is_legal {
                    return Err(unexpected(tag));
                }
            }
            let Some(frame) = found else { return Ok(None) };
            self.body = self.input.take(frame.size, HEAD);
            if let Some(answer) = self.aside(frame.tag)? {
                return Ok(Some(answer));
            }
        }
    }

    /// Holds the body of a message against what its type can have, where that can be told without reading it: what has
    /// another length is a sign that the two sides no longer agree where messages begin.
    #[inline(never)]
    fn check_body(&mut self, event: Event) -> Result<()> {
        let body = self.body();
        match event {
            Event::ParseComplete
            | Event::BindComplete
            | Event::CloseComplete
            | Event::NoData
            | Event::EmptyQuery
            | Event::PortalSuspended
            | Event::CopyDone => {
                if body.is_empty() {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::TrailingBytes, "a message that has no body has one"))
            }
            Event::ParameterDescription => check_parameter_description(body),
            Event::CopyIn | Event::CopyOut | Event::CopyBoth => CopyResponse::read(body).map(drop),
            Event::CopyInRefused => {
                CopyResponse::read(body)?;
                self.refuse_copy_in()
            }
            _ => Ok(()),
        }
    }

    /// A message outside the order of requests and answers. Apart, so that the way of the others is short.
    #[inline(never)]
    fn aside(&mut self, tag: u8) -> Result<Option<Answer>> {
        match tag {
            b'E' => return self.error_response().map(Some),
            b'N' => {
                let notice = self.server_error()?;
                let (held, limits) = (notice.held(), self.limits);
                let dropped = self.notices.push(notice, held, limits.notices, limits.notice_bytes);
                self.dropped = self.dropped.saturating_add(dropped);
            }
            // Before that nobody can have asked for them.
            b'A' if self.is_logged_in() => {
                let notification = Notification::read(self.body())?;
                let (held, limits) = (notification.held(), self.limits);
                let (most, most_bytes) = (limits.notifications, limits.notification_bytes);
                let dropped = self.notifications.push(notification, held, most, most_bytes);
                self.dropped_notifications = self.dropped_notifications.saturating_add(dropped);
            }
            b'S' if self.is_logged_in() => self.parameter_status()?,
            _ if self.login.is_some() => {
                let event = self.login_message(tag)?;
                return Ok(event.map(|event| self.answer(event, 0)));
            }
            _ => return Err(unexpected(tag)),
        }
        Ok(None)
    }

    /// Whether the server has let us in.
    fn is_logged_in(&self) -> bool {
        self.login.as_ref().is_none_or(|login| login.is_logged_in())
    }

    #[inline]
    fn answer(&self, event: Event, request: u64) -> Answer {
        Answer { event, request, abandoned: request <= self.abandoned && request > 0 }
    }

    #[cold]
    fn error_response(&mut self) -> Result<Answer> {
        let error = ServerError::read(self.body())?;
        if error.ends_session() {
            self.ended = true;
        }
        if let Some(login) = self.login.as_mut() {
            login.refuse();
            self.ended = true;
        }
        if let Some(request) = self.queue.fail() {
            return Ok(self.answer(Event::Error, request));
        }
        if self.ended {
            // The server may end an idle session at any time; it concerns whoever uses the session next.
            return Ok(Answer { event: Event::Error, request: self.request, abandoned: false });
        }
        Err(Error::new(ErrorKind::UnexpectedMessage, "an error came that answers no request"))
    }

    fn login_message(&mut self, tag: u8) -> Result<Option<Event>> {
        let Some(login) = self.login.as_mut() else {
            return Err(unexpected(tag));
        };
        let body = self.input.at(self.body.clone());
        let unsent = self.output.len();
        let progress = login.handle(tag, body, self.version, &mut self.output);
        // All that is answered proves something.
        self.output_is_secret |= self.output.len() != unsent;
        match progress? {
            Progress::Goes => Ok(None),
            Progress::NeedsKeys => Ok(Some(Event::KeyDerivation)),
            Progress::NeedsPassword => Ok(Some(Event::Password)),
            Progress::NeedsToken => Ok(Some(Event::BearerToken)),
            Progress::Key(key) => {
                self.key = Some(key);
                Ok(None)
            }
            Progress::Version(version, options) => {
                self.version = version;
                self.unknown_options = options;
                Ok(None)
            }
            Progress::Done(status) => {
                self.status = status;
                self.login = None;
                self.queue.finish_login();
                Ok(Some(Event::ReadyForQuery))
            }
        }
    }

    fn parameter_status(&mut self) -> Result<()> {
        let range = self.body.clone();
        let status = ParameterStatus::read(self.input.at(range))?;
        // Each is noted once, so that there are never more changes than settings.
        if self.login.is_none()
            && self.parameters.get(status.name) != Some(status.value)
            && !self.changed.iter().any(|name| **name == *status.name)
        {
            self.changed.push_back(status.name.into());
        }
        self.parameters.set(&status, self.limits.parameters)
    }

    /// Ends a COPY that waits for data which nobody has.
    ///
    /// While a server waits for data it passes over every Sync, so that those which were sent already are lost: each is
    /// sent again behind the CopyFail, and the count of ReadyForQuery stays right.
    #[cold]
    fn refuse_copy_in(&mut self) -> Result<()> {
        write_copy_fail(&mut self.output, "no data was given for COPY FROM STDIN")?;
        for _ in 0..self.queue.syncs_behind() {
            write_sync(&mut self.output);
        }
        Ok(())
    }

    /// The body of the message of the newest event, without tag and length.
    ///
    /// It stays until [`Conversation::space`] or [`Conversation::advance`] is called.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.input.at(self.body.clone())
    }

    /// The error of the newest event, when that is [`Event::Error`].
    ///
    /// Where the login has sent a password or token as it is, texts that hold it are left out.
    ///
    /// # Errors
    /// When the message is malformed.
    pub fn server_error(&self) -> Result<ServerError> {
        let mut error = ServerError::read(self.body())?;
        if let Some(login) = &self.login {
            login.hide_shown(&mut error);
        }
        Ok(error)
    }
}
