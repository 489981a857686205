//! Reaching a server and logging in.

use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind, Host, SqlState, TargetSessionAttrs};
use stellata_testkit::{
    Database, MD5_USER, PASSWORD, PASSWORD_USER, SCRAM_USER, Server, with_database,
};

async fn connect(url: &str) -> Connection {
    Connection::connect(&Config::parse(url).unwrap()).await.unwrap()
}

fn login(database: &Database, user: &str, password: &str) -> Config {
    Config::parse(&database.tcp().with_user(user, Some(password)).url(database.name())).unwrap()
}

/// Logins by password need a server whose rules are known.
fn has_login_rules() -> bool {
    let own = Server::shared().is_ok_and(Server::is_own);
    if !own {
        stellata_testkit::skip("DATABASE_URL names a server whose login rules are not known");
    }
    own
}

#[test]
fn over_tcp_and_over_a_unix_socket() {
    with_database(async |database| {
        for url in [database.url(), database.tcp_url()] {
            let mut connection = connect(&url).await;
            let (name,): (String,) =
                connection.query_one("select current_database()::text", ()).await.unwrap();
            assert_eq!(name, database.name());
            assert!(connection.parameter("server_version").is_some());
            assert!(connection.process_id().is_some());
            connection.close().await;
        }
    });
}

#[test]
fn by_scram_md5_and_cleartext_password() {
    if !has_login_rules() {
        return;
    }
    with_database(async |database| {
        for user in [SCRAM_USER, MD5_USER, PASSWORD_USER] {
            let config = login(database, user, PASSWORD).with_cleartext_password(true);
            let mut connection = Connection::connect(&config).await.unwrap();
            let (name,): (String,) =
                connection.query_one("select current_user::text", ()).await.unwrap();
            assert_eq!(name, user);
        }
    });
}

#[test]
fn a_wrong_password_is_told_as_the_server_tells_it() {
    if !has_login_rules() {
        return;
    }
    with_database(async |database| {
        for user in [SCRAM_USER, MD5_USER] {
            let error = Connection::connect(&login(database, user, "wrong")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert_eq!(error.sqlstate(), Some(SqlState::INVALID_PASSWORD));
            assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
        }
    });
}

#[test]
fn no_password_where_one_is_asked_for() {
    if !has_login_rules() {
        return;
    }
    with_database(async |database| {
        let url = database.tcp().with_user(SCRAM_USER, None).url(database.name());
        let error = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(error.to_string(), "the server asks for a password, and none was given");
    });
}

#[test]
fn a_password_is_not_sent_in_clear_over_tcp_unless_allowed() {
    if !has_login_rules() {
        return;
    }
    with_database(async |database| {
        let error =
            Connection::connect(&login(database, PASSWORD_USER, PASSWORD)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("clear text"), "{error}");
    });
}

#[test]
fn a_database_that_is_not_there() {
    with_database(async |database| {
        let url = database.endpoint().url("nowhere_to_be_found");
        let error = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(error.sqlstate(), Some(SqlState::INVALID_CATALOG_NAME));
        assert!(error.to_string().contains("nowhere_to_be_found"), "{error}");
    });
}

#[test]
fn no_server_there() {
    stellata_testkit::run(async {
        // Nobody else gets its port, and nobody listens.
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = bound.local_addr().unwrap().port();
        let url = format!("postgres://me@127.0.0.1:{port}/x");
        let error = Connection::connect(&Config::parse(&url).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");

        let url = "postgres://me@/x?host=/nowhere";
        let error = Connection::connect(&Config::parse(url).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("/nowhere/.s.PGSQL.5432"), "{error}");
    });
}

#[test]
fn a_server_that_never_answers_meets_the_limit() {
    stellata_testkit::run(async {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let config = Config::new("127.0.0.1", "me")
            .with_port(port)
            .with_connect_timeout(Duration::from_millis(100));
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    });
}

#[test]
fn a_peer_that_is_no_postgresql_is_refused_at_once() {
    stellata_testkit::run(async {
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = other.local_addr().unwrap().port();
        let banner = tokio::spawn(async move {
            let (mut socket, _) = other.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut socket, b"SSH-2.0-OpenSSH_9.9\r\n")
                .await
                .unwrap();
            socket
        });
        let config = Config::new("127.0.0.1", "me").with_port(port);
        let error = Connection::connect(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        drop(banner.await.unwrap());
    });
}

#[test]
fn settings_reach_the_session() {
    with_database(async |database| {
        let config = Config::parse(&database.url())
            .unwrap()
            .with_setting("application_name", "a test")
            .with_setting("statement_timeout", "12345ms");
        let mut connection = Connection::connect(&config).await.unwrap();
        let (name, limit): (String, String) = connection
            .query_one(
                "select current_setting('application_name'), current_setting('statement_timeout')",
                (),
            )
            .await
            .unwrap();
        assert_eq!((&*name, &*limit), ("a test", "12345ms"));
    });
}

#[test]
fn a_killed_session_is_told_and_closed() {
    with_database(async |database| {
        let mut connection = connect(&database.url()).await;
        let process = connection.process_id().unwrap();
        database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        // The goodbye may come before or after the next request is written.
        let error = connection.execute("select 1", ()).await.unwrap_err();
        assert!(error.is_fatal(), "{error:?}");
        assert_eq!(error.sqlstate(), Some(SqlState::ADMIN_SHUTDOWN), "{error:?}");
        assert!(connection.is_closed());
        assert!(!connection.is_alive());
        let error = connection.execute("select 1", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    });
}

#[test]
fn an_idle_connection_notices_its_end_without_being_used() {
    with_database(async |database| {
        let mut connection = connect(&database.url()).await;
        assert!(connection.is_alive());
        let process = connection.process_id().unwrap();
        database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        let gone = async {
            while connection.is_alive() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    });
}

#[test]
fn the_future_of_connecting_is_small() {
    let config = Config::new("localhost", "anna");
    // What it takes lies on the heap, once, and is not moved about with whatever awaits it.
    let connecting = Connection::connect(&config);
    assert!(size_of_val(&connecting) <= 128, "{}", size_of_val(&connecting));
}

#[test]
fn over_a_given_stream_the_session_is_of_the_kind_that_is_wanted() {
    use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    with_database(async |database| {
        let config = Config::parse(&database.tcp_url()).unwrap();
        let Host::Tcp(host) = config.host().clone() else { panic!("{config:?}") };
        let port = config.port();
        let over = async |config: &Config| {
            let stream = tokio::net::TcpStream::connect((&*host, port)).await.unwrap();
            Connection::over(stream, config).await
        };
        for (wanted, is_had) in [
            (Any, true),
            (ReadWrite, true),
            (ReadOnly, false),
            (Primary, true),
            (Standby, false),
            (PreferStandby, true),
        ] {
            match over(&config.clone().with_target_session_attrs(wanted)).await {
                Ok(mut connection) => {
                    assert!(is_had, "{wanted}");
                    let one = connection.query_one::<(i32,)>("select 1", ()).await.unwrap();
                    assert_eq!(one, (1,));
                }
                Err(error) => {
                    assert!(!is_had, "{wanted}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Connect);
                    let told = error.to_string();
                    assert!(told.contains(&format!("target_session_attrs={wanted}")), "{told}");
                }
            }
        }
        // What the session is, the server says.
        let read_only = config.with_setting("default_transaction_read_only", "on");
        over(&read_only.clone().with_target_session_attrs(ReadOnly)).await.unwrap();
        over(&read_only.with_target_session_attrs(ReadWrite)).await.unwrap_err();
    });
}
