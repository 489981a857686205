//! Our reading of connection strings held against libpq's.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use crate::config::tests::Files;
use crate::config::{Config, read};

/// What libpq puts in where nothing is said. The file leaves such values out.
const COMPILED: [(&str, &str); 13] = [
    ("channel_binding", "prefer"),
    ("port", "5432"),
    ("options", ""),
    ("sslmode", "prefer"),
    ("sslnegotiation", "postgres"),
    ("sslcompression", "0"),
    ("sslsni", "1"),
    ("ssl_min_protocol_version", "TLSv1.2"),
    ("gssencmode", "disable"),
    ("krbsrvname", "postgres"),
    ("gssdelegation", "0"),
    ("target_session_attrs", "any"),
    ("load_balance_hosts", "disable"),
];

fn data(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/conninfo")).join(name)
}

fn lines(name: &str) -> String {
    std::fs::read_to_string(data(name)).unwrap()
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            c if c.is_ascii_control() => write!(out, r"\x{:02x}", u32::from(c)).unwrap(),
            c => out.push(c),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
        } else if rest.next() == Some('x') {
            let digits: String = rest.by_ref().take(2).collect();
            out.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
        } else {
            out.push('\\');
        }
    }
    out
}

/// Our answer to a string, as the file has libpq's.
fn answer(string: &str) -> Vec<String> {
    match read::words(string) {
        Err(_) => vec!["no".to_owned()],
        Ok(words) => {
            let said = words.iter().map(|(name, value)| format!("{name}={value}"));
            std::iter::once("ok".to_owned()).chain(said).collect()
        }
    }
}

