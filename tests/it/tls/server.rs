//! A real server with TLS.

use std::sync::OnceLock;

use stellata_client::{
    Config, Connection, ErrorKind, Pem, SqlState, SslCertMode, SslMode, SslNegotiation,
    TlsSettings, TlsVersion,
};
use stellata_testkit::{
    Certificate, Database, Leaf, PASSWORD, PASSWORD_USER, Proxy, Server, ServerOptions,
    with_database, with_database_on,
};

use super::{AUTHORITY, GOOD, trusting};

/// A server that shows this certificate, trusts client certificates of the authority, and knows users by the way in which
/// they come.
pub(super) fn encrypting(certificate: &Certificate) -> Server {
    let options = ServerOptions::new()
        .setting("ssl", "on")
        .setting("ssl_cert_file", "server.pem")
        .setting("ssl_key_file", "server.key")
        .setting("ssl_ca_file", "clients.pem")
        .file("server.pem", &*certificate.chain)
        .file("server.key", &*certificate.key)
        .file("clients.pem", AUTHORITY.pem())
        .login_rule("hostssl all only_encrypted 127.0.0.1/32 trust")
        .login_rule("host all only_encrypted 127.0.0.1/32 reject")
        .login_rule("hostnossl all only_plain 127.0.0.1/32 trust")
        .login_rule("host all only_plain 127.0.0.1/32 reject")
        .login_rule("hostssl all certified 127.0.0.1/32 cert");
    let server = Server::start(options).unwrap();
    stellata_testkit::sql::run(
        server.endpoint(),
        server.maintenance_database(),
        "create role only_encrypted login; create role only_plain login; create role certified login",
    )
    .unwrap();
    server
}

/// The server that most tests share.
pub(super) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| encrypting(&GOOD))
}

pub(super) fn config(database: &Database, user: &str, tls: TlsSettings) -> Config {
    Config::new("localhost", user)
        .with_port(database.tcp().port())
        .with_database(database.name())
        .with_tls(tls)
}

/// Whether the server itself says that the session is encrypted.
async fn is_encrypted(connection: &mut Connection) -> bool {
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let (ssl,): (bool,) = connection.query_one(sql, ()).await.unwrap();
    assert_eq!(ssl, connection.is_encrypted());
    ssl
}

#[test]
fn every_mode_against_a_server_with_tls() {
    with_database_on(shared(), async |database| {
        for (mode, want) in [
            (SslMode::Disable, false),
            (SslMode::Allow, false),
            (SslMode::Prefer, true),
            (SslMode::Require, true),
            (SslMode::VerifyCa, true),
            (SslMode::VerifyFull, true),
        ] {
            let config = config(database, "postgres", trusting(mode));
            let mut connection = Connection::connect(&config).await.unwrap();
            assert_eq!(is_encrypted(&mut connection).await, want, "{mode}");
            connection.close().await;
        }
        // The default, by a URL that says nothing of it.
        let url = Config::parse(&database.tcp_url()).unwrap();
        assert!(is_encrypted(&mut Connection::connect(&url).await.unwrap()).await);
    });
}

#[test]
fn every_mode_against_a_server_without_tls() {
    with_database(async |database| {
        let mut plain =
            Connection::connect(&Config::parse(&database.tcp_url()).unwrap()).await.unwrap();
        if plain.query_one::<(String,)>("show ssl", ()).await.unwrap().0 != "off" {
            return stellata_testkit::skip("DATABASE_URL names a server with TLS");
        }
        for mode in [SslMode::Disable, SslMode::Allow, SslMode::Prefer] {
            let url = format!("{}?sslmode={mode}", database.tcp_url());
            let mut connection = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap();
            assert!(!is_encrypted(&mut connection).await, "{mode}");
        }
        for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
            let config = Config::parse(&database.tcp_url()).unwrap().with_tls(trusting(mode));
            let error = Connection::connect(&config).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{mode}");
            assert!(error.to_string().contains(&mode.to_string()), "{error}");
        }
    });
}

#[test]
fn over_a_unix_socket_tls_is_never_asked_for() {
    with_database_on(shared(), async |database| {
        for mode in [SslMode::Prefer, SslMode::VerifyFull] {
            let config = Config::parse(&database.url()).unwrap().with_tls(trusting(mode));
            let mut connection = Connection::connect(&config).await.unwrap();
            assert!(!is_encrypted(&mut connection).await, "{mode}");
        }
    });
}

#[test]
fn rules_of_the_server_turn_allow_and_prefer_around() {
    with_database_on(shared(), async |database| {
        for (mode, user, want) in [
            (SslMode::Allow, "only_encrypted", true),
            (SslMode::Allow, "only_plain", false),
            (SslMode::Prefer, "only_encrypted", true),
            (SslMode::Prefer, "only_plain", false),
        ] {
            let config = config(database, user, trusting(mode));
            let mut connection = Connection::connect(&config).await.unwrap();
            assert_eq!(is_encrypted(&mut connection).await, want, "{mode} {user}");
        }
        for (mode, user) in [(SslMode::Disable, "only_encrypted"), (SslMode::Require, "only_plain")]
        {
            let config = config(database, user, trusting(mode));
            let error = Connection::connect(&config).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
        }
    });
}

