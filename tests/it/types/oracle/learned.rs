//! What a server has told of a type's literals, held against Rust types.

use std::fmt;

use stellata_client::{Config, Connection, Error, Params, SqlState};
use stellata_protocol::textual::{from_text, has_text, to_text};
use stellata_protocol::{Buffer, Catalog, Decode, Encode, IsNull, Oid, TypeKind, UserType, quote};
use stellata_testkit::{Database, skip};

use super::literals;

/// The types of the database's own, and how values are to be printed.
const SETUP: &str = "\
    create type mood as enum ('sad', 'ok', 'happy', 'with blank', 'Ärger'); \
    create type pair as (n int4, t text); \
    create type nested as (p pair, a int4[], r int4range, m mood); \
    create domain positive as int4 check (value > 0); \
    create domain word as text; \
    create type floatrange as range (subtype = float8, multirange_type_name = floatmultirange); \
    set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; \
    set bytea_output = 'hex'; set extra_float_digits = 1; set lc_monetary = 'C'; \
    set xmloption = 'content'";

const EXTENSIONS: [&str; 4] = ["citext", "cube", "hstore", "ltree"];

/// Where the server does not take its own bytes for what it has printed. The names are those of the files.
const ODDITIES: [(&str, &str, Oddity); 3] = [
    // An empty array of int2 or oid is refused by their receive functions, which want one dimension.
    ("int2vector", "", Oddity::Refused),
    ("oidvector", "", Oddity::Refused),
    ("tsquery", "", Oddity::Refused),
];

/// The types whose text only the server can print and read: it is written by a setting, or a name.
const TEXTLESS: [&str; 13] = [
    "money",
    "money[]",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];

/// Values of which no text is the same to all servers: before server 16 a `"char"` above 127 is a byte that is no UTF-8, and before
/// 17 the largest interval is no infinity.
const UNPRINTED: [(&str, &str); 3] = [
    ("char", "\\200"),
    ("char", "\\377"),
    ("interval", "2147483647 months 2147483647 days 2562047788:00:54.775807"),
];

/// What the server does with its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oddity {
    /// It does not take them.
    Refused,
}

/// What became of all types and literals.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) literals: usize,
    /// Literals that were printed and read as the server does it.
    pub(super) texts: usize,
    types: usize,
    /// The types that have been held against a Rust type, and the literals of those.
    typed: usize,
    typed_literals: usize,
    /// Values that were held against a Rust type; of some types there are several.
    values: usize,
    /// Values that were written with the server's bytes, and those that came back equal from other bytes.
    same: usize,
    equal: usize,
    /// Values that the Rust type can't hold and has refused, as its documentation says.
    refused: usize,
    pub(super) faults: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            literals,
            texts,
            types,
            typed,
            typed_literals,
            values,
            same,
            equal,
            refused,
            faults,
        } = self;
        write!(
            f,
            "{literals} literals of {types} types, {texts} as text both ways, {typed_literals} of {typed} types as Rust values: {values} cases, \
             {same} written with the same bytes, {equal} read back equal, {refused} refused as documented; {} wrong",
            faults.len()
        )
    }
}

/// A literal as the server understood it.
#[derive(Debug)]
struct Case {
    literal: String,
    printed: String,
    bytes: Vec<u8>,
}

/// Says whether the server's text is that of a value that we hold.
type Same = Box<dyn Fn(&str) -> bool>;

/// Bytes that the server has to take for a value.
struct Question {
    name: String,
    sql: String,
    bytes: Vec<u8>,
    same: Same,
}

/// A connection to the server that is asked, and what has been found.
pub(super) struct Oracle {
    connection: Connection,
    version: u32,
    tally: Tally,
    /// What is to be asked of the server yet.
    questions: Vec<Question>,
}

