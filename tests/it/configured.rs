//! What a configuration says beside the place: limits, probes, passwords, settings of the session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stellata_client::{
    Config, Connection, Endpoint, Error, ErrorKind, Keepalive, PhaseLimits, ProtocolVersion,
    SqlState, SslMode, TlsSettings,
};
use stellata_testkit::{Database, PASSWORD, SCRAM_USER, SECRET, Server, run, with_database};

fn at(port: u16) -> Config {
    Config::new("127.0.0.1", "postgres").with_port(port).with_database("postgres")
}

async fn refusal(config: &Config) -> Error {
    Connection::connect(config).await.unwrap_err()
}

#[test]
fn each_part_of_connecting_has_its_limit() {
    run(async {
        // Somebody listens who never answers.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let plain = at(port).with_tls(TlsSettings::new(SslMode::Disable));
        let short = Duration::from_millis(50);
        for (config, part) in [
            (plain.clone().with_phase_limits(PhaseLimits::new().with_login(short)), "the login"),
            (at(port).with_phase_limits(PhaseLimits::new().with_tls(short)), "agreeing on TLS"),
            (plain.with_connect_timeout(short), "connecting and logging in"),
        ] {
            let begun = Instant::now();
            let error = refusal(&config).await;
            assert_eq!(error.kind(), ErrorKind::Timeout);
            let told = error.to_string();
            assert!(told.contains(part) && told.contains("50ms"), "{told}");
            // Far below the limit of the whole attempt, however busy the machine is.
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn reaching_an_address_has_a_limit_of_its_own() {
    run(async {
        // A listener whose queue is full: whoever wants to connect hears nothing.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let full = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        loop {
            let limit = Duration::from_secs(1);
            match tokio::time::timeout(limit, tokio::net::TcpStream::connect(full)).await {
                Ok(connected) => waiting.push(connected.unwrap()),
                Err(_) => break,
            }
            assert!(waiting.len() < 64, "the queue does not get full");
        }
        let short = Duration::from_millis(50);
        let begun = Instant::now();
        for config in [
            at(full.port()).with_tls(TlsSettings::new(SslMode::Disable)),
            at(full.port()).with_tls(TlsSettings::new(SslMode::Prefer)),
        ] {
            let config = config.with_phase_limits(PhaseLimits::new().with_reach(short));
            let error = refusal(&config).await;
            assert_eq!(error.kind(), ErrorKind::Timeout);
            let told = error.to_string();
            assert!(told.contains("reaching it took longer than 50ms"), "{told}");
            // The limit is that of one address: the next has its own.
            let second = Endpoint::new("127.0.0.1", full.port());
            let error = refusal(&config.with_endpoint(second)).await;
            assert_eq!(error.attempts().len(), 2, "{error}");
        }
        // Far below the limit of the whole attempt, however busy the machine is.
        assert!(begun.elapsed() < Duration::from_secs(10));
        drop(waiting);
    });
}

/// What the system says of the TCP connection from a port of ours: its timer and times, by `/proc/net/tcp`.
fn timer(from: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let from = format!(":{from:04X}");
    let line = table.lines().find(|line| {
        line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&from))
    })?;
    line.split_whitespace().nth(5).map(str::to_owned)
}

#[test]
fn an_idle_connection_is_probed() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip("DATABASE_URL may name another machine");
    }
    run(async {
        let often = Keepalive::new().with_idle(Duration::from_secs(60));
        for (keepalive, kind) in [(Some(often), "02"), (None, "00")] {
            let config = Config::parse(&server.tcp_url("postgres"))
                .unwrap()
                .with_keepalive(keepalive)
                .with_tcp_user_timeout(Some(Duration::from_secs(30)));
            let mut connection = Connection::connect(&config).await.unwrap();
            let (from,): (i32,) =
                connection.query_one("select inet_client_port()", ()).await.unwrap();
            let from = u16::try_from(from).unwrap();
            // The acknowledgement of the answer may still be due; then the timer is that of it.
            let mut timer_now = timer(from);
            for _ in 0..100 {
                if timer_now.as_deref().is_some_and(|timer| timer.starts_with(kind)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                timer_now = timer(from);
            }
            let shown = timer_now.unwrap();
            assert!(shown.starts_with(kind), "{keepalive:?}: {shown}");
            if kind == "02" {
                // In hundredths of a second.
                let left = u64::from_str_radix(shown.split(':').nth(1).unwrap(), 16).unwrap();
                assert!((1..=6100).contains(&left), "{left}");
            }
        }
    });
}

