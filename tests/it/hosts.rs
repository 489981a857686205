//! Several hosts and addresses, and which of them is taken.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use stellata_client::{
    Config, Connection, Endpoint, Error, ErrorKind, Host, LoadBalanceHosts, SqlState, SslMode,
    TargetSessionAttrs, TlsSettings,
};
use stellata_testkit::{
    Database, PASSWORD, PASSWORD_USER, SCRAM_USER, Server, ServerOptions, Shutdown, run,
    with_database,
};

/// A port where nobody listens. It is held for as long as the process lives, so that nobody else gets it.
fn dead_port() -> u16 {
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = bound.local_addr().unwrap().port();
    std::mem::forget(bound);
    port
}

/// A port where somebody listens who never answers.
fn silent() -> (std::net::TcpListener, u16) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn at(ports: &[u16]) -> Config {
    let mut config =
        Config::new("127.0.0.1", "postgres").with_port(ports[0]).with_database("postgres");
    for port in &ports[1..] {
        config = config.with_endpoint(Endpoint::new("127.0.0.1", *port));
    }
    config
}

/// With the password that the superuser of a server needs, if any.
fn for_server(server: &Server, config: Config) -> Config {
    match server.tcp().password() {
        Some(password) => config.with_password(password),
        None => config,
    }
}

async fn port_of(connection: &mut Connection) -> u16 {
    let (port,): (i32,) = connection.query_one("select inet_server_port()", ()).await.unwrap();
    u16::try_from(port).unwrap()
}

async fn refusal(config: &Config) -> Error {
    Connection::connect(config).await.unwrap_err()
}

/// A server of its own, unless the tests run against one that is not ours.
fn own_server(options: ServerOptions) -> Server {
    Server::start(options).unwrap()
}

#[test]
fn the_next_host_is_tried_when_one_can_not_be_reached() {
    let server = Server::shared().unwrap();
    with_database(async |database: &Database| {
        let (_listener, silent) = silent();
        let url = database.tcp().url(database.name());
        let there = Config::parse(&url).unwrap();
        let user = there.user().to_owned();
        let config = for_server(server, at(&[dead_port(), silent, server.port()]))
            .with_user(&user)
            .with_database(database.name())
            .with_connect_timeout(Duration::from_secs(2));
        let config = match server.is_own() {
            true => config,
            false => return stellata_testkit::skip("DATABASE_URL may name another machine"),
        };
        let mut connection = Connection::connect(&config).await.unwrap();
        assert_eq!(port_of(&mut connection).await, server.port());
    });
}

#[test]
fn all_attempts_are_told_in_order() {
    run(async {
        let (_listener, silent) = silent();
        let (first, last) = (dead_port(), dead_port());
        let config = at(&[first, silent])
            .with_endpoint(Endpoint::new("/nowhere", 7))
            .with_endpoint(Endpoint::new("@stellata-nobody", 7))
            .with_endpoint(Endpoint::new("no.such.host.invalid", 7))
            .with_endpoint(Endpoint::new("127.0.0.1", last))
            // Nobody knows how long it takes to learn that there is no such host.
            .with_connect_timeout(Duration::from_secs(10));
        let error = refusal(&config).await;
        assert_eq!(error.kind(), ErrorKind::Connect);
        let kinds: Vec<ErrorKind> = error.attempts().iter().map(Error::kind).collect();
        assert_eq!(kinds.len(), 6, "{error}");
        assert_eq!(kinds[1], ErrorKind::Timeout, "{error}");
        let told = error.to_string();
        let places = [
            format!("1. no connection to 127.0.0.1:{first}"),
            format!("2. 127.0.0.1:{silent}"),
            "3. no connection to /nowhere/.s.PGSQL.7".to_owned(),
            "4. no connection to @stellata-nobody/.s.PGSQL.7".to_owned(),
            "5. the host no.such.host.invalid is not found".to_owned(),
            format!("6. no connection to 127.0.0.1:{last}"),
        ];
        let mut rest = &*told;
        for place in &places {
            let begin = rest.find(place).unwrap_or_else(|| panic!("{place} is not next in {told}"));
            rest = &rest[begin + place.len()..];
        }
        assert_eq!(told.lines().count(), 1);
        assert_eq!(format!("{error:#}").lines().count(), 7, "{error:#}");
    });
}

