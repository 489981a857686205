//! A server that goes away behind any of its messages: the call ends in time, the connection is let go, the pool has another.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use stellata_client::{Connection, Error};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Direction, Ending, Pipe, Recording, with_database};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Builder;
use tokio::time::{Instant, timeout};

use super::conversations::all;
use super::recording::{config, record};
use super::workflow::Workflow;

/// How long the login may take, how long the caller waits, and how long a connection may be cleaned.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);
const CLEAN_LIMIT: Duration = Duration::from_secs(1);

/// A client's end of a pipe that is reset, or closed, when its server is gone.
struct Mortal {
    stream: Pipe,
    is_reset: bool,
}

impl AsyncRead for Mortal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        match read {
            Poll::Ready(Ok(())) if self.is_reset && into.filled().len() == before => {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            read => read,
        }
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Plays the server's side up to `end` bytes, and then is silent or gone. `_here` is held until the client has closed.
async fn serve(
    mut stream: Pipe,
    recording: Arc<Recording>,
    mut end: usize,
    is_silent: bool,
    _here: Arc<()>,
) -> io::Result<()> {
    let mut asked = vec![0; 64 * 1024];
    for (direction, bytes) in recording.pieces() {
        if direction == Direction::ToServer {
            stream.read_exact(&mut asked[..bytes.len()]).await?;
            continue;
        }
        let piece = &bytes[..end.min(bytes.len())];
        stream.write_all(piece).await?;
        end -= piece.len();
        if piece.len() < bytes.len() {
            break;
        }
    }
    while is_silent && stream.read(&mut asked).await? > 0 {}
    Ok(())
}

/// Where the server's messages end, in bytes from its first; and where it stood before the first.
fn boundaries(recording: &Recording) -> Vec<usize> {
    let bytes = recording.bytes(Direction::ToClient);
    // A server that does not encrypt says so in a byte that is no message.
    let first = recording.pieces().find(|piece| piece.0 == Direction::ToClient).unwrap().1;
    let (mut all, mut at) = (vec![0], 0);
    if first.len() == 1 {
        at = 1;
        all.push(at);
    }
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap());
        at += 1 + usize::try_from(length).unwrap();
        all.push(at);
    }
    assert_eq!(at, bytes.len());
    all
}

/// A recorded session with the server, of which the first one is cut off.
struct Life {
    url: String,
    workflow: Workflow,
    recording: Arc<Recording>,
    end: usize,
    ending: Ending,
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Value(String),
    Failed,
    GivenUp,
}

impl Life {
    /// A pool whose first connection ends as it is said, and all others are whole. `here` counts the sockets.
    fn pool(&self, here: &Arc<()>) -> Pool {
        let (recording, here) = (Arc::clone(&self.recording), Arc::clone(here));
        let (end, ending) = (self.end, self.ending);
        let config = config(&self.url).with_connect_timeout(CONNECT_LIMIT);
        let opened = Arc::new(AtomicUsize::new(0));
        let open = move || {
            let is_first = opened.fetch_add(1, Ordering::Relaxed) == 0;
            let (client, server) = Pipe::pair(64 * 1024);
            let end = if is_first { end } else { usize::MAX };
            let is_silent = is_first && ending == Ending::Silence;
            let recording = Arc::clone(&recording);
            tokio::spawn(serve(server, recording, end, is_silent, Arc::clone(&here)));
            let is_reset = is_first && ending == Ending::Reset;
            let stream = Mortal { stream: client, is_reset };
            let config = config.clone();
            async move { Connection::over(stream, &config).await }
        };
        let options = PoolOptions::new()
            .max(1)
            .acquire_timeout(PATIENCE)
            .clean_timeout(CLEAN_LIMIT)
            .seed(self.end as u64);
        Pool::opened_by(open, options)
    }

    /// Runs the workflow on a connection of the pool, for as long as the caller has patience.
    async fn run(&self, pool: &Pool) -> Outcome {
        let ran = timeout(PATIENCE, async {
            let mut lease = pool.acquire().await.unwrap();
            let ran: Result<String, Error> = (self.workflow)(&mut lease).await;
            if let Err(error) = &ran {
                assert!(error.is_fatal(), "{error:?}");
                assert!(lease.is_closed(), "{error:?}");
            }
            ran
        });
        match ran.await {
            Ok(Ok(value)) => Outcome::Value(value),
            Ok(Err(_)) => Outcome::Failed,
            Err(_) => Outcome::GivenUp,
        }
    }

    /// What came of the first call, after which all is well again.
    async fn live(&self, wanted: &str) -> Outcome {
        let here = Arc::new(());
        let pool = self.pool(&here);
        let start = Instant::now();
        let first = self.run(&pool).await;
        let took = start.elapsed();
        match &first {
            Outcome::Value(value) => assert_eq!(value, wanted),
            Outcome::Failed => assert!(self.ending != Ending::Silence, "nobody has said so"),
            Outcome::GivenUp => assert!(self.ending == Ending::Silence, "it hangs"),
        }
        // Where the login was silent another one took its place; else an end is told at once.
        let limit = if self.ending == Ending::Silence { PATIENCE } else { CONNECT_LIMIT };
        assert!(took <= limit, "{took:?}");

        // Whoever comes next has a connection that works: but where the first had all that it wanted, nobody knows yet that
        // its server is silent.
        let mut second = self.run(&pool).await;
        if second == Outcome::GivenUp && matches!(first, Outcome::Value(_)) {
            assert_eq!(self.ending, Ending::Silence);
            second = self.run(&pool).await;
        }
        assert_eq!(second, Outcome::Value(wanted.to_owned()));
        assert_eq!(pool.drain(CLEAN_LIMIT * 2).await, 0);
        assert_eq!((pool.status().lent, pool.status().opening), (0, 0));
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(pool);
        assert_eq!(Arc::strong_count(&here), 1, "a socket is left");
        first
    }
}

#[test]
fn a_server_that_dies_at_any_boundary_of_its_messages() {
    with_database(async |database| {
        let (url, recorded, recordings) = record(database).await;
        // On a thread of its own: each run has its own time.
        let all_runs = move || run_all(&url, &recorded, &recordings);
        let (runs, failed, given_up) = tokio::task::spawn_blocking(all_runs).await.unwrap();
        println!(
            "gone: {runs} runs of {} workflows, {failed} failed at once, {given_up} given up in time",
            all().len()
        );
        assert!(failed > 500 && given_up > 250);
    });
}

fn run_all(url: &str, recorded: &[String], recordings: &[Recording]) -> (usize, usize, usize) {
    let (mut runs, mut failed, mut given_up) = (0, 0, 0);
    for ((name, workflow), (wanted, recording)) in
        all().into_iter().zip(recorded.iter().zip(recordings))
    {
        let recording = Arc::new(recording.clone());
        for end in boundaries(&recording) {
            for ending in [Ending::Close, Ending::Reset, Ending::Silence] {
                let recording = Arc::clone(&recording);
                let life = Life { url: url.to_owned(), workflow, recording, end, ending };
                let mut runtime = Builder::new_current_thread();
                let runtime = runtime.enable_time().start_paused(true).build().unwrap();
                let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    runtime.block_on(life.live(wanted))
                }));
                let Ok(outcome) = lived else { panic!("{name}: {ending:?} after {end} bytes") };
                runs += 1;
                failed += usize::from(outcome == Outcome::Failed);
                given_up += usize::from(outcome == Outcome::GivenUp);
            }
        }
    }
    (runs, failed, given_up)
}