/// Holds our answers against a list of libpq's. Returns how many there are.
fn compare(answers: &str) -> usize {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in answers.lines().filter(|line| !line.starts_with("# libpq")) {
        let mut fields = line.split('\t').map(unescape);
        let string = fields.next().unwrap_or_default();
        let mut theirs: Vec<String> = fields.collect();
        match theirs.first().map(String::as_str) {
            // The reason is libpq's own. A value that is not UTF-8 is refused here.
            Some("no" | "bytes") => theirs = vec!["no".to_owned()],
            Some("ok") => theirs[1..].sort(),
            other => panic!("{line}: {other:?}"),
        }
        let mut ours = answer(&string);
        ours[1..].sort();
        if ours != theirs {
            wrong.push(format!("{string:?}: {ours:?}, libpq {theirs:?}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    count
}

/// What is said where libpq's own answers are not to be had.
const NO_LIBPQ: &str = "Python has no psycopg with libpq 18: `cargo xtask test` fetches it";

/// libpq's own answers, where a Python has it: the system's, or the one of the tests, which `cargo xtask test` makes.
fn ask_libpq(strings: &[String]) -> Option<String> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/psycopg/bin/python");
    ["python3", own].into_iter().find_map(|python| ask(python, strings))
}

fn ask(python: &str, strings: &[String]) -> Option<String> {
    let mut child = Command::new(python)
        .arg(data("generate.py"))
        .arg("answer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let escaped: Vec<String> = strings.iter().map(|string| escape(string)).collect();
    let mut input = child.stdin.take()?;
    // It reads all before it writes anything; where it has no libpq it ends at once and takes nothing.
    let _ = input.write_all(escaped.join("\n").as_bytes());
    drop(input);
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn connection_strings_are_read_as_libpq_reads_them() {
    let file = lines("strings.txt");
    let count = compare(&file);
    let strings: Vec<String> = file
        .lines()
        .filter(|line| !line.starts_with("# libpq"))
        .map(|line| unescape(line.split('\t').next().unwrap_or_default()))
        .collect();
    match ask_libpq(&strings) {
        Some(answers) => {
            assert_eq!(compare(&answers), count);
            println!("conninfo: {count} strings, as in the file and as libpq answers now");
        }
        None => {
            println!("conninfo: {count} strings, as in the file");
            stellata_testkit::skip(NO_LIBPQ);
        }
    }
    assert!(count >= 300);
}

/// Texts of the letters that mean something, and a few that do not.
fn drawn_strings() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ '\\\\=%&?#/:@,\\[\\]\t\n]",
        2 => "[a-z0-9]{1,3}",
        1 => Just("%20".to_owned()),
        1 => Just("é".to_owned()),
        2 => proptest::sample::select(vec!["host", "port", "user", "password", "dbname", "sslmode", "ssl"])
            .prop_map(str::to_owned),
        1 => Just("host=".to_owned()),
        1 => Just("&port=".to_owned()),
    ];
    let head = proptest::sample::select(vec!["", "", "postgres://", "postgresql://", "host="]);
    (head, proptest::collection::vec(piece, 0..14))
        .prop_map(|(head, pieces)| format!("{head}{}", pieces.concat()))
}

/// What is drawn is held against libpq, where it is to be had, all at once; our reading must not panic anyhow.
#[test]
fn drawn_strings_are_read_as_libpq_reads_them() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::default();
    let strategy = proptest::collection::vec(drawn_strings(), 2000);
    let strings = strategy.new_tree(&mut runner).unwrap().current();
    let read = strings.iter().filter(|string| answer(string).len() > 1).count();
    assert!(read > 100, "only {read} of the strings can be read");
    match ask_libpq(&strings) {
        Some(answers) => {
            let count = compare(&answers);
            assert_eq!(count, strings.len());
            println!("conninfo: {count} drawn strings, {read} of them readable, as libpq answers");
        }
        None => stellata_testkit::skip(NO_LIBPQ),
    }
}

proptest! {
    /// Whatever a value holds, quoted it comes through.
    #[test]
    fn a_quoted_value_comes_through(value in "[^\0]{0,20}", spaces in "[ \t]{0,2}") {
        let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
        let text = format!("{spaces}password{spaces}={spaces}'{quoted}'{spaces}");
        let words = read::words(&text).unwrap();
        prop_assert_eq!(words.get("password"), Some(value.as_str()));
    }

    /// Whatever a value holds, percent-encoded it comes through.
    #[test]
    fn an_encoded_value_comes_through(value in "[^\0]{1,20}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let words = read::words(&format!("postgres://{encoded}:{encoded}@{encoded}/{encoded}?options={encoded}"));
        let words = words.unwrap();
        for name in ["user", "password", "host", "dbname", "options"] {
            prop_assert_eq!(words.get(name), Some(value.as_str()));
        }
    }
}

/// A case of the file: what surrounds a string, and what libpq makes of it.
#[derive(Default)]
struct Case {
    files: Vec<(u32, String, String)>,
    variables: Vec<(String, String)>,
    string: String,
    /// libpq's words, without those of its defaults; `None` where it refuses.
    words: Option<Vec<(String, String)>>,
    password: String,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for block in lines("surroundings.txt").split("\n\n").skip(1) {
        let mut case = Case::default();
        for line in block.lines() {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut fields = rest.splitn(3, ' ');
            let mut field = || fields.next().unwrap_or_default();
            match kind {
                "file" => {
                    let (mode, name, text) = (field(), field(), field());
                    let mode = u32::from_str_radix(mode, 8).unwrap();
                    case.files.push((mode, name.to_owned(), unescape(text)));
                }
                "set" => {
                    let (name, value) = rest.split_once(' ').unwrap();
                    case.variables.push((name.to_owned(), unescape(value)));
                }
                "string" => case.string = unescape(rest),
                "ok" => case.words = Some(Vec::new()),
                "no" => {}
                "word" => {
                    let (name, value) = rest.split_once(' ').unwrap();
                    let word = (name.to_owned(), unescape(value));
                    case.words.as_mut().unwrap().push(word);
                }
                "password" => case.password = unescape(rest),
                other => panic!("{other}"),
            }
        }
        cases.push(case);
    }
    cases
}

impl Case {
    /// How our reading differs from libpq's.
    fn difference(&self, files: &Files) -> Option<String> {
        let at = |text: &str| text.replace("%DIR%", &files.folder());
        for (mode, name, text) in &self.files {
            files.write(name, text, *mode);
        }
        let environment = |name: &str| match name {
            "HOME" | "PGSYSCONFDIR" if !self.variables.iter().any(|(known, _)| known == name) => {
                Some(files.folder())
            }
            "USER" => Some("me".to_owned()),
            _ => {
                let found = self.variables.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| at(value))
            }
        };
        let string = at(&self.string);
        let config = Config::parse_with(&string, &environment);
        let (config, theirs) = match (config, &self.words) {
            (Ok(config), Some(theirs)) => (config, theirs),
            (Err(_), None) => return None,
            (Ok(_), None) => return Some("libpq refuses it".to_owned()),
            (Err(error), Some(_)) => return Some(format!("libpq takes it: {error}")),
        };
        let words = read::complete(read::words(&string).unwrap(), &environment).unwrap();
        let mut ours: Vec<(String, String)> = words
            .iter()
            .filter(|(name, value)| !COMPILED.contains(&(*name, value)))
            .filter(|(name, _)| !["password", "passfile"].contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut theirs: Vec<(String, String)> =
            theirs.iter().map(|(name, value)| (name.clone(), at(value))).collect();
        // libpq fills in who runs it, and settings that follow from others; ours stand in the configuration.
        for name in ["user", "dbname"] {
            if words.filled(name).is_none() {
                theirs.retain(|(known, _)| known != name);
                ours.retain(|(known, _)| known != name);
            }
        }
        if words.get("sslcertmode").is_none() {
            theirs.retain(|(known, _)| known != "sslcertmode");
        }
        for word in ours.iter_mut().filter(|(name, _)| name == "client_encoding") {
            if word.1 == "auto" {
                "UTF8".clone_into(&mut word.1);
            }
        }
        if words.get("sslmode").is_none() {
            theirs.retain(|(known, _)| known != "sslmode");
            let system = words.get("sslrootcert") == Some("system");
            let mode = if system { "verify-full" } else { "prefer" };
            if config.tls().mode().to_string() != mode {
                return Some(format!("sslmode {}", config.tls().mode()));
            }
        }
        ours.sort();
        theirs.sort();
        if ours != theirs {
            return Some(format!("{ours:?}, libpq {theirs:?}"));
        }
        // libpq gives the password of the host that it tried last, and an empty one for none.
        let last = config.endpoints().last().and_then(|endpoint| config.password(endpoint));
        let password = last.unwrap_or_default();
        if *password != self.password.as_bytes() {
            let ours = String::from_utf8_lossy(&password).into_owned();
            return Some(format!("password {ours:?}, libpq {:?}", self.password));
        }
        None
    }
}

/// Where we differ, and why.
const OURS: [(&str, &str); 2] = [
    // The password file is asked for the port, not for the text of it.
    ("host=localhost user=anna dbname=music port=' 5432'", "password \"local\", libpq \"\""),
    // The manual says that zero is the system's default; libpq hands it to the system, which refuses it.
    ("host=127.0.0.1 user=u dbname=d keepalives_idle=0", "libpq refuses it"),
];

#[test]
fn surroundings_are_read_as_libpq_reads_them() {
    let cases = cases();
    let mut wrong = Vec::new();
    for (case, number) in cases.iter().zip(1..) {
        let files = Files::new(&format!("case-{number}"));
        let difference = case.difference(&files);
        let known = OURS.iter().find(|(string, _)| *string == case.string).map(|(_, why)| *why);
        if difference.as_deref() != known {
            let string = &case.string;
            wrong.push(format!("{number}. {:?} {string:?}: {difference:?}", case.variables));
        }
    }
    println!("conninfo: {} surroundings", cases.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases.len() >= 200);
}
