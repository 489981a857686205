//! A server that refuses the handshake says why and closes, perhaps before it has read all that the client sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use stellata_client::{Connection, Error, ErrorKind, SslMode, SslNegotiation};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{config, trusting};

/// The other side is gone: whatever is written breaks. What it said before can still be read.
struct Gone {
    said: &'static [u8],
    error: io::ErrorKind,
}

impl AsyncRead for Gone {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.said.split_at(self.said.len().min(into.remaining()));
        into.put_slice(now);
        self.said = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gone {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.error.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn refusal(said: &'static [u8], error: io::ErrorKind) -> Error {
    let tls = trusting(SslMode::VerifyFull).with_negotiation(SslNegotiation::Direct);
    stellata_testkit::run(async {
        Connection::over(Gone { said, error }, &config(5432, tls)).await.unwrap_err()
    })
}

/// A record with a fatal alert.
const HANDSHAKE_FAILURE: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
const PROTOCOL_VERSION: &[u8] = &[21, 3, 3, 0, 2, 2, 70];

#[test]
fn what_the_server_said_before_it_closed_is_told() {
    for kind in [
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
    ] {
        for (said, name) in
            [(HANDSHAKE_FAILURE, "HandshakeFailure"), (PROTOCOL_VERSION, "ProtocolVersion")]
        {
            let error = refusal(said, kind);
            assert_eq!(error.kind(), ErrorKind::Tls);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_server_that_closed_without_a_word_has_closed() {
    let error = refusal(b"", io::ErrorKind::BrokenPipe);
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("closed the connection"), "{error}");
}

#[test]
fn a_write_that_fails_for_another_reason_is_told_at_once() {
    let error = refusal(HANDSHAKE_FAILURE, io::ErrorKind::StorageFull);
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(!error.to_string().contains("HandshakeFailure"), "{error}");
}
