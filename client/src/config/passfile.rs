//! The password file (manual, "The Password File").

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::defaults;
use crate::config::endpoint::Endpoint;
use crate::platform::{Others, is_open_to};

/// How much of a password file is read.
const LARGEST: usize = 16 << 20;
const LARGEST_READ: u64 = 16 << 20;

/// A password file that is there. It shows itself in no `Debug`.
pub(super) struct PasswordFile {
    path: PathBuf,
    content: Content,
    /// Places that the file does not call by their host: see [`PasswordFile::call`].
    called: Vec<(Endpoint, String)>,
}

enum Content {
    /// It is not used, for this reason.
    Refused(&'static str),
    /// What it holds.
    Lines(Zeroizing<Vec<u8>>),
}

impl PasswordFile {
    /// Reads the file; `None` where it is not there, or can't be read. It must be a plain file that only its owner may use.
    pub(super) fn read(path: PathBuf) -> Option<Self> {
        let content = Content::read(&path)?;
        Some(Self { path, content, called: Vec::new() })
    }

    /// Notes that a place is called so in the file, whatever its port. Only what differs from its host has to be noted.
    pub(super) fn call(&mut self, endpoint: Endpoint, name: String) {
        self.called.push((endpoint, name));
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Why it is not used.
    pub(super) fn refused(&self) -> Option<&'static str> {
        match self.content {
            Content::Refused(reason) => Some(reason),
            Content::Lines(_) => None,
        }
    }

    /// The password for a login: that of the first line that fits.
    pub(super) fn password(
        &self,
        endpoint: &Endpoint,
        database: &str,
        user: &str,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let Content::Lines(lines) = &self.content else { return None };
        let is_same = |other: &Endpoint| {
            (other.host(), other.address()) == (endpoint.host(), endpoint.address())
        };
        let name = match self.called.iter().find(|(other, _)| is_same(other)) {
            Some((_, name)) => name.clone(),
            None => endpoint.host().to_string(),
        };
        // The folders of this machine's servers are called `localhost` there.
        let is_own = defaults::SOCKET_FOLDERS.contains(&name.as_str());
        let host = if is_own { defaults::HOST } else { &name };
        find(lines, &Login { host, port: endpoint.port(), database, user })
    }
}

impl Content {
    fn read(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let about = file.metadata().ok()?;
        if !about.is_file() {
            return Some(Self::Refused("is no plain file"));
        }
        if is_open_to(Others::All, &about) {
            return Some(Self::Refused(
                "may be used by others than its owner (it needs mode 0600)",
            ));
        }
        // Room for all of it and a byte to see the end: a buffer that grew would leave pieces of passwords behind.
        let room = usize::try_from(about.len()).map_or(0, |len| len.saturating_add(1));
        let mut lines = Zeroizing::new(Vec::with_capacity(room.min(LARGEST)));
        file.by_ref().take(LARGEST_READ).read_to_end(&mut lines).ok()?;
        Some(Self::Lines(lines))
    }
}

/// What the lines of a password file are held against.
struct Login<'l> {
    host: &'l str,
    port: u16,
    database: &'l str,
    user: &'l str,
}

/// Lines are `host:port:database:user:password`; a field may be `*`; a backslash stands before a `:` or a backslash that
/// belongs to a field.
fn find(lines: &[u8], login: &Login<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let port = login.port.to_string();
    lines.split(|byte| *byte == b'\n').find_map(|line| {
        let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        let mut rest = line.get(..end).filter(|line| !line.starts_with(b"#"))?;
        for token in [login.host, &port, login.database, login.user] {
            rest = behind(rest, token.as_bytes())?;
        }
        Some(unescape(rest))
    })
}

/// What stands behind the first field, if it is `*` or says the same as `token`.
fn behind<'l>(line: &'l [u8], token: &[u8]) -> Option<&'l [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (mut line, mut token) = (line, token);
    loop {
        let literal = match line {
            [b':', rest @ ..] if token.is_empty() => return Some(rest),
            [b'\\', rest @ ..] => rest,
            _ => line,
        };
        let ([byte, rest @ ..], [wanted, others @ ..]) = (literal, token) else { return None };
        if byte != wanted {
            return None;
        }
        (line, token) = (rest, others);
    }
}

/// The password ends at a `:` or with the line.
fn unescape(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut password = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    loop {
        rest = match rest {
            [] | [b':', ..] => return password,
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                password.push(*byte);
                rest
            }
        };
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::tests::Files;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        const LINES: &[u8] = b"\
# db.example:5432:music:anna:in a remark
db.example:5432:music:anna:one
db.example:5432:music:*:two\r
db.example:5433:*:anna:thr\\:ee\\\\\\x
*:*:*:berta:four:five
\\:\\:1:5432:music:carla:six
::2:5432:music:carla:bare
a\\:b:5432:c\\\\d:*:seven\\
*\\::5432:music:dora:eight
db.example:5432:music:emil
localhost:5432:music:frieda:
*:*:*:*:last";
        for (host, port, database, user, password) in [
            ("db.example", 5432, "music", "anna", "one"),
            ("db.example", 5432, "music", "zoe", "two"),
            ("db.example", 5433, "anything", "anna", "thr:ee\\x"),
            ("elsewhere", 1, "x", "berta", "four"),
            ("::1", 5432, "music", "carla", "six"),
            // As libpq does: a `:` that is not escaped fits one too.
            ("::2", 5432, "music", "carla", "bare"),
            ("a:b", 5432, "c\\d", "anybody", "seven\\"),
            ("*:", 5432, "music", "dora", "eight"),
            ("localhost", 5432, "music", "frieda", ""),
            ("db.exampl", 5432, "music", "anna", "last"),
            ("db.example2", 5432, "music", "anna", "last"),
            ("x", 543, "music", "anna", "last"),
        ] {
            let found = find(LINES, &Login { host, port, database, user }).unwrap();
            assert_eq!(*found, password.as_bytes(), "{host} {port} {database} {user}");
        }
        let login = Login { host: "h", port: 1, database: "d", user: "u" };
        for lines in [&b""[..], b"\n\n", b"h:1:d:u", b"h:1:d:", b"H:1:d:u:x", b" h:1:d:u:x", b"\\"]
        {
            assert!(find(lines, &login).is_none(), "{lines:?}");
        }
    }

    #[test]
    fn a_file_that_others_may_use_is_not_used() {
        let files = Files::new("passfile");
        let endpoint = Endpoint::new("h", 1);
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            files.write("pgpass", "*:*:*:*:secret", mode);
            let file = PasswordFile::read(files.path("pgpass").into()).unwrap();
            assert_eq!(file.password(&endpoint, "d", "u").is_some(), used, "{mode:o}");
            assert_eq!(file.refused().is_some(), !used, "{mode:o}");
        }
        assert!(PasswordFile::read(files.folder().into()).unwrap().refused().is_some());
        assert!(PasswordFile::read(files.path("nowhere").into()).is_none());
    }
}
