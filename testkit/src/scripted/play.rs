//! Plays a script over a stream of any kind.

use super::obedient::Obedient;
use super::reply::Reply;
use super::request::{Request, name};
use super::script::{Script, Step};
use crate::proxy::Ending;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a client may take to notice an orderly end, and leave.
const FAREWELL: Duration = Duration::from_secs(5);

impl Script {
    /// Plays the script over a stream, such as one end of a [`Pipe`](crate::Pipe). Returns the
    /// stream and how it is to end, where that is more than to drop it: [`Ending::Reset`].
    ///
    /// # Errors
    /// The step that was not met, and what came instead.
    ///
    /// # Cancel safety
    /// When the future is dropped the stream is dropped.
    pub async fn play<S>(self, stream: S) -> Result<(S, Ending), String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut player =
            Player { stream, tagged: false, chunk: 0, last: Vec::new(), client_left: false };
        for (number, step) in self.steps.into_iter().enumerate() {
            let what = step.to_string();
            let ending = player.play(step).await;
            let ending = ending.map_err(|why| format!("step {} ({what}): {why}", number + 1))?;
            if let Some(ending) = ending {
                return Ok((player.stream, ending));
            }
        }
        player.farewell().await;
        Ok((player.stream, Ending::Close))
    }
}

struct Player<S> {
    stream: S,
    /// The start-up is over: all messages have a type byte.
    tagged: bool,
    chunk: usize,
    last: Vec<Request>,
    /// A write has failed. Only a script that still expects something minds.
    client_left: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Player<S> {
    async fn play(&mut self, step: Step) -> Result<Option<Ending>, String> {
        match step {
            Step::Expect(tags) => self.expect(&tags).await?,
            Step::ExpectBytes(count) => {
                let read = self.stream.read_exact(&mut vec![0; count]).await;
                read.map_err(|cause| format!("{count} bytes were expected: {cause}"))?;
            }
            Step::Answer(answer) => {
                let reply = answer(&self.last)?;
                self.send(&reply).await;
            }
            Step::Chunks(bytes) => self.chunk = bytes,
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::ReadToEnd => self.read_to_end().await,
            Step::Serve => self.serve().await,
            Step::End(Ending::Close) => {
                self.farewell().await;
                return Ok(Some(Ending::Close));
            }
            Step::End(Ending::Silence) => {
                self.read_to_end().await;
                return Ok(Some(Ending::Silence));
            }
            Step::End(Ending::HalfClose) => {
                let _ = self.stream.shutdown().await;
            }
            Step::End(Ending::Reset) => return Ok(Some(Ending::Reset)),
        }
        Ok(None)
    }

    async fn next(&mut self) -> Option<Request> {
        let request = Request::read(&mut self.stream, self.tagged).await?;
        self.tagged |= request.begins_session();
        Some(request)
    }

    async fn expect(&mut self, tags: &str) -> Result<(), String> {
        self.last.clear();
        for wanted in tags.chars() {
            let request = self.next().await;
            let came = match &request {
                Some(request) if request.tag() == wanted => {
                    self.last.push(request.clone());
                    continue;
                }
                Some(request) => format!("{request:?}"),
                None => "the end of the stream".to_owned(),
            };
            let before = match self.last.as_slice() {
                [] => String::new(),
                last => format!(" after {last:?}"),
            };
            return Err(format!("{} was expected{before}; {came} came", name(wanted)));
        }
        Ok(())
    }

    async fn send(&mut self, reply: &Reply) {
        let size = if self.chunk == 0 { usize::MAX } else { self.chunk };
        for piece in reply.bytes().chunks(size) {
            if self.client_left {
                return;
            }
            let written = self.stream.write_all(piece).await;
            let flushed = self.stream.flush().await;
            self.client_left = written.is_err() || flushed.is_err();
            // The reader may take the piece before the next one comes.
            tokio::task::yield_now().await;
        }
    }

    async fn read_to_end(&mut self) {
        let mut chunk = vec![0; 64 * 1024];
        while matches!(self.stream.read(&mut chunk).await, Ok(1..)) {}
    }

    async fn serve(&mut self) {
        let mut obedient = Obedient::default();
        while let Some(request) = self.next().await.filter(|request| request.tag() != 'X') {
            let reply = obedient.answer(&request);
            self.send(&reply).await;
        }
    }

    /// Ends the stream and waits for the client's end: a socket that is dropped with something
    /// unread in it is reset, and what was sent last would be lost.
    async fn farewell(&mut self) {
        let _ = self.stream.shutdown().await;
        let _ = timeout(FAREWELL, self.read_to_end()).await;
    }
}
