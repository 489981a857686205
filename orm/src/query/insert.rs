//! New rows.

use std::marker::PhantomData;
use std::panic::Location;
use std::slice;

use smallvec::SmallVec;
use stellata_protocol::{ColumnError, Columns, Oid};

use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Check, Collect, Executor, Item, Source, no_rows, run_batch};
use crate::expr::fragment::Fragment;
use crate::model::table::Table;
use crate::model::{Model, NewRow};
use crate::query::expect;
use crate::render;
use crate::render::statement::{Bits, Conflict, Kind, RETURNING, columns_of};

/// Writes the statement that inserts one row behind what the fragment has.
pub(crate) fn one<N: NewRow>(new: &N, fragment: &mut Fragment, conflict: Conflict<'_>) {
    let table = N::Model::TABLE;
    let first = write_word(new, 0, 0, fragment);
    if table.columns.len() <= 64 {
        Kind::Insert { flags: RETURNING, mask: &first.to_le_bytes(), conflict }.write(fragment);
        return;
    }
    let mut mask = SmallVec::<[u8; 32]>::from_slice(&first.to_le_bytes());
    for (word, first) in words(table).skip(1) {
        mask.extend_from_slice(&write_word(new, word, first, fragment).to_le_bytes());
    }
    Kind::Insert { flags: RETURNING, mask: &mask, conflict }.write(fragment);
}

/// Names the column of a new row whose value can't be written, where that is what an error tells.
#[cold]
pub(crate) fn blame<N: NewRow>(new: &N, error: Error) -> Error {
    let (table, rows) = (N::Model::TABLE, slice::from_ref(new));
    let mask = mask_of(new, table);
    super::blame(table, columns_of(&mask), error, |column, out| {
        N::write_column(rows, column, table.oid(column), out)
    })
}

/// Writes the values of those of 64 columns that a row sets; returns which these are.
#[inline(always)]
fn write_word<N: NewRow>(new: &N, word: usize, first: u16, fragment: &mut Fragment) -> u64 {
    let (table, rows) = (N::Model::TABLE, slice::from_ref(new));
    let bits = new.mask(word);
    for bit in Bits(bits) {
        let column = first.saturating_add(bit);
        let oid = table.oid(column);
        let params = fragment.params_mut();
        let pushed = params.push_sized(oid, |out| N::write_column(rows, column, oid, out));
        fragment.note(pushed);
    }
    bits
}

/// The words of a mask, each with the first column that it speaks of.
fn words(table: &Table) -> impl Iterator<Item = (usize, u16)> {
    (0..table.columns.len().div_ceil(64)).zip((0_u16..).step_by(64))
}

/// Which columns a row sets: a bit for each, the lowest first.
fn mask_of<N: NewRow>(new: &N, table: &Table) -> SmallVec<[u8; 16]> {
    let mut mask: SmallVec<[u8; 16]> =
        words(table).flat_map(|(word, _)| new.mask(word).to_le_bytes()).collect();
    mask.truncate(table.columns.len().div_ceil(8));
    mask
}

/// Many new rows. Made by [`Entity::insert_many`](crate::Entity::insert_many).
#[must_use = "nothing is sent until it is run"]
#[derive(Clone, Debug)]
pub struct InsertMany<M: Model> {
    rows: Vec<M::New>,
    marker: PhantomData<fn() -> M>,
}

/// The most parameters that a statement may have.
const MOST_PARAMS: usize = 65_535;

impl<M: Model> InsertMany<M> {
    pub(crate) fn new(rows: Vec<M::New>) -> Self {
        Self { rows, marker: PhantomData }
    }

    /// Inserts the rows in one round trip: all of them, or none. Returns how many; 0, without asking the server, where
    /// there are none.
    ///
    /// # Errors
    /// What constraints say, and as [`Query::all`](crate::Query::all).
    ///
    /// # Cancel safety
    /// When the future is dropped they may be inserted all the same.
    #[track_caller]
    pub fn exec(self, on: &(impl Executor + ?Sized)) -> impl Future<Output = Result<u64>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let statements = statements::<M>(&self.rows, 0);
        async move {
            send(source, M::TABLE, statements, no_rows, &mut Discard)
                .await
                .map_err(|error| error.at(caller))
        }
    }

    /// Inserts the rows in one round trip: all of them, or none. Returns them in the same order, with what the database
    /// filled in.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    ///
    /// # Cancel safety
    /// As [`exec`](Self::exec).
    #[track_caller]
    pub fn all(self, on: &(impl Executor + ?Sized)) -> impl Future<Output = Result<Vec<M>>> + Send {
        let (caller, source) = (Location::caller(), on.source());
        let statements = statements::<M>(&self.rows, RETURNING);
        let count = self.rows.len();
        async move {
            let mut rows = Vec::<M>::with_capacity(count);
            send(source, M::TABLE, statements, expect::<M>, &mut Inserted(&mut rows))
                .await
                .map_err(|error| error.at(caller))?;
            Ok(rows)
        }
    }

    /// The SQL that [`exec`](Self::exec) would send, with `$1`, `$2` for values: a statement a line. Empty where there
    /// are no rows.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a value that its column's type can't hold.
    pub fn sql(&self) -> Result<String> {
        let mut sql = String::new();
        for statement in statements::<M>(&self.rows, 0)? {
            if !sql.is_empty() {
                sql.push('\n');
            }
            sql.push_str(&render::sql(M::TABLE, statement.tokens()).map_err(Error::usage)?);
        }
        Ok(sql)
    }
}

