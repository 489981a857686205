//! Where certificates, keys and lists are read from, and what is said of those that can't be used.

use std::os::unix::fs::PermissionsExt;

use stellata_client::{Connection, ErrorKind, Pem, SslCertMode, SslMode, TlsSettings};
use stellata_testkit::{Leaf, Validity, with_database_on};

use super::stage::{Part, Stage};
use super::{AUTHORITY, Folder, GOOD, config, trusting};

#[test]
fn files_are_found_under_the_names_that_libpq_gives_them() {
    let folder = Folder::new("found");
    let client = AUTHORITY.issue(&Leaf::new(&["certified"]));
    folder.write("root.crt", AUTHORITY.pem());
    folder.write("postgresql.crt", &client.chain);
    folder.write("postgresql.key", &client.key);
    let tls = TlsSettings::new(SslMode::VerifyFull).with_folder(folder.path());
    with_database_on(super::server::shared(), async |database| {
        let config = super::server::config(database, "certified", tls.clone());
        let mut connection = Connection::connect(&config).await.unwrap();
        let sql = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
        let (name,): (String,) = connection.query_one(sql, ()).await.unwrap();
        assert_eq!(name, "/CN=certified");

        folder.write("root.crl", &AUTHORITY.revocations(&[7], Validity::Now));
        let error = Connection::connect(&config).await.unwrap_err();
        assert!(error.to_string().contains("it is revoked"), "{error}");
    });
}

#[test]
fn roots_in_the_folder_make_require_look_at_the_certificate() {
    let folder = Folder::new("require");
    stellata_testkit::run(async {
        let unknown = Leaf::new(&["localhost"]).self_signed(false);
        let stage = Stage::start(Part::new(&unknown)).await;
        let tls = TlsSettings::new(SslMode::Require).with_folder(folder.path());
        let config = config(stage.port, tls);
        assert!(Connection::connect(&config).await.unwrap().is_encrypted());
        folder.write("root.crt", AUTHORITY.pem());
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
    });
}

#[test]
fn lists_are_read_from_a_folder() {
    let folder = Folder::new("lists");
    stellata_testkit::run(async {
        let stage = Stage::start(Part::new(&GOOD)).await;
        let tls = trusting(SslMode::VerifyFull).with_crl_folder(folder.path());
        let config = config(stage.port, tls);
        // No list, nothing to hold against it.
        assert!(Connection::connect(&config).await.is_ok());
        folder.write("one", &AUTHORITY.revocations(&[1], Validity::Now));
        assert!(Connection::connect(&config).await.is_ok());
        folder.write("one", &AUTHORITY.revocations(&[1, 7], Validity::Now));
        let error = Connection::connect(&config).await.unwrap_err();
        assert!(error.to_string().contains("it is revoked"), "{error}");
        folder.write("two", "no list at all");
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    });
}

/// What the system trusts, by a file that stands for it: it is read once in a process, so that this is the one test.
#[test]
fn weak_modes_do_not_go_with_what_the_system_trusts() {
    stellata_testkit::run(async {
        let stage = Stage::start(Part::new(&GOOD)).await;
        for mode in [SslMode::Allow, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa] {
            let tls = TlsSettings::new(mode).with_system_roots();
            let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{mode}");
            assert!(error.to_string().contains("verify-full"), "{error}");
        }
        // Our authority is none of those: refused, or said that there are none at all.
        for tls in [
            TlsSettings::new(SslMode::VerifyFull),
            TlsSettings::new(SslMode::VerifyFull).with_system_roots(),
        ] {
            let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Config), "{error:?}");
        }
        assert_eq!(stage.trace().matches("encrypted").count(), 0);
    });
}

#[test]
fn what_can_not_be_used_is_told_before_anything_is_sent() {
    let folder = Folder::new("faults");
    let client = AUTHORITY.issue(&Leaf::new(&["certified"]));
    let other = AUTHORITY.issue(&Leaf::new(&["certified"]));
    let nonsense = folder.write("nonsense", "-----BEGIN CERTIFICATE-----\n!!!\n");
    let empty = folder.write("empty", "");
    let open = folder.write("open.key", &client.key);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let full = TlsSettings::new(SslMode::VerifyFull);
    let certified = trusting(SslMode::Prefer).with_client_certificate(Pem::text(&*client.chain));
    let cases = [
        (full.clone().with_roots(Pem::file("/nowhere/root.crt")), "/nowhere/root.crt"),
        (full.clone().with_roots(Pem::file(&nonsense)), "not PEM"),
        (full.clone().with_roots(Pem::file(&empty)), "it holds none"),
        (full.clone().with_roots(Pem::file(folder.path())), "root certificates in"),
        (full.with_roots(Pem::text(&*client.key)), "it holds none"),
        (TlsSettings::new(SslMode::VerifyCa), "sslrootcert"),
        (trusting(SslMode::VerifyCa).with_crl(Pem::file(&empty)), "it holds none"),
        (trusting(SslMode::VerifyCa).with_crl_folder("/nowhere"), "/nowhere"),
        (certified.clone(), "key"),
        (certified.clone().with_client_key(Pem::file("/nowhere/key")), "/nowhere/key"),
        (certified.clone().with_client_key(Pem::file(open)), "0600"),
        (certified.clone().with_client_key(Pem::file(folder.path())), "no file"),
        (certified.clone().with_client_key(Pem::text(locked)), "encrypted"),
        (certified.clone().with_client_key(Pem::text(&*client.chain)), "it holds none"),
        (certified.with_client_key(Pem::text(&*other.key)), "can't be used"),
        (
            trusting(SslMode::Require).with_client_certificate_mode(SslCertMode::Require),
            "sslcertmode=require",
        ),
    ];
    stellata_testkit::run(async {
        let stage = Stage::start(Part::new(&GOOD)).await;
        for (tls, said) in cases {
            let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(said), "{said}: {error}");
            let key = client.key.lines().nth(1).unwrap();
            assert!(!format!("{error:?}").contains(key), "the key shows");
        }
        assert_eq!(stage.trace(), "", "nobody came");
    });
}
