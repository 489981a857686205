//! Asking a database what the types are that it numbers by itself.
//!
//! A row whose columns have such types can't be read before it is known what they are. The first time that a database's
//! type comes up, the rows are held, the catalogue is asked in one round trip, and then the rows are handed on. Where they
//! are too many to be held they are passed over, and the types are asked for all the same, so that the statement can be run
//! again. Rows that are lent are never held if it can be helped: their columns are looked at before the statement runs. What
//! was learned serves all connections to that database. Built-in types never come here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use stellata_protocol::message::TransactionStatus;
use stellata_protocol::{
    Attribute, Catalog, ColumnError, Columns, ErrorKind as Wire, Expect, Oid, TypeKind, UserType,
};

use crate::connection::columns::{Check, decode_error};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::cache::Slot;
use crate::types::DatabaseTypes;

/// One question for all types, and for all that they are made of. Every name in it is qualified, operators included:
/// nothing in the session's `search_path` can take their place (CVE-2025-12819 shows what happens otherwise). `union`
/// keeps each type once, so that circles end.
pub(super) const QUESTION: &str = "\
with recursive wanted (oid) as (
    select u.oid from pg_catalog.unnest($1::pg_catalog.oid[]) as u (oid)
    union
    select part.oid
    from wanted w
    join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) w.oid
    left join pg_catalog.pg_range g
        on g.rngtypid operator(pg_catalog.=) t.oid or g.rngmultitypid operator(pg_catalog.=) t.oid
    cross join lateral (
        select t.typbasetype
        union all select t.typelem
        union all select g.rngtypid
        union all select g.rngsubtype
        union all select a.atttypid
            from pg_catalog.pg_attribute a
            where a.attrelid operator(pg_catalog.=) t.typrelid
            and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
    ) part (oid)
    where part.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
)
select t.oid, n.nspname::pg_catalog.text, t.typname::pg_catalog.text,
    case when t.typtype operator(pg_catalog.=) 'b'::pg_catalog.\"char\"
        and t.typsubscript operator(pg_catalog.=) 'pg_catalog.array_subscript_handler'::pg_catalog.regproc
        then 'a'::pg_catalog.\"char\" else t.typtype end,
    coalesce(
        case when t.typtype operator(pg_catalog.=) 'd'::pg_catalog.\"char\" then t.typbasetype
            when t.typtype operator(pg_catalog.=) 'm'::pg_catalog.\"char\" then g.rngtypid
            when t.typtype operator(pg_catalog.=) 'r'::pg_catalog.\"char\" then g.rngsubtype
            else t.typelem end,
        0::pg_catalog.oid),
    exists (
        select from pg_catalog.pg_proc p
        where p.oid operator(pg_catalog.=) t.typsend and p.prolang operator(pg_catalog.=) 12::pg_catalog.oid
        and p.prosrc operator(pg_catalog.=) any (array['textsend', 'varcharsend', 'bpcharsend']::pg_catalog.text[])
    ),
    array(
        select e.enumlabel::pg_catalog.text from pg_catalog.pg_enum e
        where e.enumtypid operator(pg_catalog.=) t.oid order by e.enumsortorder
    ),
    array(
        select a.attname::pg_catalog.text from pg_catalog.pg_attribute a
        where a.attrelid operator(pg_catalog.=) t.typrelid
        and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped order by a.attnum
    ),
    array(
        select a.atttypid from pg_catalog.pg_attribute a
        where a.attrelid operator(pg_catalog.=) t.typrelid
        and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped order by a.attnum
    )
from wanted w
join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) w.oid
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.typnamespace
left join pg_catalog.pg_range g
    on g.rngtypid operator(pg_catalog.=) t.oid or g.rngmultitypid operator(pg_catalog.=) t.oid
limit 4096";

/// The types of the columns that the question returns.
const COLUMNS: [Oid; 9] = [
    Oid::OID,
    Oid::TEXT,
    Oid::TEXT,
    Oid::CHAR,
    Oid::OID,
    Oid::BOOL,
    Oid::TEXT_ARRAY,
    Oid::TEXT_ARRAY,
    Oid::OID_ARRAY,
];

/// The question's own limit, in case that the server does not keep it.
pub(super) const MOST_TYPES: usize = 4096;
/// How much of a statement's rows is held while a type is asked for, in bytes. Whoever reads them keeps them all anyway.
const MOST_HELD: usize = 64 << 20;
/// As much of rows that are lent, of which nobody keeps any.
const MOST_HELD_TO_LEND: usize = 8 << 20;

