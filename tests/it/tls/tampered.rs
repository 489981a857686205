//! Somebody between client and server who changes, adds, drops or repeats what is on the way.

use std::time::Duration;

use stellata_client::{Config, Connection, Error, ErrorKind, SslMode};
use stellata_testkit::with_database_on;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::server::shared;
use super::trusting;

/// What is done to what the server sends.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    /// Nothing.
    None,
    /// The byte at this place is changed.
    Flip(usize),
    /// A byte is put in at this place.
    Add(usize),
    /// The byte at this place is left out.
    Drop(usize),
    /// All up to this place comes again.
    Repeat(usize),
}

impl Tampering {
    /// The bytes that stand at `start` of the stream, tampered with.
    fn with(self, start: usize, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let inside = |place: usize| place.checked_sub(start).filter(|at| *at < bytes.len());
        match self {
            Tampering::Flip(place) => {
                if let Some(at) = inside(place) {
                    bytes[at] ^= 1;
                }
            }
            Tampering::Add(place) => {
                if let Some(at) = inside(place) {
                    bytes.insert(at, 0x17);
                }
            }
            Tampering::Drop(place) => {
                if let Some(at) = inside(place) {
                    bytes.remove(at);
                }
            }
            Tampering::Repeat(place) => {
                if let Some(at) = inside(place) {
                    let again = bytes[..at].to_vec();
                    bytes.splice(at..at, again);
                }
            }
            Tampering::None => {}
        }
        bytes
    }
}

/// Passes on one connection, tampering with what the server sends; gives how much that was.
async fn between(listener: &TcpListener, server: u16, tampering: Tampering) -> usize {
    let (client, _) = listener.accept().await.unwrap();
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut passed = 0;
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from_server.read(&mut piece).await {
        let sent = tampering.with(passed, &piece[..count]);
        passed += count;
        if to_client.write_all(&sent).await.is_err() {
            break;
        }
    }
    drop(to_client);
    asking.abort();
    passed
}

const SQL: &str = "select n, repeat('x', 10) from generate_series(1, 20) n";

async fn ask(config: &Config) -> Result<Vec<(i32, String)>, Error> {
    let mut connection = Connection::connect(config).await?;
    let rows = connection.query(SQL, ()).await;
    connection.close().await;
    rows
}

/// Whoever changes what is on the way breaks the connection, at whatever byte that says something: no wrong row, no row
/// too few.
#[test]
fn what_was_tampered_with_is_never_believed() {
    with_database_on(shared(), async |database| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = database.tcp().port();
        // By address, so that no name is looked up on another thread while the limit runs.
        let config = Config::new("127.0.0.1", "postgres")
            .with_port(listener.local_addr().unwrap().port())
            .with_database(database.name())
            .with_tls(trusting(SslMode::VerifyFull));
        // Where bytes are missing the client waits for more, for as long as it is let.
        let run = async |tampering, limit| {
            let asking = async { timeout(limit, ask(&config)).await };
            tokio::join!(asking, between(&listener, server, tampering))
        };
        let (rows, total) = run(Tampering::None, Duration::from_secs(20)).await;
        let rows = rows.unwrap().unwrap();
        assert_eq!(rows.len(), 20);
        let mut refused = 0;
        for place in (0..total - 200).step_by(89) {
            for tampering in [
                Tampering::Flip(place),
                Tampering::Add(place),
                Tampering::Drop(place),
                Tampering::Repeat(place),
            ] {
                match run(tampering, Duration::from_millis(100)).await.0 {
                    Err(_) => refused += 1,
                    // Some bytes say nothing, such as the version in the head of a record.
                    Ok(Ok(same)) => assert_eq!(same, rows, "{tampering:?}"),
                    Ok(Err(error)) => {
                        refused += 1;
                        assert!(
                            matches!(
                                error.kind(),
                                ErrorKind::Tls
                                    | ErrorKind::Io
                                    | ErrorKind::Closed
                                    | ErrorKind::Protocol
                            ),
                            "{tampering:?}: {error:?}"
                        );
                    }
                }
            }
        }
        assert!(refused > 50, "{refused}");
    });
}
