//! Makes the golden traces in `tests/data/traces`: sessions of libpq, with the trace that libpq itself wrote of them.
//!
//! ```sh
//! pip install 'psycopg[binary]'
//! cargo run -p stellata-tests --example trace
//! ```

#![allow(clippy::print_stdout, reason = "a command tells what it has done")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use stellata_testkit::{Database, MD5_USER, PASSWORD, PASSWORD_USER, Proxy, SCRAM_USER, Server};

/// The file's name, the session in `trace.py`, the user, and what else stands in the connection string.
const TRACES: [(&str, &str, &str, &str); 13] = [
    ("simple", "simple", "postgres", ""),
    ("errors", "errors", "postgres", ""),
    ("extended", "extended", "postgres", ""),
    ("pipeline", "pipeline", "postgres", ""),
    ("copy", "copy", "postgres", ""),
    ("asynchronous", "asynchronous", "postgres", ""),
    ("login-password", "login", PASSWORD_USER, ""),
    ("login-md5", "login", MD5_USER, ""),
    ("login-scram", "login", SCRAM_USER, ""),
    ("login-refused", "login", SCRAM_USER, "password=wrong"),
    ("login-negotiated", "login", "postgres", "max_protocol_version=3.2"),
    ("login-tls-refused", "login", "postgres", "sslmode=prefer"),
    ("login-nowhere", "login", "postgres", "dbname=nowhere_to_be_found"),
];

fn main() {
    let server = Server::shared().unwrap();
    assert!(server.is_own(), "the traces are made with a server of the testkit's own");
    let database = Database::create(server).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/traces");
    for (name, session, user, more) in TRACES {
        let proxy = Proxy::start(server.tcp()).unwrap();
        proxy.set_keeping(true);
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        let connection = format!(
            "host=127.0.0.1 port={} user={user} dbname={} password='{password}' sslmode=disable \
             gssencmode=disable connect_timeout=30 application_name=trace {more}",
            proxy.port(),
            database.name(),
        );
        let status = Command::new("python3")
            .arg(folder.join("trace.py"))
            .arg(session)
            .arg(folder.join(name).with_extension("trace"))
            .arg(connection)
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
        // The proxy may be a moment behind.
        std::thread::sleep(Duration::from_millis(200));
        let recordings = proxy.recordings();
        assert_eq!(recordings.len(), 1, "{name} took several connections");
        recordings[0].write(folder.join(name).with_extension("bin")).unwrap();
        println!("{name}: {} pieces", recordings[0].pieces().count());
    }
}
