//! The roots that the system trusts, by a file that stands for them. They are read once in a process and found by its
//! environment, so that each try is a process of its own.

use std::path::Path;
use std::process::Command;

use stellata_client::{Connection, ErrorKind, SslMode, TlsSettings};
use stellata_testkit::{Authority, KeyKind};

use super::stage::{Part, Stage};
use super::{AUTHORITY, Folder, GOOD, config};

/// Where the process that tries finds the port, and tells that it is the one.
const PORT: &str = "STELLATA_TEST_TRUSTING_PORT";

/// What the process tells.
const OUTCOME: &str = "outcome: ";

#[test]
#[ignore = "the other test runs this one as a process of its own"]
fn trusting_process() {
    use std::io::Write;
    let Ok(port) = std::env::var(PORT) else { return };
    let port = port.parse().unwrap();
    let connect = |tls| stellata_testkit::run(Connection::connect(&config(port, tls)));
    for tls in [
        TlsSettings::new(SslMode::VerifyFull),
        TlsSettings::new(SslMode::VerifyFull).with_system_roots(),
    ] {
        let told = match connect(tls) {
            Ok(connection) if connection.is_encrypted() => "encrypted".to_owned(),
            Ok(_) => "in plain".to_owned(),
            Err(error) if error.kind() == ErrorKind::Tls => "refused".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        writeln!(std::io::stdout(), "\n{OUTCOME}{told}").unwrap();
    }
}

/// What comes of connecting where the system trusts the roots in this file.
fn trying(roots: &Path, port: u16) -> Vec<String> {
    let tried = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::system_roots::trusting_process", "--ignored", "--nocapture"])
        .env(PORT, port.to_string())
        .env("SSL_CERT_FILE", roots)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let told = String::from_utf8(tried.stdout).unwrap();
    told.lines().filter_map(|line| line.strip_prefix(OUTCOME)).map(str::to_owned).collect()
}

#[test]
fn a_server_that_the_systems_roots_vouch_for_is_trusted_and_another_is_not() {
    let folder = Folder::new("system");
    let ours = folder.write("ours.pem", AUTHORITY.pem());
    let other = Authority::new("a root of somebody else", KeyKind::P256);
    let theirs = folder.write("theirs.pem", other.pem());
    stellata_testkit::run(async {
        let stage = Stage::start(Part::new(&GOOD)).await;
        let port = stage.port;
        for (roots, outcome) in [(ours, "encrypted"), (theirs, "refused")] {
            let told = tokio::task::spawn_blocking(move || trying(&roots, port)).await.unwrap();
            assert_eq!(told, [outcome, outcome]);
        }
        assert_eq!(stage.trace().matches("plain").count(), 0);
    });
}
