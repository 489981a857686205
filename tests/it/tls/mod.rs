//! Encryption from the wire up: real certificates, a real server, and servers that play false.

mod stage;
mod binding;
mod broken;
mod certificates;
mod matrix;
mod modes;
mod server;
mod lanes;
mod system_roots;
mod middleman;
mod stream;
mod tampered;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use stellata_client::{Config, Pem, SslMode, TlsSettings};
use stellata_testkit::{Authority, Certificate, KeyKind, Leaf};

/// Whoever signs for the servers of these tests.
static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::new("the root of the tests", KeyKind::P256));

/// A certificate that nothing is wrong with.
static GOOD: LazyLock<Certificate> =
    LazyLock::new(|| AUTHORITY.issue(&Leaf::new(&["localhost", "127.0.0.1"])));

/// Settings for this mode that trust the authority.
fn trusting(mode: SslMode) -> TlsSettings {
    TlsSettings::new(mode).with_roots(Pem::text(AUTHORITY.pem()))
}

fn config(port: u16, tls: TlsSettings) -> Config {
    Config::new("localhost", "me").with_port(port).with_database("scripted").with_tls(tls)
}

/// A folder for files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stellata-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file that its owner alone may read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