impl Oracle {
    pub(super) async fn connect(database: &Database) -> Self {
        let config = Config::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&config).await.unwrap();
        connection.simple(SETUP).await.unwrap();
        let mut oracle = Self {
            connection,
            version: database.version(),
            tally: Tally::default(),
            questions: Vec::new(),
        };
        for extension in EXTENSIONS {
            oracle.extend(extension).await;
        }
        oracle
    }

    /// Makes an extension, where the server has it.
    pub(super) async fn extend(&mut self, extension: &str) {
        let made = self.connection.simple(&format!("create extension {extension}")).await;
        if let Err(error) = made {
            skip(&format!("the types of {extension} are not on this server: {error}"));
        }
    }

    /// Asks the server for all literals of a type; its file is named like the type, `_array` standing for `[]`.
    pub(super) async fn learn(&mut self, name: &'static str) -> Learned<'_> {
        let sql = match name {
            // Without quotes they are other types: one character, or one bit.
            "char" | "char[]" | "bit" | "bit[]" => {
                let (name, brackets) = name.split_at(name.find('[').unwrap_or(name.len()));
                format!("pg_catalog.\"{name}\"{brackets}")
            }
            name => name.to_owned(),
        };
        let (oid, cases) = (Oid::UNSPECIFIED, Vec::new());
        let mut learned = Learned { name, sql, oid, cases, is_typed: false, oracle: self };
        learned.ask().await;
        learned
    }

    /// What the database tells of a type, and of all that it is made of.
    async fn catalog(&mut self, oid: Oid) -> Catalog {
        let mut catalog = Catalog::new();
        let mut left = vec![oid];
        while let Some(oid) = left.pop() {
            if catalog.get(oid).is_some() {
                continue;
            }
            let Some(found) = self.connection.user_type(oid).await.unwrap() else { continue };
            match &found.kind {
                TypeKind::Composite { attributes } => {
                    left.extend(attributes.iter().map(|attribute| attribute.oid));
                }
                TypeKind::Array { element: part }
                | TypeKind::Domain { base: part }
                | TypeKind::Range { subtype: part }
                | TypeKind::Multirange { range: part } => left.push(*part),
                _ => {}
            }
            catalog.insert(UserType::clone(&found));
        }
        catalog
    }

    /// Asks what is left to be asked.
    pub(super) async fn finish(mut self) -> Tally {
        for Question { name, sql, bytes, same } in self.questions {
            match print(&mut self.connection, &sql, &bytes).await {
                Ok(text) if same(&text) => self.tally.equal += 1,
                Ok(text) => self.tally.faults.push(format!("{name}: came back as {text:?}")),
                Err(error) => self.tally.faults.push(format!("{name}: was refused: {error}")),
            }
        }
        self.tally
    }
}

/// What the server prints of these bytes.
async fn print(connection: &mut Connection, sql: &str, bytes: &[u8]) -> Result<String, Error> {
    let mut params = Params::new();
    params
        .push_with(Oid::UNSPECIFIED, |out| {
            out.put_slice(bytes);
            Ok(())
        })
        .unwrap();
    // `format` prints by the type's own output function; a cast to text does not for all types.
    let sql = format!("select pg_catalog.format('%s', $1::{sql})");
    connection.query_one::<(String,)>(&sql, params).await.map(|row| row.0)
}

/// A type and what the server has told of its literals.
pub(super) struct Learned<'o> {
    name: &'static str,
    sql: String,
    oid: Oid,
    cases: Vec<Case>,
    /// It has been held against a Rust type.
    is_typed: bool,
    oracle: &'o mut Oracle,
}

