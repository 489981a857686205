//! Sockets of the system, read with as few steps as there can be.

use std::io::{self, Read};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Whether a read that does not fill its buffer has taken all that there was: where the system tells once of every arrival
/// (epoll, kqueue). Nothing has to be read in vain there to learn that nothing is left.
const SHORT_IS_ALL: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// What reading needs of a socket.
pub(crate) trait Watched {
    /// Waits until something has come.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Tries to read, unless it is known that nothing has come. `WouldBlock` says that nothing is left.
    fn try_reading(&self, read: impl FnOnce() -> io::Result<usize>) -> io::Result<usize>;

    /// Reads from the system.
    fn receive(&self, into: &mut [u8]) -> io::Result<usize>;
}

impl Watched for TcpStream {
    #[inline]
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    #[inline]
    fn try_reading(&self, read: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.try_io(Interest::READABLE, read)
    }

    #[inline]
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        (&*SockRef::from(self)).read(into)
    }
}

/// A socket of the system.
#[derive(Debug)]
pub(crate) struct Plain<S> {
    pub(crate) stream: S,
    /// The reading before found nothing. Whoever comes back has most likely been woken because something is there now.
    has_waited: bool,
}

impl<S: Watched> Plain<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, has_waited: false }
    }

    /// Reads what has come; pending until something has.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // Who has waited has let other tasks run. Only for what comes without waiting is tokio asked, which sees to it that
        // a task whose data is always there does not keep the others from running.
        if std::mem::take(&mut self.has_waited)
            && let Some(read) = self.try_read(into)
        {
            return Poll::Ready(read);
        }
        self.has_waited = true;
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            if let Some(read) = self.try_read(into) {
                self.has_waited = false;
                return Poll::Ready(read);
            }
        }
    }

    /// Reads what has come; `None` when nothing has, which costs no system call.
    #[inline]
    pub(crate) fn try_read(&self, into: &mut [u8]) -> Option<io::Result<usize>> {
        let mut last = None;
        let tried = self.stream.try_reading(|| {
            let count = self.stream.receive(into)?;
            if SHORT_IS_ALL && count > 0 && count < into.len() {
                last = Some(count);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(count)
        });
        match (last, tried) {
            (Some(count), _) => Some(Ok(count)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            (None, tried) => Some(tried),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::yield_now;

    use super::*;

    fn pair() -> (Plain<TcpStream>, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        let (far, _) = listener.accept().unwrap();
        far.set_nodelay(true).unwrap();
        (Plain::new(TcpStream::from_std(near).unwrap()), far)
    }

    #[tokio::test]
    async fn whatever_the_pieces_nothing_is_lost_and_the_end_is_seen() {
        let (mut near, mut far) = pair();
        let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let expected = sent.clone();
        let writing = std::thread::spawn(move || {
            // Pieces as long as the reader's buffer, shorter ones and longer ones.
            let mut rest = &sent[..];
            for length in [1, 63, 64, 65, 640, 7].into_iter().cycle() {
                let (piece, after) = rest.split_at(length.min(rest.len()));
                far.write_all(piece).unwrap();
                rest = after;
                if rest.is_empty() {
                    return;
                }
            }
        });
        let (mut got, mut buffer) = (Vec::new(), [0; 64]);
        loop {
            // Between two waits what is there may be taken without waiting too.
            let read = match near.try_read(&mut buffer) {
                Some(read) => read,
                None => poll_fn(|cx| near.poll_read(cx, &mut buffer)).await,
            };
            match read.unwrap() {
                0 => break,
                count => got.extend_from_slice(&buffer[..count]),
            }
        }
        writing.join().unwrap();
        assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
        assert!(matches!(near.try_read(&mut buffer), Some(Ok(0))), "the end stays");
    }

    #[tokio::test]
    async fn a_reader_whose_bytes_are_always_there_lets_others_run() {
        const READS: usize = 10_000;
        let (mut near, mut far) = pair();
        far.write_all(&[7; READS]).unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                count.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        for _ in 0..READS {
            assert_eq!(poll_fn(|cx| near.poll_read(cx, &mut [0])).await.unwrap(), 1);
        }
        other.abort();
        // Tokio lets a task do 128 things in a row.
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= READS / 130, "the other had {turns} turns");
    }
}
