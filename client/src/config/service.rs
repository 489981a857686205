//! The service file: settings under a name (manual, "The Connection Service File").

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::defaults::SYSTEM_FOLDER;
use crate::config::environment::Environment;
use crate::config::words::{Words, is_space};
use crate::config::{invalid, words};
use crate::error::Result;

/// Adds the settings of the service that is asked for, by the word `service` or the variable `PGSERVICE`. What has been
/// said already stays.
///
/// The file is the one that `PGSERVICEFILE` names, or `.pg_service.conf` in the home folder; then `pg_service.conf` in
/// the folder that `PGSYSCONFDIR` names.
pub(super) fn read(words: &mut Words, environment: &impl Environment) -> Result<()> {
    let service = match words.get("service") {
        Some(service) => service.to_owned(),
        None => match environment.variable("PGSERVICE") {
            Some(service) => service,
            None => return Ok(()),
        },
    };
    let own = match environment.variable("PGSERVICEFILE") {
        Some(file) => Some(PathBuf::from(file)),
        None => {
            let own =
                if cfg!(windows) { "postgresql/.pg_service.conf" } else { ".pg_service.conf" };
            let home = environment.home().map(|home| home.join(own));
            home.filter(|file| file.exists())
        }
    };
    if let Some(file) = own
        && read_file(&file, &service, words)?
    {
        return Ok(());
    }
    let folder = environment.variable("PGSYSCONFDIR");
    let file = PathBuf::from(folder.as_deref().unwrap_or(SYSTEM_FOLDER)).join("pg_service.conf");
    if file.exists() && read_file(&file, &service, words)? {
        return Ok(());
    }
    Err(invalid(format!("the service `{service}` is defined in no service file")))
}

/// Returns whether the file has the service.
fn read_file(file: &Path, service: &str, words: &mut Words) -> Result<bool> {
    let text = fs::read_to_string(file).map(zeroize::Zeroizing::new).map_err(|error| {
        invalid(format!("reading the service file {}: {error}", file.display()))
    })?;
    let at = |what: &str, line: usize| {
        invalid(format!("{what} in line {line} of the service file {}", file.display()))
    };
    let mut found = false;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found {
                break;
            }
            found = name.strip_prefix(service).is_some_and(|behind| behind.starts_with(']'));
            continue;
        }
        if !found {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(at("a setting without a `=` stands", number));
        };
        if name == "service" {
            return Err(at("a service that refers to another stands", number));
        }
        if !words.set_default(name, value) {
            let unknown = words::unknown(name, false);
            return Err(at(&format!("{unknown}: it stands"), number));
        }
    }
    Ok(found)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::tests::Files;

    const FILE: &str = "\
# a remark
[radio]
host=db.example
 dbname = odd
  port=5433\t
user=anna
user=berta
application_name=a = b

[other]
host=elsewhere
[broken]
host
[nested]
service=radio
[unknown]
hots=x
[radio]
host=never
";

    fn look_up(text: &str, files: &Files) -> Result<Vec<(&'static str, String)>> {
        let environment = |name: &str| match name {
            "PGSERVICEFILE" => Some(files.path("own.conf")),
            "PGSYSCONFDIR" => Some(files.folder()),
            _ => None,
        };
        let mut words = Words::new();
        crate::config::keyword::read(text, &mut words).unwrap();
        read(&mut words, &environment)?;
        Ok(words.iter().map(|(name, value)| (name, value.to_owned())).collect())
    }

    #[test]
    fn a_service_gives_what_was_not_said() {
        let files = Files::new("service-said");
        // A name is taken as it stands up to the `=`; so ` dbname = odd` would be an unknown word.
        files.write("own.conf", &FILE.replace(" dbname = odd\n", "dbname= odd\n"), 0o644);
        assert_eq!(
            look_up("service=radio port=1", &files).unwrap(),
            [
                ("service", "radio"),
                ("user", "anna"),
                ("dbname", " odd"),
                ("host", "db.example"),
                ("port", "1"),
                ("application_name", "a = b"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
        let error = look_up("service=broken", &files).unwrap_err().to_string();
        assert!(error.contains("line 13"), "{error}");
        let error = look_up("service=nested", &files).unwrap_err().to_string();
        assert!(error.contains("line 15"), "{error}");
        let error = look_up("service=unknown", &files).unwrap_err().to_string();
        assert!(error.contains("`hots`") && error.contains("`host`"), "{error}");
        let error = look_up("service=nowhere", &files).unwrap_err().to_string();
        assert!(error.contains("`nowhere`"), "{error}");
    }

    #[test]
    fn the_machines_own_file_comes_second() {
        let files = Files::new("service-second");
        files.write("own.conf", "[a]\nhost=first\n", 0o644);
        files.write("pg_service.conf", "[a]\nhost=never\n[b]\nhost=second\n", 0o644);
        assert_eq!(look_up("service=a", &files).unwrap()[1].1, "first");
        assert_eq!(look_up("service=b", &files).unwrap()[1].1, "second");
        assert!(look_up("service=c", &files).is_err());
        assert!(look_up("host=x", &files).is_ok());
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let files = Files::new("service-missing");
        files.write("pg_service.conf", "[a]\nhost=x\n", 0o644);
        let error = look_up("service=a", &files).unwrap_err().to_string();
        assert!(error.contains("own.conf"), "{error}");
    }
}