/// Nobody asked for the rows.
struct Discard;

impl Collect for Discard {
    fn row(&mut self, _: usize, _: &mut Columns<'_>) -> Result<(), ColumnError> {
        Ok(())
    }

    fn restart(&mut self) {}
}

/// The rows of all statements one behind the other.
struct Inserted<'r, M>(&'r mut Vec<M>);

impl<M: Model> Collect for Inserted<'_, M> {
    fn row(&mut self, _: usize, columns: &mut Columns<'_>) -> Result<(), ColumnError> {
        self.0.push(M::from_columns(columns)?);
        Ok(())
    }

    fn restart(&mut self) {
        self.0.clear();
    }
}

/// Runs the statements in one flush.
async fn send(
    source: Source<'_>,
    table: &'static Table,
    statements: Result<Vec<Fragment>>,
    check: Check,
    rows: &mut dyn Collect,
) -> Result<u64> {
    let statements = statements?;
    if statements.is_empty() {
        return Ok(0);
    }
    let items: Vec<Item<'_>> =
        statements.iter().map(|fragment| Item { table, fragment, check }).collect();
    run_batch(source, &items, rows).await
}

/// The statements that insert the rows: one with an array for each column where all rows set the same columns, else lists
/// of values, as many as it takes to stay below the most parameters.
fn statements<M: Model>(rows: &[M::New], flags: u8) -> Result<Vec<Fragment>> {
    let table = M::TABLE;
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let mask = mask_of(first, table);
    let alike = words(table).all(|(word, _)| {
        let set = first.mask(word);
        rows.iter().all(|row| row.mask(word) == set)
    });
    // Types without a known number, and arrays, have no array that could carry them.
    let carried = columns_of(&mask).all(|column| {
        table.columns.get(usize::from(column)).is_some_and(|column| column.oid.array().is_some())
    });
    if alike && carried && rows.len() > 1 && columns_of(&mask).next().is_some() {
        return Ok(vec![unnest::<M>(rows, &mask, flags)?]);
    }
    values::<M>(rows, flags)
}

fn unnest<M: Model>(rows: &[M::New], mask: &[u8], flags: u8) -> Result<Fragment> {
    let mut fragment = Fragment::default();
    for column in columns_of(mask) {
        let element = M::TABLE.oid(column);
        let array = element.array().unwrap_or(Oid::UNSPECIFIED);
        let pushed = fragment.params_mut().push_with(array, |out| {
            out.put_i32(1);
            // Whether there are NULLs: a hint that the server does not look at.
            out.put_i32(1);
            out.put_u32(element.0);
            out.put_len32(rows.len())?;
            out.put_i32(1);
            // A guess at what the values take, so that the buffer grows once or twice and not for ever.
            out.reserve(rows.len().saturating_mul(16));
            M::New::write_column(rows, column, element, out)
        });
        pushed.map_err(|error| Error::unwritable(M::TABLE, Some(column), error))?;
    }
    Kind::Unnest { flags, mask }.write(&mut fragment);
    Ok(fragment)
}

fn values<M: Model>(rows: &[M::New], flags: u8) -> Result<Vec<Fragment>> {
    let columns = M::TABLE.columns.len();
    let width = columns.div_ceil(8);
    let mut statements = Vec::new();
    let mut fragment = Fragment::default();
    let mut masks: SmallVec<[u8; 64]> = SmallVec::new();
    for row in rows {
        let mask = mask_of(row, M::TABLE);
        let count = columns_of(&mask).count();
        if fragment.params().len() + count > MOST_PARAMS && !masks.is_empty() {
            Kind::Values { flags, width, masks: &masks }.write(&mut fragment);
            statements.push(std::mem::take(&mut fragment));
            masks.clear();
        }
        for column in columns_of(&mask) {
            let oid = M::TABLE.oid(column);
            fragment
                .params_mut()
                .push_sized(oid, |out| M::New::write_column(slice::from_ref(row), column, oid, out))
                .map_err(|error| Error::unwritable(M::TABLE, Some(column), error))?;
        }
        masks.extend_from_slice(&mask);
    }
    if columns == 0 {
        return Err(Error::new(ErrorKind::Usage, "a model without columns has no rows"));
    }
    Kind::Values { flags, width, masks: &masks }.write(&mut fragment);
    statements.push(fragment);
    Ok(statements)
}