#[test]
fn a_single_attempt_is_told_as_it_is() {
    run(async {
        let error = refusal(&at(&[dead_port()])).await;
        assert!(error.attempts().is_empty());
        assert!(error.to_string().starts_with("no connection to 127.0.0.1:"), "{error}");
    });
}

#[test]
fn a_server_that_refuses_the_login_ends_the_search() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip(
            "DATABASE_URL names a server whose login rules are not known",
        );
    }
    run(async {
        // A wrong password: the server behind it must not hear of it.
        let config = at(&[dead_port(), server.port(), dead_port()])
            .with_user(SCRAM_USER)
            .with_password("wrong");
        let error = refusal(&config).await;
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(error.sqlstate(), Some(SqlState::INVALID_PASSWORD));
        assert_eq!(error.attempts().len(), 2, "{error}");
        // Nor is a password sent in clear to the second when the first must not have it.
        let config = at(&[server.port(), server.port()])
            .with_user(PASSWORD_USER)
            .with_password(PASSWORD)
            .with_tls(TlsSettings::new(SslMode::Disable));
        let error = refusal(&config).await;
        assert!(error.attempts().is_empty(), "{error}");
        assert!(error.to_string().contains("clear text"), "{error}");
    });
}

#[test]
fn the_next_host_keeps_the_same_security() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip("DATABASE_URL names a server that may speak TLS");
    }
    run(async {
        // The server does not speak TLS: with `require` it is refused, first or second.
        for ports in [&[server.port(), server.port()][..], &[dead_port(), server.port()]] {
            let config = at(ports).with_tls(TlsSettings::new(SslMode::Require));
            let error = refusal(&config).await;
            assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
        }
    });
}

#[test]
fn a_server_is_taken_for_what_it_is() {
    use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    let writable = own_server(ServerOptions::new());
    let read_only = own_server(ServerOptions::new());
    // Not from the beginning: the kit makes its roles first.
    read_only.stop(Shutdown::Fast).unwrap();
    let settings = read_only.data_dir().unwrap().join("postgresql.conf");
    let mut settings = std::fs::OpenOptions::new().append(true).open(settings).unwrap();
    settings.write_all(b"default_transaction_read_only = on\n").unwrap();
    read_only.start_again().unwrap();
    run(async {
        let both = [read_only.port(), writable.port()];
        for (wanted, ports, taken) in [
            (Any, both, Some(read_only.port())),
            (ReadWrite, both, Some(writable.port())),
            (ReadOnly, both, Some(read_only.port())),
            (ReadOnly, [writable.port(), read_only.port()], Some(read_only.port())),
            (Primary, both, Some(read_only.port())),
            (Standby, both, None),
            (PreferStandby, both, Some(read_only.port())),
            (ReadWrite, [read_only.port(), read_only.port()], None),
            (ReadOnly, [writable.port(), writable.port()], None),
        ] {
            let config = at(&ports).with_target_session_attrs(wanted);
            match (Connection::connect(&config).await, taken) {
                (Ok(mut connection), Some(port)) => {
                    assert!(!connection.is_changed());
                    assert_eq!(port_of(&mut connection).await, port, "{wanted} of {ports:?}");
                }
                (Err(error), None) => {
                    assert_eq!(error.kind(), ErrorKind::Connect);
                    assert_eq!(error.attempts().len(), 2, "{error}");
                    let told = error.to_string();
                    assert!(told.contains(&format!("target_session_attrs={wanted}")), "{told}");
                }
                (got, _) => panic!("{wanted} of {ports:?}: {got:?}, not {taken:?}"),
            }
        }
    });
}

