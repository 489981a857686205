//! A connection that is encrypted, and a login that is bound to it, by the provider of this build.
#![cfg(any(feature = "ring", feature = "aws-lc-rs", feature = "installed"))]

use std::sync::LazyLock;

use stellata_client::{
    ChannelBindingPolicy, Config, Connection, ErrorKind, Pem, SslMode, TlsSettings, TlsVersion,
};
use stellata_testkit::{
    Authority, Direction, KeyKind, Leaf, PASSWORD, Proxy, SCRAM_USER, Server, ServerOptions, sql,
    with_database_on,
};

/// The post-quantum group that aws-lc-rs agrees on keys by, and ring does not know (draft-ietf-tls-ecdhe-mlkem).
const X25519_MLKEM768: u16 = 0x11ec;

/// The extension that names the groups (RFC 8446, section 4.2.7).
const SUPPORTED_GROUPS: u16 = 10;

/// Whoever signs for the server of these tests.
static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::new("the root of the providers", KeyKind::P384));

/// A server with a certificate of this kind.
fn server(kind: KeyKind) -> Server {
    let certificate = AUTHORITY.issue(&Leaf::new(&["localhost"]).key(kind));
    let options = ServerOptions::new()
        .setting("ssl", "on")
        .setting("ssl_cert_file", "server.pem")
        .setting("ssl_key_file", "server.key")
        .setting("ssl_ca_file", "clients.pem")
        .file("server.pem", &*certificate.chain)
        .file("server.key", &*certificate.key)
        .file("clients.pem", AUTHORITY.pem())
        .login_rule("hostssl all certified 127.0.0.1/32 cert");
    let server = Server::start(options).unwrap();
    sql::run(server.endpoint(), server.maintenance_database(), "create role certified login")
        .unwrap();
    server
}

fn trusting() -> TlsSettings {
    TlsSettings::new(SslMode::VerifyFull).with_roots(Pem::text(AUTHORITY.pem()))
}

#[test]
fn a_connection_is_encrypted_and_its_login_bound_by_this_provider() {
    for kind in [KeyKind::P256, KeyKind::Rsa] {
        with_database_on(&server(kind), async |database| {
            let proxy = Proxy::start(database.tcp()).unwrap();
            proxy.set_keeping(true);
            let bound = trusting().with_channel_binding(ChannelBindingPolicy::Require);
            let bound = Config::new("localhost", SCRAM_USER)
                .with_port(proxy.port())
                .with_database(database.name())
                .with_password(PASSWORD)
                .with_tls(bound);
            #[cfg(feature = "installed")]
            install_late(&bound).await;
            for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
                // The server compares the hash itself: a login that holds is bound.
                let tls = bound.tls().clone().with_versions(version, version);
                let bound = bound.clone().with_tls(tls);
                let mut connection = Connection::connect(&bound).await.unwrap();
                assert_eq!(spoken(&mut connection).await, version.to_string());
                // More than one record of TLS, both ways.
                let long = "x".repeat(100_000);
                let (back,): (String,) =
                    connection.query_one("select $1 || 'y'", (&*long,)).await.unwrap();
                assert_eq!(back.len(), long.len() + 1);
                connection.close().await;

                let error = Connection::connect(&bound.with_password("wrong")).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Authentication);
            }
            // The client's first words show whose cryptography it is: where both are built in, aws-lc-rs.
            let said = proxy.recordings();
            let hello = said.last().unwrap().bytes(Direction::ToServer);
            let post_quantum = groups(&hello).contains(&X25519_MLKEM768);
            assert_eq!(post_quantum, cfg!(feature = "aws-lc-rs"));

            // The provider signs as well: with the client's own certificate.
            let certificate = AUTHORITY.issue(&Leaf::new(&["certified"]).key(kind));
            let tls = trusting()
                .with_client_certificate(Pem::text(&*certificate.chain))
                .with_client_key(Pem::text(&*certificate.key));
            let certified = Config::new("localhost", "certified")
                .with_port(proxy.port())
                .with_database(database.name())
                .with_tls(tls);
            Connection::connect(&certified).await.unwrap();
        });
    }
}

/// What the server says of the connection.
async fn spoken(connection: &mut Connection) -> String {
    assert!(connection.is_encrypted());
    let sql = "select version from pg_stat_ssl where ssl and pid = pg_backend_pid()";
    let (version,): (String,) = connection.query_one(sql, ()).await.unwrap();
    version
}

/// Where no provider is built in, and the process has none either, that is said; then it gets one.
#[cfg(feature = "installed")]
async fn install_late(config: &Config) {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let error = Connection::connect(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("install a provider for rustls"), "{error}");
        rustls::crypto::ring::default_provider().install_default().unwrap();
    }
}

/// The groups that a ClientHello names; it follows the question for TLS (RFC 8446, section 4.1.2).
fn groups(said: &[u8]) -> Vec<u16> {
    let mut rest = Bytes(&said[8..]);
    // The record's type, version and length, the message's type and length, the version and 32 random bytes.
    rest.take(5 + 4 + 2 + 32);
    for width in [1, 2, 1] {
        let length = rest.number(width);
        rest.take(length);
    }
    let length = rest.number(2);
    let mut extensions = Bytes(rest.take(length));
    while !extensions.0.is_empty() {
        let (kind, length) = (extensions.number(2), extensions.number(2));
        let content = extensions.take(length);
        if kind == usize::from(SUPPORTED_GROUPS) {
            return content[2..]
                .chunks(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
        }
    }
    panic!("a ClientHello names its groups");
}

/// Bytes that are taken from the front.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self, width: usize) -> usize {
        self.take(width).iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
    }
}
