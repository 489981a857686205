//! What goes out: requests.

use crate::conversation::Conversation;
use crate::conversation::owed::Owed;
use crate::copy::CopyPiece;
use crate::error::{Error, ErrorKind, Result};
use crate::message::copy::{write_copy_data, write_copy_done, write_copy_fail};
use crate::message::extended::{
    BindHead, Target, write_bind, write_bind_execute, write_bind_formats, write_close,
    write_describe, write_execute, write_flush, write_parse, write_query, write_sync,
    write_terminate,
};
use crate::message::function::write_function_call;
use crate::message::row::Format;
use crate::oid::Oid;
use crate::types::params::Params;
use crate::wire::buffer::Buffer;

/// The size that the output buffer goes back to after a large request.
const OUTPUT_KEPT: usize = 16 * 1024;

impl Conversation {
    /// The bytes that are to be written to the server next.
    #[inline]
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_slice().get(self.written..).unwrap_or_default()
    }

    /// Says that the first `count` bytes of [`Conversation::output`] were written.
    #[inline]
    pub fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.output.len() {
            self.written = 0;
            if self.output_is_secret {
                self.output.wipe();
                self.output_is_secret = false;
            }
            // A COPY in progress fills it again at once.
            if self.output.capacity() > OUTPUT_KEPT && self.data_ended {
                self.output = Buffer::with_capacity(1024);
            } else {
                self.output.clear();
            }
        }
    }

    /// Begins a call: what is asked from here on belongs to the number returned.
    pub fn begin(&mut self) -> u64 {
        self.request = self.request.wrapping_add(1);
        self.request
    }

    /// Gives up the answers to everything asked so far. They will still come, marked as abandoned.
    pub fn abandon(&mut self) {
        self.abandoned = self.request;
    }

    /// Takes back what was asked from the call `first` on, of which nothing has been written: of the output no more than the
    /// next `keep` bytes stay.
    pub fn take_back(&mut self, first: u64, keep: usize) {
        self.queue.take_back(first);
        self.output.truncate(self.written.saturating_add(keep));
    }

    #[inline]
    fn may_ask(&self) -> Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None if self.login.is_some() => {
                Err(Error::new(ErrorKind::Usage, "the session is not logged in yet"))
            }
            None if self.ended => Err(Error::new(ErrorKind::Usage, "the session is over")),
            None => Ok(()),
        }
    }

    /// A request may be added, and no COPY waits for the end of its data: the server would take the request for it.
    #[inline]
    fn may_request(&self) -> Result<()> {
        self.may_ask()?;
        if !self.data_ended && self.queue.takes_data() == Some(true) {
            return Err(Error::new(ErrorKind::Usage, "a COPY waits for the end of its data"));
        }
        Ok(())
    }

    #[inline]
    fn ask(&mut self, owed: Owed) {
        self.queue.push(owed, self.request);
    }

    /// Asks to prepare a statement. The empty name is the unnamed statement.
    ///
    /// # Errors
    /// Of the values (see [`write_parse`]), or when the session is not ready for requests. Nothing is asked then.
    pub fn parse(&mut self, name: &str, sql: &str, types: &[Oid]) -> Result<()> {
        self.may_request()?;
        write_parse(&mut self.output, name, sql, types)?;
        self.ask(Owed::Parse);
        Ok(())
    }

    /// Asks for the parameters and columns of a statement.
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn describe_statement(&mut self, name: &str) -> Result<()> {
        self.may_request()?;
        write_describe(&mut self.output, Target::Statement(name))?;
        self.ask(Owed::DescribeStatement);
        Ok(())
    }

    /// Asks for the columns of a portal.
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn describe_portal(&mut self, portal: &str) -> Result<()> {
        self.may_request()?;
        write_describe(&mut self.output, Target::Portal(portal))?;
        self.ask(Owed::DescribeRows);
        Ok(())
    }

    /// Asks to bind parameters to a statement, in the unnamed portal.
    ///
    /// # Errors
    /// As [`Conversation::parse`]; more than 65 535 parameters are refused here.
    #[inline]
    pub fn bind(&mut self, statement: &str, params: &Params, results: Format) -> Result<()> {
        self.bind_portal("", statement, params, results)
    }

    /// Asks to bind parameters to a statement, in a portal of that name. It lives until it is closed or the transaction
    /// ends.
    ///
    /// # Errors
    /// As [`Conversation::bind`].
    #[inline]
    pub fn bind_portal(
        &mut self,
        portal: &str,
        statement: &str,
        params: &Params,
        results: Format,
    ) -> Result<()> {
        self.may_request()?;
        write_bind(&mut self.output, portal, statement, params, results)?;
        self.ask(Owed::Bind);
        Ok(())
    }

    /// As [`Conversation::bind_portal`], with the format of each result column.
    ///
    /// # Errors
    /// As [`Conversation::bind`].
    pub fn bind_formats(
        &mut self,
        portal: &str,
        statement: &str,
        params: &Params,
        results: &[Format],
    ) -> Result<()> {
        self.may_request()?;
        write_bind_formats(&mut self.output, portal, statement, params, results)?;
        self.ask(Owed::Bind);
        Ok(())
    }

    /// Asks to bind parameters to a prepared statement and to run it, all rows in binary: [`Conversation::bind`] and
    /// [`Conversation::execute`] in fewer steps.
    ///
    /// # Errors
    /// As [`Conversation::bind`].
    #[inline]
    pub fn run(&mut self, head: &BindHead, params: &Params) -> Result<()> {
        self.may_request()?;
        write_bind_execute::<false>(&mut self.output, head, params)?;
        self.ask(Owed::Run);
        Ok(())
    }

    /// Asks to run a prepared statement that is alone in its series: [`Conversation::run`] and [`Conversation::sync`] in
    /// fewer steps.
    ///
    /// # Errors
    /// As [`Conversation::bind`].
    #[inline]
    pub fn run_alone(&mut self, head: &BindHead, params: &Params) -> Result<()> {
        self.may_request()?;
        write_bind_execute::<true>(&mut self.output, head, params)?;
        self.ask(Owed::Run);
        self.ask(Owed::Sync);
        Ok(())
    }

    /// Asks to run the unnamed portal, up to `max_rows` rows (0: all).
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    #[inline]
    pub fn execute(&mut self, max_rows: u32) -> Result<()> {
        self.execute_portal("", max_rows)
    }

    /// Asks to run a portal, or to go on with it, up to `max_rows` rows (0: all).
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    #[inline]
    pub fn execute_portal(&mut self, portal: &str, max_rows: u32) -> Result<()> {
        self.may_request()?;
        write_execute(&mut self.output, portal, max_rows)?;
        self.ask(Owed::Execute { data: false });
        Ok(())
    }

    /// Asks to run the unnamed portal, a COPY FROM STDIN. [`Conversation::copy_data`] may follow at once; when the
    /// statement fails, or turns out to be another, the server passes the data over. A Sync comes after
    /// [`Conversation::copy_done`].
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn execute_copy_in(&mut self) -> Result<()> {
        self.may_request()?;
        write_execute(&mut self.output, "", 0)?;
        self.ask(Owed::Execute { data: true });
        self.data_ended = false;
        Ok(())
    }

    /// Sends a piece of data for the COPY that was asked for last. Returns false when the COPY has failed already: more
    /// data is of no use.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when no COPY takes data, or of the values as [`Conversation::parse`].
    pub fn copy_data(&mut self, data: &[u8]) -> Result<bool> {
        self.with_copy(|output| write_copy_data(output, data))
    }

    /// Sends a piece of data as [`Conversation::copy_data`] does, and empties it. Where nothing else waits to be written, it is
    /// not copied.
    ///
    /// # Errors
    /// As [`Conversation::copy_data`].
    pub fn copy_piece(&mut self, piece: &mut CopyPiece) -> Result<bool> {
        if piece.is_empty() {
            return self.with_copy(|_| Ok(()));
        }
        let sent = self.with_copy(|output| piece.hand_over(output))?;
        if !sent {
            piece.clear();
        }
        Ok(sent)
    }

    /// Ends the data of the COPY that was asked for last.
    ///
    /// # Errors
    /// As [`Conversation::copy_data`].
    pub fn copy_done(&mut self) -> Result<bool> {
        let done = self.with_copy(|output| {
            write_copy_done(output);
            Ok(())
        });
        self.data_ended = true;
        done
    }

    /// Makes the COPY that was asked for last fail, with a reason that the server repeats.
    ///
    /// # Errors
    /// As [`Conversation::copy_data`].
    pub fn copy_fail(&mut self, reason: &str) -> Result<bool> {
        let failed = self.with_copy(|output| write_copy_fail(output, reason))?;
        self.data_ended = true;
        Ok(failed)
    }

    fn with_copy(&mut self, write: impl FnOnce(&mut Buffer) -> Result<()>) -> Result<bool> {
        self.may_ask()?;
        match self.queue.takes_data() {
            Some(true) if !self.data_ended => write(&mut self.output).map(|()| true),
            None => Ok(false),
            Some(_) => Err(Error::new(ErrorKind::Usage, "no COPY takes data")),
        }
    }

    /// Asks to run a function by its OID (manual: "Function Call").
    ///
    /// # Errors
    /// As [`Conversation::query`].
    pub fn call_function(
        &mut self,
        function: Oid,
        arguments: &Params,
        result: Format,
    ) -> Result<()> {
        self.may_query()?;
        write_function_call(&mut self.output, function, arguments, result)?;
        self.ask(Owed::FunctionCall);
        Ok(())
    }

    /// Asks to forget a portal.
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn close_portal(&mut self, portal: &str) -> Result<()> {
        self.may_request()?;
        write_close(&mut self.output, Target::Portal(portal))?;
        self.ask(Owed::Close);
        Ok(())
    }

    /// Asks to forget a prepared statement.
    ///
    /// # Errors
    /// As [`Conversation::parse`].
    pub fn close_statement(&mut self, name: &str) -> Result<()> {
        self.may_request()?;
        write_close(&mut self.output, Target::Statement(name))?;
        self.ask(Owed::Close);
        Ok(())
    }

    /// Asks the server to send what it holds back, without ending the series.
    ///
    /// # Errors
    /// When the session is not ready for requests.
    pub fn flush(&mut self) -> Result<()> {
        self.may_ask()?;
        write_flush(&mut self.output);
        Ok(())
    }

    /// Ends a series of requests: one ReadyForQuery will answer it, and an error before it reaches no further.
    ///
    /// # Errors
    /// When the session is not ready for requests.
    #[inline]
    pub fn sync(&mut self) -> Result<()> {
        self.may_request()?;
        write_sync(&mut self.output);
        self.ask(Owed::Sync);
        self.data_ended = true;
        Ok(())
    }

    /// Asks to run text of one or more statements by the simple query protocol.
    ///
    /// # Errors
    /// As [`Conversation::parse`], and [`ErrorKind::Usage`] within a series that no Sync has ended: after an error the
    /// server would pass the query over.
    pub fn query(&mut self, sql: &str) -> Result<()> {
        self.may_query()?;
        write_query(&mut self.output, sql)?;
        self.ask(Owed::Query { data: false });
        Ok(())
    }

    /// Asks to run text that may hold COPY FROM STDIN, or a command of the replication protocol. After
    /// [`Event::CopyIn`](crate::Event::CopyIn) or [`Event::CopyBoth`](crate::Event::CopyBoth) data may be sent.
    ///
    /// # Errors
    /// As [`Conversation::query`].
    pub fn query_copy(&mut self, sql: &str) -> Result<()> {
        self.may_query()?;
        write_query(&mut self.output, sql)?;
        self.ask(Owed::Query { data: true });
        self.data_ended = false;
        Ok(())
    }

    fn may_query(&self) -> Result<()> {
        self.may_request()?;
        if self.queue.ends_with_sync() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Usage, "a simple query can't stand inside a series"))
        }
    }

    /// Says goodbye. Nothing can be asked any more.
    pub fn terminate(&mut self) {
        if self.may_ask().is_ok() {
            write_terminate(&mut self.output);
            self.ended = true;
        }
    }
}
