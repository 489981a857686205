//! Logins that are tied to the server's certificate, by a real server.

use stellata_client::{
    ChannelBindingPolicy, Config, Connection, Error, ErrorKind, Pem, SslMode, TlsSettings,
    TlsVersion,
};
use stellata_testkit::{
    Authority, Database, KeyKind, Leaf, PASSWORD, SCRAM_USER, Server, with_database_on,
};

use super::server::encrypting;

/// A server whose certificate is signed with a key of this kind, and what its clients are to trust.
fn server(kind: KeyKind) -> (Server, TlsSettings) {
    let authority = Authority::new("a root", kind);
    let server = encrypting(&authority.issue(&Leaf::new(&["localhost"]).key(kind)));
    (server, TlsSettings::new(SslMode::VerifyFull).with_roots(Pem::text(authority.pem())))
}

async fn connect(
    database: &Database,
    tls: &TlsSettings,
    policy: ChannelBindingPolicy,
) -> Result<Connection, Error> {
    let config = Config::new("localhost", SCRAM_USER)
        .with_port(database.tcp().port())
        .with_database(database.name())
        .with_password(PASSWORD)
        .with_tls(tls.clone().with_channel_binding(policy));
    Connection::connect(&config).await
}

/// With `Require` the server itself has compared the hash: a login that holds is bound.
#[test]
fn a_login_is_bound_to_certificates_of_rsa_and_ecdsa() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa, KeyKind::RsaPss] {
        let (server, tls) = server(kind);
        with_database_on(&server, async |database| {
            for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
                let tls = tls.clone().with_versions(version, version);
                use ChannelBindingPolicy::{Disable, Prefer, Require};
                for policy in [Disable, Prefer, Require] {
                    let mut connection = connect(database, &tls, policy).await.unwrap();
                    let (ssl, spoken): (bool, String) = connection
                        .query_one(
                            "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()",
                            (),
                        )
                        .await
                        .unwrap();
                    assert!(ssl, "{kind:?}");
                    assert_eq!(spoken, version.to_string(), "{kind:?}");
                }
            }
        });
    }
}

/// Ed25519 has no hash function of its own, so that there is nothing to bind to: that is said, not passed over.
#[test]
fn cve_2026_54291_binding_to_a_certificate_without_a_hash_is_refused() {
    let (server, tls) = server(KeyKind::Ed25519);
    with_database_on(&server, async |database| {
        for policy in [ChannelBindingPolicy::Disable, ChannelBindingPolicy::Prefer] {
            assert!(connect(database, &tls, policy).await.unwrap().is_encrypted());
        }
        for mode in [SslMode::Prefer, SslMode::Require, SslMode::VerifyFull] {
            let tls = tls.clone().with_mode(mode);
            let error = connect(database, &tls, ChannelBindingPolicy::Require).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{mode}");
            assert!(error.to_string().contains("Ed25519"), "{mode}: {error}");
        }
    });
}

#[test]
fn binding_that_is_required_can_not_be_had_in_plain() {
    let (server, tls) = server(KeyKind::P256);
    with_database_on(&server, async |database| {
        let plain = tls.clone().with_mode(SslMode::Disable);
        let error = connect(database, &plain, ChannelBindingPolicy::Require).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("channel binding is required"), "{error}");
        // A user that needs no password proves nothing either.
        let config = Config::new("localhost", "postgres")
            .with_port(database.tcp().port())
            .with_tls(tls.with_channel_binding(ChannelBindingPolicy::Require));
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
    });
}