#[test]
fn a_provider_is_asked_for_the_password_of_each_login() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip(
            "DATABASE_URL names a server whose login rules are not known",
        );
    }
    run(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let config = at(server.port())
            .with_user(SCRAM_USER)
            .with_password("not this one")
            .with_password_provider(move |request| {
                counter.fetch_add(1, Ordering::SeqCst);
                async move {
                    assert_eq!(request.user, SCRAM_USER);
                    assert_eq!(request.database, "postgres");
                    assert_ne!(request.endpoint.port(), 0);
                    Ok::<_, std::io::Error>(PASSWORD.to_owned())
                }
            });
        for times in 1..=2 {
            Connection::connect(&config).await.unwrap();
            assert_eq!(asked.load(Ordering::SeqCst), times);
        }
    });
}

#[test]
fn a_provider_that_fails_is_the_error_of_the_login() {
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip(
            "DATABASE_URL names a server whose login rules are not known",
        );
    }
    run(async {
        let config = at(server.port())
            .with_user(SCRAM_USER)
            .with_endpoint(Endpoint::new("127.0.0.1", server.port()))
            .with_password_provider(async |_| Err(std::io::Error::other("the vault is sealed")));
        let error = refusal(&config).await;
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("the vault is sealed"), "{error}");
        assert!(error.attempts().is_empty());
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.downcast_ref::<std::io::Error>().is_some());
        // A provider that never answers meets the limit of the login.
        let config = at(server.port())
            .with_user(SCRAM_USER)
            .with_password_provider(async |_| std::future::pending::<Result<String, Error>>().await)
            .with_phase_limits(PhaseLimits::new().with_login(Duration::from_millis(50)));
        assert_eq!(refusal(&config).await.kind(), ErrorKind::Timeout);
    });
}