#[test]
fn a_password_goes_in_clear_over_a_verified_connection_only() {
    with_database_on(shared(), async |database| {
        let config = |mode| config(database, PASSWORD_USER, trusting(mode)).with_password(PASSWORD);
        Connection::connect(&config(SslMode::VerifyFull)).await.unwrap();
        for mode in [SslMode::Disable, SslMode::Prefer, SslMode::VerifyCa] {
            let error = Connection::connect(&config(mode)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{mode}");
        }
    });
}

#[test]
fn a_client_certificate_opens_the_door() {
    let certificate = AUTHORITY.issue(&Leaf::new(&["certified"]));
    let stranger = Leaf::new(&["certified"]).self_signed(false);
    let other = AUTHORITY.issue(&Leaf::new(&["somebody"]));
    with_database_on(shared(), async |database| {
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let with = |certificate: &Certificate| {
                let tls = trusting(SslMode::VerifyFull)
                    .with_versions(version, version)
                    .with_client_certificate(Pem::text(&*certificate.chain))
                    .with_client_key(Pem::text(&*certificate.key));
                config(database, "certified", tls)
            };
            let together = format!("{}{}", certificate.chain, certificate.key);
            let in_one = trusting(SslMode::Require).with_client_certificate(Pem::text(together));
            for config in [with(&certificate), config(database, "certified", in_one)] {
                let mut connection = Connection::connect(&config).await.unwrap();
                let sql = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
                let (name,): (String,) = connection.query_one(sql, ()).await.unwrap();
                assert_eq!(name, "/CN=certified");
            }
            // The server wants one from its authority, and for this user. It may close before it is asked why.
            let error = Connection::connect(&with(&stranger)).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Io), "{error:?}");
            let error = Connection::connect(&with(&other)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);

            let without = [config(database, "certified", trusting(SslMode::VerifyFull)), {
                let config = with(&certificate);
                let tls = config.tls().clone();
                config.with_tls(tls.with_client_certificate_mode(SslCertMode::Disable))
            }];
            for config in without {
                let error = Connection::connect(&config).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
            }
        }
    });
}

#[test]
fn a_server_that_must_ask_for_the_certificate() {
    let certificate = AUTHORITY.issue(&Leaf::new(&["certified"]));
    let tls = trusting(SslMode::Require)
        .with_client_certificate(Pem::text(&*certificate.chain))
        .with_client_key(Pem::text(&*certificate.key))
        .with_client_certificate_mode(SslCertMode::Require);
    with_database_on(shared(), async |database| {
        Connection::connect(&config(database, "certified", tls.clone())).await.unwrap();
    });
    stellata_testkit::run(async {
        let stage = super::stage::Stage::start(super::stage::Part::new(&GOOD)).await;
        let error = Connection::connect(&super::config(stage.port, tls)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("did not ask"), "{error}");
    });
}

#[test]
fn versions_of_tls_are_kept_to() {
    with_database_on(shared(), async |database| {
        use TlsVersion::{Tls12, Tls13};
        for (oldest, newest, want) in [(Tls12, Tls12, "TLSv1.2"), (Tls12, Tls13, "TLSv1.3")] {
            let tls = trusting(SslMode::VerifyFull).with_versions(oldest, newest);
            let mut connection =
                Connection::connect(&config(database, "postgres", tls)).await.unwrap();
            let sql = "select version from pg_stat_ssl where pid = pg_backend_pid()";
            assert_eq!(connection.query_one::<(String,)>(sql, ()).await.unwrap().0, want);
        }
        let none = trusting(SslMode::Prefer).with_versions(Tls13, Tls12);
        let error = Connection::connect(&config(database, "postgres", none)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    });
}

/// Servers from 17 on understand it; older ones drop such a connection, which is told with the reason.
#[test]
fn direct_tls_by_servers_that_can() {
    with_database_on(shared(), async |database| {
        let tls = trusting(SslMode::VerifyFull).with_negotiation(SslNegotiation::Direct);
        let connected = Connection::connect(&config(database, "postgres", tls)).await;
        if shared().version() >= 17 {
            assert!(is_encrypted(&mut connected.unwrap()).await);
        } else {
            let error = connected.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls);
            assert!(error.to_string().contains("before version 17"), "{error}");
        }
    });
}

#[test]
fn a_session_that_is_encrypted_is_cancelled_over_tls() {
    with_database_on(shared(), async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        for (mode, is_encrypted) in [
            (SslMode::Disable, false),
            (SslMode::Prefer, true),
            (SslMode::Require, true),
            (SslMode::VerifyFull, true),
        ] {
            let config = config(database, "postgres", trusting(mode)).with_port(proxy.port());
            let mut connection = Connection::connect(&config).await.unwrap();
            assert_eq!(connection.is_encrypted(), is_encrypted);
            let limit = std::time::Duration::from_millis(20);
            let ran = connection.with_limit(limit).execute("select pg_sleep(60)", ()).await;
            assert_eq!(ran.unwrap_err().kind(), ErrorKind::Timeout);
            connection.drain(std::time::Duration::from_secs(20)).await.unwrap();
            // In plain it is a message of 16 bytes; a handshake is hundreds.
            proxy.reset_counts();
            connection.cancel_handle().cancel().await.unwrap();
            let sent = proxy.counts().bytes_to_server;
            assert!(if is_encrypted { sent > 200 } else { sent == 16 }, "{mode}: {sent} bytes");
            let (one,): (i32,) = connection.query_one("select 1", ()).await.unwrap();
            assert_eq!(one, 1);
        }
    });
}
