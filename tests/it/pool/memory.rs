//! A server in memory: it lets everybody in, answers every query, and counts its sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stellata_client::Connection;
use stellata_pool::{Config, Pool, PoolOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

#[derive(Default)]
pub(super) struct Memory {
    live: AtomicUsize,
    most: AtomicUsize,
}

impl Memory {
    pub(super) fn pool(self: &Arc<Self>, options: PoolOptions) -> Pool {
        let memory = Arc::clone(self);
        Pool::opened_by(move || Arc::clone(&memory).connect(), options)
    }

    /// The most sessions that there were at any time.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    pub(super) async fn connect(self: Arc<Self>) -> stellata_client::Result<Connection> {
        let (client, server) = tokio::io::duplex(4_096);
        let live = self.live.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(live, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut server = server;
            let _ = serve(&mut server).await;
            self.live.fetch_sub(1, Ordering::Relaxed);
        });
        let config = Config::parse("postgres://me@in.memory/x?sslmode=disable")?;
        Connection::over(client, &config).await
    }
}

/// Serves one session, until it says goodbye or is cut off.
pub(super) async fn serve(stream: &mut DuplexStream) -> std::io::Result<()> {
    let length = stream.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    loop {
        let tag = stream.read_u8().await?;
        let length = stream.read_u32().await?;
        body.resize(length as usize - 4, 0);
        stream.read_exact(&mut body).await?;
        if tag == b'X' {
            return Ok(());
        }
        stream.write_all(b"C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I").await?;
    }
}