#[test]
fn a_standby_is_told_from_a_primary() {
    use TargetSessionAttrs::{PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    let primary = own_server(ServerOptions::new());
    let standby = own_server(ServerOptions::new().setting("hot_standby", "on"));
    // A server that recovers and has nobody to recover from is a standby as good as any.
    standby.stop(Shutdown::Fast).unwrap();
    std::fs::write(standby.data_dir().unwrap().join("standby.signal"), "").unwrap();
    standby.start_again().unwrap();
    run(async {
        let both = [primary.port(), standby.port()];
        let other = [standby.port(), primary.port()];
        for (wanted, ports, taken) in [
            (Primary, other, primary.port()),
            (ReadWrite, other, primary.port()),
            (Standby, both, standby.port()),
            (ReadOnly, both, standby.port()),
            (PreferStandby, both, standby.port()),
            (PreferStandby, [dead_port(), primary.port()], primary.port()),
        ] {
            let config = at(&ports).with_target_session_attrs(wanted);
            let mut connection = Connection::connect(&config).await.unwrap();
            assert_eq!(port_of(&mut connection).await, taken, "{wanted} of {ports:?}");
        }
    });
}

#[test]
fn random_order_spreads_the_connections() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip("DATABASE_URL may name another machine");
    }
    let folder = server.socket_dir().unwrap().to_str().unwrap().to_owned();
    run(async {
        let config = for_server(server, at(&[server.port()]))
            .with_endpoint(Endpoint::new(&folder, server.port()))
            .with_load_balance_hosts(LoadBalanceHosts::Random);
        let mut by_socket = 0;
        for _ in 0..30 {
            let mut connection = Connection::connect(&config).await.unwrap();
            let (port,): (Option<i32>,) =
                connection.query_one("select inet_server_port()", ()).await.unwrap();
            by_socket += usize::from(port.is_none());
        }
        // All the same by chance once in 500 million runs.
        assert!((1..30).contains(&by_socket), "{by_socket} of 30");
    });
}

#[test]
fn an_address_stands_in_for_the_look_up() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip("DATABASE_URL may name another machine");
    }
    run(async {
        let place = Endpoint::new("no.such.host.invalid", server.port())
            .with_address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = for_server(server, at(&[dead_port()])).with_endpoint(place);
        let mut connection = Connection::connect(&config).await.unwrap();
        assert_eq!(port_of(&mut connection).await, server.port());
    });
}

#[test]
fn an_abstract_socket_is_reached_and_its_server_known() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("stellata-{}/.s.PGSQL.5432", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    run(async {
        let listener = tokio::net::UnixListener::from_std(listener).unwrap();
        let config = Config::new(&format!("@stellata-{}", std::process::id()), "me")
            .with_connect_timeout(Duration::from_secs(5));
        assert!(matches!(config.host(), Host::Abstract(_)));
        let accept = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 8];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first).await.unwrap();
            first
        };
        // The first message is the start of a session: over a unix socket TLS is not asked for.
        let (first, error) = tokio::join!(accept, refusal(&config));
        assert_eq!(first[4..], [0, 3, 0, 0]);
        assert!(error.is_fatal(), "{error:?}");

        let config = config.with_require_peer("nobody-of-that-name");
        let error = refusal(&config).await;
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("nobody-of-that-name"), "{error}");
    });
}

#[test]
fn the_account_of_a_server_behind_a_socket_is_looked_at() {
    let server = own_server(ServerOptions::new());
    let folder = server.socket_dir().unwrap().to_str().unwrap().to_owned();
    let owner = {
        use std::os::unix::fs::MetadataExt;
        let number = std::fs::metadata(server.data_dir().unwrap()).unwrap().uid();
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
        let line =
            accounts.lines().find(|line| line.split(':').nth(2) == Some(&number.to_string()));
        line.and_then(|line| line.split(':').next()).map(str::to_owned)
    };
    let Some(owner) = owner else {
        return stellata_testkit::skip("the server's account has no name here");
    };
    run(async {
        let config = Config::new(&folder, "postgres").with_port(server.port());
        Connection::connect(&config.clone().with_require_peer(&owner)).await.unwrap();
        let error = refusal(&config.with_require_peer("somebody-else")).await;
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains(&owner), "{error}");
    });
}
