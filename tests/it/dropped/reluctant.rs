//! Ways to a server on which every byte of an answer is a poll.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use stellata_testkit::Database;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A stream that gives one byte at a time, and makes whoever reads or writes wait before each: every byte of an answer is
/// a poll.
pub(crate) struct Reluctant {
    stream: TcpStream,
    /// Whether it is so now.
    is_slow: Arc<AtomicBool>,
    may_read: bool,
    may_write: bool,
}

impl Reluctant {
    pub(crate) async fn connect(port: u16, is_slow: Arc<AtomicBool>) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, is_slow, may_read: false, may_write: false }
    }

    /// One that is slow from the first byte to the last.
    pub(crate) async fn always(database: &Database) -> Self {
        Self::connect(database.tcp().port(), Arc::new(AtomicBool::new(true))).await
    }
}

impl AsyncRead for Reluctant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_slow.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        self.may_read = !self.may_read;
        if self.may_read {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut byte = [0];
        let mut piece = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        into.put_slice(piece.filled());
        read
    }
}

impl AsyncWrite for Reluctant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.is_slow.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        self.may_write = !self.may_write;
        if self.may_write {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Little of little; of much, no more pieces than there is time for.
        let some = bytes.len().min(24.max(bytes.len() / 16));
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..some])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A server's port that gives one byte at a time, for who opens the socket itself.
pub(crate) struct Trickle {
    pub(crate) port: u16,
    is_slow: Arc<AtomicBool>,
}

impl Trickle {
    /// Goes on for as long as the runtime does.
    pub(crate) async fn start(database: &Database) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_slow = Arc::new(AtomicBool::new(false));
        let (target, slow) = (database.tcp().port(), Arc::clone(&is_slow));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (mut from_client, to_client) = client.into_split();
                let (from_server, mut to_server) = server.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                tokio::spawn(trickle(from_server, to_client, Arc::clone(&slow)));
            }
        });
        Self { port, is_slow }
    }

    /// Whether it is so from now on.
    pub(crate) fn set(&self, is_slow: bool) {
        self.is_slow.store(is_slow, Ordering::Relaxed);
    }
}

async fn trickle(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_slow: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let some = if is_slow.load(Ordering::Relaxed) { 1 } else { rest.len() };
            if to.write_all(&rest[..some]).await.is_err() {
                return;
            }
            rest = &rest[some..];
            // Twice: who reads comes between two bytes.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
    }
}