/// What a connection knows of its database's types, and the rows that wait for more.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) database: Arc<DatabaseTypes>,
    pub(super) held: Option<Box<Held>>,
}

/// Answers that wait for their types.
#[derive(Debug)]
pub(super) struct Held {
    /// The call they belong to. Another call finds them stale.
    call: u64,
    /// The types to ask for.
    pub(super) wanted: Vec<Oid>,
    /// The rows of the statement whose types are not known.
    pub(super) rows: Bodies,
    /// What came behind them.
    pub(super) behind: VecDeque<Behind>,
    /// Whether the server was asked.
    pub(super) asked: bool,
    /// What it has answered.
    pub(super) found: Vec<UserType>,
    /// Why it has not.
    pub(super) failed: Option<Error>,
}

/// What came in a batch behind a statement whose rows are held.
#[derive(Debug)]
pub(super) enum Behind {
    /// A statement's rows, and the body of its CommandComplete; none of an empty query.
    Answer { rows: Bodies, tag: Option<Box<[u8]>> },
    /// What the server says of a statement.
    Failed(Error),
    /// ReadyForQuery.
    Ready(TransactionStatus),
}

/// Bodies of DataRows. Their `Debug` tells how many there are, not what stands in them.
pub(super) struct Bodies {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    most: usize,
    /// They were too many: none is kept.
    are_lost: bool,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), most: MOST_HELD, are_lost: false }
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies").field("rows", &self.ends.len()).finish_non_exhaustive()
    }
}

impl Bodies {
    /// Those of a statement whose rows are lent.
    pub(super) fn to_lend() -> Self {
        Self { most: MOST_HELD_TO_LEND, ..Self::default() }
    }

    /// Keeps a body. Where they become too many all are given up, and those to come are passed over.
    pub(super) fn push(&mut self, body: &[u8]) {
        if self.are_lost {
            return;
        }
        // An end takes as much as a row of a small number.
        let held = self.bytes.len() + self.ends.len() * size_of::<usize>();
        if held + body.len() > self.most {
            *self = Self { most: self.most, are_lost: true, ..Self::default() };
            return;
        }
        self.bytes.extend_from_slice(body);
        self.ends.push(self.bytes.len());
    }

    /// That they were too many, once their types are known: run again, the statement needs none to be held.
    pub(super) fn check(&self, sql: &Arc<str>) -> Result<()> {
        if !self.are_lost {
            return Ok(());
        }
        let message = format!(
            "the statement has run, and its rows were passed over: types were not known yet, and more than {} MiB would \
             have been held until they were; they are known now, so that the statement can be run again",
            self.most >> 20
        );
        Err(Error::new(ErrorKind::Decode, message).with_sql(Some(sql.clone())))
    }

    /// Whether there were too many to be kept.
    pub(super) fn are_lost(&self) -> bool {
        self.are_lost
    }

    /// Whether there was none.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty() && !self.are_lost
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The body of a row; nothing where there is none.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }
}

/// Why columns can't be read as a Rust type.
pub(super) enum Unfit {
    /// It is not known yet: these types are to be asked for.
    Unknown(Vec<Oid>),
    /// They are others.
    Wrong(Error),
}

/// Holds the columns of a statement against a Rust type.
#[cold]
pub(super) fn check_columns(
    entry: &mut Slot,
    check: Check,
    catalog: &Catalog,
) -> Result<(), Unfit> {
    let fields = entry.fields.as_deref().unwrap_or_default();
    let mut expect = Expect::new(fields).with_catalog(catalog);
    match check(&mut expect) {
        Ok(()) => {
            entry.checked = check as usize;
            Ok(())
        }
        Err(error) => {
            let reason = expect.types().explanation();
            // What the catalogue says may have been outdated by `alter type` or `drop type`.
            if error.error.kind() == Wire::UnknownType || reason.is_some() {
                let columns = fields.iter().map(|field| field.type_oid);
                let unknown = expect.types().unknown().iter().copied();
                let mut wanted: Vec<Oid> =
                    columns.chain(unknown).filter(|oid| oid.is_user_defined()).collect();
                wanted.sort_unstable();
                wanted.dedup();
                return Err(Unfit::Unknown(wanted));
            }
            Err(Unfit::Wrong(decode_error(error, fields, &entry.sql, catalog, None, None)))
        }
    }
}

