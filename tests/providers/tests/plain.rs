//! A connection in plain, as every build has it.

use stellata_client::{Config, Connection, ErrorKind, SslMode, TlsSettings};
use stellata_testkit::{Database, PASSWORD, SCRAM_USER};

fn config(database: &Database, mode: SslMode) -> Config {
    Config::new("127.0.0.1", SCRAM_USER)
        .with_port(database.tcp().port())
        .with_database(database.name())
        .with_password(PASSWORD)
        .with_tls(TlsSettings::new(mode))
}

#[stellata_testkit::test]
async fn a_login_by_scram_and_a_query_in_plain(database: &Database) {
    for mode in [SslMode::Disable, SslMode::Allow, SslMode::Prefer] {
        let mut connection = Connection::connect(&config(database, mode)).await.unwrap();
        assert!(!connection.is_encrypted());
        let sql = "select current_user::text, $1::int4 + 1";
        let row: (String, i32) = connection.query_one(sql, (1,)).await.unwrap();
        assert_eq!(row, (SCRAM_USER.to_owned(), 2));
        connection.close().await;
    }
    let by_socket = Config::parse(&database.url()).unwrap();
    let mut connection = Connection::connect(&by_socket).await.unwrap();
    assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
}

/// What can't be had is an error before anything is sent, never a connection in plain.
#[stellata_testkit::test]
async fn encryption_that_is_demanded_and_not_to_be_had_is_refused(database: &Database) {
    let kind = if cfg!(feature = "without") { ErrorKind::Config } else { ErrorKind::Tls };
    for mode in [SslMode::Require, SslMode::VerifyFull] {
        let config = config(database, mode);
        #[cfg(feature = "installed")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let error = Connection::connect(&config).await.unwrap_err();
        if kind == ErrorKind::Config {
            let wanted = format!("sslmode={mode} needs the feature `tls` of stellata-client");
            assert!(error.to_string().contains(&wanted), "{error}");
        }
        assert_eq!(error.kind(), kind, "{mode}: {error}");
    }
}