impl Learned<'_> {
    async fn ask(&mut self) {
        let Self { name, sql, oid, cases, oracle, .. } = self;
        let found: Option<(u32,)> = oracle
            .connection
            .query_opt(
                "select case typbasetype when 0 then oid else typbasetype end from pg_catalog.pg_type \
                 where oid = pg_catalog.to_regtype($1)",
                (sql.as_str(),),
            )
            .await
            .unwrap();
        let Some((number,)) = found else {
            skip(&format!("the type {name} is not on this server"));
            return;
        };
        *oid = Oid(number);
        for literal in literals::of(&name.replace("[]", "_array"), oracle.version) {
            let mut answer = None;
            // As a literal, since a cast from text is another function for some types.
            let question = format!(
                "select pg_catalog.format('%s', v), v from (select {}::{sql} as v) as v",
                quote::literal(&literal).unwrap()
            );
            let asked = oracle
                .connection
                .query_each(&question, (), |columns| {
                    let printed: String = columns.next()?;
                    answer = columns.skip().ok().flatten().map(|bytes| (printed, bytes.to_vec()));
                    Ok(())
                })
                .await;
            match (asked, answer) {
                (Ok(_), Some((printed, bytes))) => cases.push(Case { literal, printed, bytes }),
                (Err(error), _) if error.sqlstate() == SqlState::from_text("0A000") => {
                    skip(&format!("the type {name} is not on this server: {error}"));
                    return;
                }
                (asked, _) => {
                    oracle.tally.faults.push(format!("{name} {literal:?}: no answer: {asked:?}"));
                }
            }
        }
        for Case { literal, printed, bytes } in &*cases {
            let oddity = ODDITIES.iter().find(|odd| odd.0 == *name && odd.1 == literal);
            let back = print(&mut oracle.connection, sql, bytes).await;
            let right = match (&back, oddity.map(|odd| odd.2)) {
                (Ok(back), None) => back == printed,
                (Err(_), Some(Oddity::Refused)) => true,
                _ => false,
            };
            if !right {
                let fault =
                    format!("{name} {literal:?}: the server makes {back:?} of its own bytes");
                oracle.tally.faults.push(fault);
            }
        }
        oracle.tally.types += 1;
        oracle.tally.literals += cases.len();
        self.hold_texts().await;
    }

    /// What is printed without the server of its bytes is read by it as the same value, and what it prints is read without it as
    /// the same bytes.
    async fn hold_texts(&mut self) {
        let Self { name, sql, oid, cases, oracle, .. } = self;
        let catalog = oracle.catalog(*oid).await;
        if let Err(why) = has_text(*oid, &catalog) {
            if !TEXTLESS.contains(name) {
                oracle.tally.faults.push(format!("{name} has no text: {why}"));
            }
            return;
        }
        for Case { literal, printed, bytes } in &*cases {
            let is_printed = !UNPRINTED.contains(&(name, literal.as_str()));
            let name = format!("{name} {literal:?} as text");
            let mut read = Buffer::new();
            match from_text(*oid, &catalog, printed, &mut read) {
                Ok(()) if read.as_slice() == bytes => {}
                // A NaN has many forms; of `xml` the server sends a declaration that it does not print.
                Ok(()) => {
                    let back = print(&mut oracle.connection, sql, read.as_slice()).await;
                    if back.as_ref().ok() != Some(printed) {
                        let fault = format!("{name}: {printed:?} was read as {back:?}");
                        oracle.tally.faults.push(fault);
                    }
                }
                Err(error) => {
                    oracle.tally.faults.push(format!("{name}: {printed:?} was not read: {error}"));
                }
            }
            let mut ours = String::new();
            oracle.tally.texts += 1;
            if !is_printed {
                continue;
            }
            if let Err(error) = to_text(*oid, &catalog, bytes, &mut ours) {
                oracle.tally.faults.push(format!("{name}: it was not printed: {error}"));
            } else if ours != *printed {
                let question = format!(
                    "select pg_catalog.format('%s', {}::{sql})",
                    quote::literal(&ours).unwrap()
                );
                let back: Result<(String,), Error> =
                    oracle.connection.query_one(&question, ()).await;
                if back.as_ref().map(|row| &row.0).ok() != Some(printed) {
                    let fault = format!("{name}: {ours:?}, which the server reads as {back:?}");
                    oracle.tally.faults.push(fault);
                }
            }
        }
    }

    /// Every value is a `T` that prints as the server prints.
    pub(super) fn shows<T>(self) -> Self
    where
        T: Encode + for<'a> Decode<'a> + fmt::Display + 'static,
    {
        self.prints::<T>(T::to_string)
    }

    /// Every value is a `T`, of which `print` makes what the server prints.
    pub(super) fn prints<T>(self, print: fn(&T) -> String) -> Self
    where
        T: Encode + for<'a> Decode<'a> + 'static,
    {
        self.prints_unless::<T>(|_| false, print)
    }

    /// As [`Learned::prints`], but `T` refuses what the server prints so that `refuses` says yes.
    pub(super) fn prints_unless<T>(self, refuses: fn(&str) -> bool, print: fn(&T) -> String) -> Self
    where
        T: Encode + for<'a> Decode<'a> + 'static,
    {
        self.holds::<T>(refuses, move |value, printed| print(value) == printed)
    }

    /// As [`Learned::prints_unless`], where `same` holds a value against a text of the server's.
    pub(super) fn holds<T>(
        mut self,
        refuses: fn(&str) -> bool,
        same: impl Fn(&T, &str) -> bool + Copy + 'static,
    ) -> Self
    where
        T: Encode + for<'a> Decode<'a> + 'static,
    {
        if !std::mem::replace(&mut self.is_typed, true) {
            self.oracle.tally.typed += 1;
            self.oracle.tally.typed_literals += self.cases.len();
        }
        for case in &self.cases {
            let rust = std::any::type_name::<T>();
            let name = format!("{} {:?} as {rust}", self.name, case.literal);
            match self.value::<T>(case, refuses) {
                Ok(None) => self.oracle.tally.refused += 1,
                Ok(Some((value, bytes))) if same(&value, &case.printed) => {
                    if bytes == case.bytes {
                        self.oracle.tally.same += 1;
                    } else {
                        let same = Box::new(move |text: &str| same(&value, text));
                        let sql = self.sql.clone();
                        self.oracle.questions.push(Question { name, sql, bytes, same });
                    }
                }
                Ok(Some(_)) => self
                    .oracle
                    .tally
                    .faults
                    .push(format!("{name}: it is not what the server prints: {:?}", case.printed)),
                Err(fault) => self.oracle.tally.faults.push(format!("{name}: {fault}")),
            }
            self.oracle.tally.values += 1;
        }
        self
    }

    /// The value that is read from the server's bytes and what is written of it, or `None` when it is refused as it
    /// should be.
    fn value<T>(
        &self,
        case: &Case,
        refuses: fn(&str) -> bool,
    ) -> Result<Option<(T, Vec<u8>)>, String>
    where
        T: Encode + for<'a> Decode<'a> + 'static,
    {
        let unwritten = ODDITIES.iter().any(|odd| odd.0 == self.name && odd.1 == case.literal);
        match T::decode(self.oid, &case.bytes) {
            Err(_) if refuses(&case.printed) => Ok(None),
            Err(error) => Err(format!("it was not read: {error}")),
            Ok(_) if refuses(&case.printed) => Err("it was read, and can't be".to_owned()),
            Ok(value) => {
                let mut out = Buffer::new();
                match value.encode(self.oid, &mut out) {
                    Ok(IsNull::No) => Ok(Some((value, out.as_slice().to_vec()))),
                    // What no server takes may be refused here already.
                    Err(_) if unwritten => Ok(None),
                    written => Err(format!("it was not written: {written:?}")),
                }
            }
        }
    }
}
