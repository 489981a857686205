//! A throwaway server starts, answers, stops, and leaves nothing behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use stellata_testkit::sql::{self, Session};
use stellata_testkit::{
    MD5_USER, PASSWORD, PASSWORD_USER, SCRAM_USER, Server, ServerOptions, Shutdown,
};

fn own() -> Server {
    Server::start(ServerOptions::new()).unwrap()
}

fn one(server: &Server, sql: &str) -> String {
    let rows = sql::run(server.endpoint(), "postgres", sql).unwrap();
    rows.into_iter().flatten().flatten().next().unwrap()
}

/// Whether a process ends; all it held is already gone, its entry in the table may take a moment.
fn ends(process: u32) -> bool {
    let entry = PathBuf::from(format!("/proc/{process}"));
    let begun = Instant::now();
    while entry.exists() && begun.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(5));
    }
    !entry.exists()
}

#[test]
fn it_answers_by_socket_and_by_tcp() {
    let server = own();
    assert!(server.is_own());
    assert_eq!(one(&server, "show server_version_num"), server.version_number().to_string());
    assert_eq!(server.version(), server.version_number() / 10_000);
    assert_eq!(one(&server, "select current_user"), server.superuser());
    assert_eq!(one(&server, "show server_encoding"), "UTF8");
    let socket = server.endpoint().socket().unwrap();
    assert!(socket.starts_with(server.socket_dir().unwrap()));
    assert!(socket.as_os_str().len() <= 107);
    let rows = sql::run(server.tcp(), "postgres", "select inet_server_port()").unwrap();
    assert_eq!(rows, [[Some(server.port().to_string())]]);
}

#[test]
fn it_is_made_for_speed_and_for_replication() {
    let server = own();
    for (setting, value) in [
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("autovacuum", "off"),
        ("wal_level", "logical"),
        ("max_connections", "200"),
    ] {
        assert_eq!(one(&server, &format!("show {setting}")), value, "{setting}");
    }
}

#[test]
fn passwords_are_asked_for_as_the_rules_say() {
    let server = own();
    for (user, stored) in [(MD5_USER, "md5%"), (SCRAM_USER, "SCRAM%"), (PASSWORD_USER, "SCRAM%")] {
        let log_in = |password| {
            Session::connect(&server.tcp().with_user(user, password), "postgres")?
                .run("select current_user")
        };
        assert_eq!(log_in(Some(PASSWORD)).unwrap(), [[Some(user.to_owned())]]);
        assert_eq!(log_in(Some("wrong")).unwrap_err().code(), Some("28P01"), "{user}");
        assert!(log_in(None).unwrap_err().to_string().contains("asks for a password"), "{user}");
        let stored =
            format!("select rolpassword like '{stored}' from pg_authid where rolname = '{user}'");
        assert_eq!(one(&server, &stored), "t", "{user}");
    }
}

#[test]
fn options_are_obeyed() {
    let server = Server::start(
        ServerOptions::new()
            .setting("work_mem", "5MB")
            .setting("application_name", "it's quoted")
            .setting("max_connections", "50")
            .login_rule("host all refused all reject")
            .file("greeting", "hello"),
    )
    .unwrap();
    assert_eq!(one(&server, "show work_mem"), "5MB");
    assert_eq!(one(&server, "show application_name"), "it's quoted");
    assert_eq!(one(&server, "show max_connections"), "50");
    assert_eq!(one(&server, "select pg_read_file('greeting')"), "hello");
    one(&server, "create role refused login; select 1");
    let refused = sql::run(&server.tcp().with_user("refused", None), "postgres", "select 1");
    assert_eq!(refused.unwrap_err().code(), Some("28000"));
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let begun = Instant::now();
    let refused = Server::start(ServerOptions::new().setting("no_such_setting", "1"));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("unrecognized configuration parameter"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn every_way_to_stop_and_start_again_keeps_the_data() {
    let server = own();
    one(&server, "create table kept (n int); select 1");
    for (n, how) in [Shutdown::Smart, Shutdown::Fast, Shutdown::Immediate, Shutdown::Kill]
        .into_iter()
        .enumerate()
    {
        // Without this a crash may lose what was just committed, as synchronous_commit is off.
        let insert =
            format!("set synchronous_commit = on; insert into kept values ({n}); select 1");
        one(&server, &insert);
        let process = server.process().unwrap();
        server.stop(how).unwrap();
        assert_eq!(server.process(), None);
        // Not even as a process that has ended and nobody has looked at: it would seem to run.
        assert!(!PathBuf::from(format!("/proc/{process}")).exists(), "{how:?}");
        assert!(sql::run(server.endpoint(), "postgres", "select 1").is_err());
        server.stop(how).unwrap();
        server.start_again().unwrap();
        server.start_again().unwrap();
        assert_eq!(one(&server, "select count(*) from kept"), (n + 1).to_string(), "{how:?}");
    }
    assert!(server.log().contains("database system was not properly shut down"));
}

#[test]
fn restarting_ends_the_sessions() {
    let server = own();
    let mut session = Session::connect(server.tcp(), "postgres").unwrap();
    session.run("select 1").unwrap();
    let port = server.port();
    server.restart(Shutdown::Fast).unwrap();
    assert!(session.run("select 1").is_err());
    assert_eq!(server.port(), port);
    assert_eq!(one(&server, "select 1"), "1");
}

#[test]
fn nothing_is_left_of_a_dropped_server() {
    for stop_first in [None, Some(Shutdown::Fast), Some(Shutdown::Kill)] {
        let server = own();
        let folders: Vec<PathBuf> = vec![
            server.data_dir().unwrap().parent().unwrap().to_owned(),
            server.socket_dir().unwrap().to_owned(),
        ];
        let process = server.process().unwrap();
        let pid_file = std::fs::read_to_string(server.data_dir().unwrap().join("postmaster.pid"));
        let segment = pid_file.unwrap().lines().nth(6).unwrap().to_owned();
        let segment = segment.split_whitespace().last().unwrap().to_owned();
        assert!(segments().contains(&segment));
        let mut busy = Session::connect(server.endpoint(), "postgres").unwrap();
        busy.run("create temporary table t as select 1").unwrap();
        if let Some(how) = stop_first {
            server.stop(how).unwrap();
        }
        drop(server);
        assert!(ends(process), "{stop_first:?}");
        assert!(!segments().contains(&segment), "{stop_first:?}");
        for folder in &folders {
            assert!(!folder.exists(), "{stop_first:?}: {}", folder.display());
        }
    }
}

#[test]
fn servers_can_be_started_side_by_side() {
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(own)).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for server in &servers {
        assert_eq!(one(server, "select 1"), "1");
        let same = servers.iter().filter(|other| other.port() == server.port());
        assert_eq!(same.count(), 1);
    }
}

#[test]
fn the_shared_server_is_started_once() {
    let first = Server::shared().unwrap();
    assert!(std::ptr::eq(first, Server::shared().unwrap()));
    assert_eq!(
        sql::run(first.endpoint(), first.maintenance_database(), "select 1").unwrap(),
        [[Some("1".to_owned())]]
    );
}

/// The numbers of all System V shared memory segments of this machine.
fn segments() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let second = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    table.lines().skip(1).filter_map(second).collect()
}