/// The same, after the catalogue was asked: what is not known now never will be.
#[cold]
pub(super) fn check_finally(entry: &mut Slot, check: Check, catalog: &Catalog) -> Result<()> {
    let fields = entry.fields.as_deref().unwrap_or_default();
    let mut expect = Expect::new(fields).with_catalog(catalog);
    match check(&mut expect) {
        Ok(()) => {
            entry.checked = check as usize;
            Ok(())
        }
        Err(error) => {
            let reason = match error.error.kind() {
                Wire::UnknownType => Some("the database's catalogue does not know the type"),
                _ => expect.types().explanation(),
            };
            Err(decode_error(error, fields, &entry.sql, catalog, reason, None))
        }
    }
}

impl Discovery {
    pub(super) fn new(database: Arc<DatabaseTypes>) -> Self {
        Self { database, held: None }
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.database.catalog()
    }

    /// Whether rows of the call wait for their types.
    #[inline]
    pub(super) fn holds(&self, call: u64) -> bool {
        self.held.as_ref().is_some_and(|held| held.call == call)
    }

    /// Looks at a row before the first row of its kind is read. Returns false when the row is held.
    #[cold]
    pub(super) fn first_row(
        &mut self,
        body: &[u8],
        entry: &mut Slot,
        call: u64,
        check: Check,
    ) -> Result<bool> {
        if self.held.as_ref().is_none_or(|held| held.call != call) {
            match check_columns(entry, check, &self.database.catalog()) {
                Ok(()) => return Ok(true),
                Err(Unfit::Wrong(error)) => {
                    // A row where none was described has no columns to be read.
                    let columns = entry.fields.as_ref().map_or(0, |fields| fields.len());
                    Columns::check(body, columns).map_err(Error::protocol)?;
                    return Err(error);
                }
                Err(Unfit::Unknown(wanted)) => self.hold(call, wanted),
            }
        }
        match &mut self.held {
            Some(held) => {
                held.rows.push(body);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    pub(super) fn hold(&mut self, call: u64, wanted: Vec<Oid>) {
        self.held = Some(Box::new(Held {
            call,
            wanted,
            rows: Bodies::default(),
            behind: VecDeque::new(),
            asked: false,
            found: Vec::new(),
            failed: None,
        }));
    }

    /// Gives up what is held.
    #[inline]
    pub(super) fn release(&mut self) {
        self.held = None;
    }

    /// Forgets what is known of a type that turned out to be another.
    #[cold]
    pub(super) fn doubt(&self, oid: Oid) {
        if oid.is_user_defined() {
            self.database.remove(&[oid]);
        }
    }
}

/// Reads one row of the catalogue's answer. `None` for a type of a kind that is not known.
pub(super) fn read_type(body: &[u8]) -> Result<Option<UserType>> {
    let read = || -> Result<Option<UserType>, ColumnError> {
        let mut columns = match Columns::new(body, &COLUMNS) {
            Ok(columns) => columns,
            Err(error) => {
                return Err(ColumnError { index: 0, rust_type: "UserType", error });
            }
        };
        let oid = Oid(columns.next()?);
        let (schema, name) = (columns.next()?, columns.next()?);
        let kind: i8 = columns.next()?;
        let part = Oid(columns.next()?);
        let is_text = columns.next()?;
        let labels: Vec<Box<str>> = columns.next()?;
        let names: Vec<Box<str>> = columns.next()?;
        let oids: Vec<u32> = columns.next()?;
        let kind = match u8::try_from(kind) {
            Ok(b'b') => TypeKind::Base { is_text },
            Ok(b'e') => TypeKind::Enum { labels: labels.into() },
            Ok(b'c') => {
                let attributes = names.into_iter().zip(oids);
                let attributes = attributes.map(|(name, oid)| Attribute { name, oid: Oid(oid) });
                TypeKind::Composite { attributes: attributes.collect() }
            }
            Ok(b'd') => TypeKind::Domain { base: part },
            Ok(b'a') => TypeKind::Array { element: part },
            Ok(b'r') => TypeKind::Range { subtype: part },
            Ok(b'm') => TypeKind::Multirange { range: part },
            _ => return Ok(None),
        };
        Ok(Some(UserType { oid, schema, name, kind }))
    };
    read().map_err(|error| {
        Error::new(ErrorKind::Decode, format!("the catalogue's answer can't be read: {error}"))
    })
}