#[test]
fn a_password_from_a_file_is_named_when_it_is_wrong() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip(
            "DATABASE_URL names a server whose login rules are not known",
        );
    }
    let file = std::env::temp_dir().join(format!("stellata-pgpass-{}", std::process::id()));
    let path = file.to_str().unwrap().to_owned();
    let write = |text: &str, mode| {
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let escaped = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    let text = format!("host=127.0.0.1 port={} user={SCRAM_USER} dbname=postgres", server.port());
    let surroundings = |name: &str| (name == "PGPASSFILE").then(|| path.clone());
    let connect = || {
        let config = Config::parse_with(&text, &surroundings).unwrap();
        run(Connection::connect(&config))
    };
    write(&format!("127.0.0.1:*:*:{SCRAM_USER}:{escaped}\n"), 0o600);
    connect().unwrap();
    write(&format!("*:*:*:{SCRAM_USER}:SENTINEL\n"), 0o600);
    let error = connect().unwrap_err();
    assert_eq!(error.sqlstate(), Some(SqlState::INVALID_PASSWORD));
    let told = format!("{error} {error:?} {error:#}");
    assert!(told.contains(&path) && !told.contains("SENTINEL"), "{told}");
    write(&format!("*:*:*:{SCRAM_USER}:{escaped}\n"), 0o644);
    let error = connect().unwrap_err();
    assert!(error.to_string().contains("mode 0600"), "{error}");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn settings_and_options_reach_the_session_whatever_they_hold() {
    with_database(async |database: &Database| {
        let nasty = r#"a 'b' \c "d" = é  -c x	y"#;
        let variables = |name: &str| match name {
            "USER" => Some("postgres".to_owned()),
            "PGTZ" => Some("Asia/Kathmandu".to_owned()),
            "PGOPTIONS" => Some(r"-c my.first=one\ two -c statement_timeout=1s".to_owned()),
            "PGAPPNAME" => Some("from the environment".to_owned()),
            _ => None,
        };
        let config = Config::parse_with(&database.url(), &variables)
            .unwrap()
            .with_option("my.second", nasty)
            .with_option("search_path", "one, two")
            .with_setting("my.third", nasty)
            .with_setting("statement_timeout", "12345ms");
        let mut connection = Connection::connect(&config).await.unwrap();
        for (name, value) in [
            ("my.first", "one two"),
            ("my.second", nasty),
            ("my.third", nasty),
            ("search_path", "one, two"),
            // What is set by name counts more than an option.
            ("statement_timeout", "12345ms"),
            ("TimeZone", "Asia/Kathmandu"),
            ("application_name", "from the environment"),
            ("client_encoding", "UTF8"),
        ] {
            let (found,): (String,) =
                connection.query_one("select current_setting($1)", (name,)).await.unwrap();
            assert_eq!(found, value, "{name}");
        }
    });
}

#[test]
fn a_newer_protocol_is_asked_for_and_may_be_demanded() {
    use ProtocolVersion::{V3_0, V3_2};
    let server = Server::shared().unwrap();
    run(async {
        let newest = Config::parse(&server.tcp_url("postgres")).unwrap();
        let newest = newest.with_protocol_versions(V3_0, V3_2);
        let mut connection = Connection::connect(&newest).await.unwrap();
        connection.execute("select 1", ()).await.unwrap();
        let demanded = newest.with_protocol_versions(V3_2, V3_2);
        match Connection::connect(&demanded).await {
            Ok(_) => assert!(server.version() >= 18),
            Err(error) => {
                assert!(server.version() < 18, "{error}");
                assert!(error.to_string().contains("3.2 is asked for at least"), "{error}");
            }
        }
    });
}

#[test]
fn a_password_stays_out_of_errors_whatever_way_it_came() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::shared().unwrap();
    if !server.is_own() {
        return stellata_testkit::skip(
            "DATABASE_URL names a server whose login rules are not known",
        );
    }
    let home = std::env::temp_dir().join(format!("stellata-home-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let file = home.join("pgpass");
    std::fs::write(&file, format!("*:*:*:*:{SECRET}")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(home.join(".pg_service.conf"), format!("[s]\npassword={SECRET}\n")).unwrap();
    let surroundings = |name: &str| match name {
        "HOME" => home.to_str().map(str::to_owned),
        _ => None,
    };
    let variable = |name: &str| (name == "PGPASSWORD").then(|| SECRET.to_owned());
    let place = format!("host=127.0.0.1 port={} user={SCRAM_USER}", server.port());
    let url = format!("postgres://{SCRAM_USER}:{SECRET}@127.0.0.1:{}/x", server.port());
    let file = format!("{place} passfile={}", file.display());
    let configs = [
        Config::parse_with(&url, &surroundings).unwrap(),
        Config::parse_with(&format!("{place} password={SECRET}"), &surroundings).unwrap(),
        Config::parse_with(&place, &variable).unwrap(),
        Config::parse_with(&file, &surroundings).unwrap(),
        Config::parse_with(&format!("{place} service=s"), &surroundings).unwrap(),
        at(server.port()).with_user(SCRAM_USER).with_password(SECRET),
        at(server.port())
            .with_user(SCRAM_USER)
            .with_password_provider(async |_| Ok::<_, Error>(SECRET.to_owned())),
    ];
    std::fs::remove_dir_all(&home).unwrap();
    run(async {
        for (config, number) in configs.iter().zip(1..) {
            let error = refusal(config).await;
            // The password was sent, and is wrong.
            assert_eq!(error.sqlstate(), Some(SqlState::INVALID_PASSWORD), "{number}: {error}");
            let told = format!("{error} {error:?} {error:#} {config:?} {config:#?}");
            assert!(!told.contains(SECRET), "{number}: {told}");
        }
    });
}
