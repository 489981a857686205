//! Somebody between client and server who speaks TLS with both, and whom channel binding finds.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use stellata_client::{ChannelBindingPolicy, Connection, ErrorKind, SslMode, TlsSettings};
use stellata_testkit::{Leaf, PASSWORD, SCRAM_USER, with_database_on};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::AUTHORITY;
use super::server::{config, shared};
use super::stage::server_config;

/// The list of mechanisms over TLS, and the same without the one that binds.
const BOTH: &[u8] = b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const ONE: &[u8] = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";

/// What the man in the middle shows its clients, and as whom it goes to the server.
struct Middleman {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    server: u16,
    /// Whether it takes the mechanism that binds from the list.
    strips: bool,
}

impl Middleman {
    async fn new(server: u16, strips: bool) -> Self {
        let own = Leaf::new(&["localhost"]).self_signed(false);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(AUTHORITY.pem().as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(server_config(&own))),
            connector: TlsConnector::from(Arc::new(client)),
            server,
            strips,
        }
    }

    /// Passes on one session, until either side has enough.
    async fn relay(&self) {
        let (mut client, _) = self.listener.accept().await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", self.server)).await.unwrap();
        let mut question = [0; 8];
        client.read_exact(&mut question).await.unwrap();
        server.write_all(&question).await.unwrap();
        let answer = server.read_u8().await.unwrap();
        client.write_u8(answer).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut server = self.connector.connect(name, server).await.unwrap();
        let Ok(mut client) = self.acceptor.accept(client).await else { return };
        let (mut asked, mut answered) = (vec![0; 8192], vec![0; 8192]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => match read {
                    Ok(count @ 1..) => server.write_all(&asked[..count]).await.unwrap(),
                    _ => return,
                },
                read = server.read(&mut answered) => match read {
                    Ok(count @ 1..) => {
                        let bytes = match &answered[..count] {
                            BOTH if self.strips => ONE,
                            bytes => bytes,
                        };
                        if client.write_all(bytes).await.is_err() || client.flush().await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                },
            }
        }
    }
}

/// `require` does not look at the certificate, so that a session with the wrong party comes to be; the login is bound to a
/// certificate that is not the server's, and the server sees that.
#[test]
fn a_middleman_is_found_by_channel_binding_where_the_certificate_is_not_looked_at() {
    use ChannelBindingPolicy::{Disable, Prefer, Require};
    with_database_on(shared(), async |database| {
        for (strips, policy, kind) in [
            (false, Prefer, Some(ErrorKind::Authentication)),
            (false, Require, Some(ErrorKind::Authentication)),
            // The client says that it could have, and the server that it had said so.
            (true, Prefer, Some(ErrorKind::Authentication)),
            (true, Require, Some(ErrorKind::Authentication)),
            // What binding is for.
            (false, Disable, None),
            (true, Disable, None),
        ] {
            let middleman = Middleman::new(database.tcp().port(), strips).await;
            let tls = TlsSettings::new(SslMode::Require).with_channel_binding(policy);
            let config = config(database, SCRAM_USER, tls)
                .with_port(middleman.listener.local_addr().unwrap().port())
                .with_password(PASSWORD);
            let connecting = async {
                let connected = Connection::connect(&config).await;
                connected.map(|connection| assert!(connection.is_encrypted()))
            };
            let (connected, ()) = tokio::join!(connecting, middleman.relay());
            let case = format!("{strips} {policy:?}: {connected:?}");
            assert_eq!(connected.err().map(|error| error.kind()), kind, "{case}");
        }
    });
}
