//! PgBouncer stands in front of a server, in the mode it was asked for, and leaves nothing behind.

use std::path::PathBuf;
use stellata_testkit::sql::{self, Session};
use stellata_testkit::{Bouncer, BouncerOptions, Database, PASSWORD, SCRAM_USER, Server, skip};

fn one(session: &mut Session, sql: &str) -> String {
    session.run(sql).unwrap().into_iter().flatten().flatten().next_back().unwrap()
}

/// All that are here, the installed one and the one that was fetched.
fn all() -> Vec<BouncerOptions> {
    let found: Vec<_> =
        BouncerOptions::find().into_iter().chain(BouncerOptions::find_tracking()).collect();
    if found.is_empty() {
        skip("PgBouncer is not here");
    }
    found
}

#[test]
fn transactions_share_a_backend() {
    for options in all() {
        let database = Database::create(Server::shared().unwrap()).unwrap();
        let options = options.setting("default_pool_size", "1");
        let bouncer = Bouncer::start(Server::shared().unwrap(), options).unwrap();
        let connect = || Session::connect(bouncer.tcp(), database.name()).unwrap();
        let (mut first, mut second) = (connect(), connect());
        let backend = "select pg_backend_pid()";
        assert_eq!(one(&mut first, backend), one(&mut second, backend));
        // In a transaction the backend is one's own.
        first.run("begin").unwrap();
        let waiting = std::thread::spawn(move || one(&mut second, backend));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        let own = one(&mut first, backend);
        first.run("commit").unwrap();
        assert_eq!(waiting.join().unwrap(), own);
        let pools = bouncer.admin("show pools").unwrap();
        assert!(pools.iter().any(|pool| pool[0].as_deref() == Some(database.name())));
    }
}

#[test]
fn it_is_the_version_that_it_says() {
    for options in all() {
        let version = options.version();
        let bouncer = Bouncer::start(Server::shared().unwrap(), options).unwrap();
        assert_eq!(bouncer.version(), version);
        let said = bouncer.admin("show config").unwrap();
        let tracks = said.iter().any(|row| row[0].as_deref() == Some("max_prepared_statements"));
        assert_eq!(tracks, version >= (1, 21));
        assert_eq!(
            sql::run(bouncer.tcp(), "postgres", "select 1").unwrap(),
            [[Some("1".to_owned())]]
        );
        assert!(bouncer.url("x").starts_with("postgres://postgres@127.0.0.1:"));
    }
    if BouncerOptions::find_tracking().is_none() {
        skip("a PgBouncer that follows prepared statements is not here");
    }
}

#[test]
fn it_asks_for_passwords_when_told_to() {
    for options in all() {
        let options = options.setting("auth_type", "scram-sha-256");
        let bouncer = Bouncer::start(Server::shared().unwrap(), options).unwrap();
        let log_in = |password| {
            Session::connect(&bouncer.tcp().with_user(SCRAM_USER, password), "postgres")?
                .run("select current_user")
        };
        assert_eq!(log_in(Some(PASSWORD)).unwrap(), [[Some(SCRAM_USER.to_owned())]]);
        assert!(log_in(Some("wrong")).is_err());
    }
}

#[test]
fn a_pooler_that_does_not_start_shows_its_log() {
    for options in all() {
        let options = options.setting("pool_mode", "none at all");
        let message = Bouncer::start(Server::shared().unwrap(), options).unwrap_err().to_string();
        assert!(message.contains("pool_mode"), "{message}");
    }
}

#[test]
fn nothing_is_left_of_a_dropped_pooler() {
    for options in all() {
        let bouncer = Bouncer::start(Server::shared().unwrap(), options).unwrap();
        let process = bouncer.process().unwrap();
        let command = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
        let configuration = command.split('\0').rfind(|word| word.ends_with(".ini")).unwrap();
        let folder = PathBuf::from(configuration).parent().unwrap().parent().unwrap().to_owned();
        assert!(folder.exists());
        let mut busy = Session::connect(bouncer.tcp(), "postgres").unwrap();
        busy.run("begin").unwrap();
        drop(bouncer);
        assert!(!folder.exists());
        assert!(busy.run("select 1").is_err());
    }
}
