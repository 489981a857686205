//! The workloads by the connection itself, without a model.

use std::hint::black_box;

use chrono::{DateTime, Utc};
use stellata_client::{ColumnError, Columns, Connection, Expect, FromRow, Params, Result};
use stellata_protocol::{Oid, TimestampTz};

/// A row of `users`, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The key.
    pub id: i32,
    /// The name, 6 to 10 bytes.
    pub name: String,
    /// The colour; NULL for every other user.
    pub hair_color: Option<String>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
}

impl<'r> FromRow<'r> for User {
    fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
        <(i32, String, Option<String>, DateTime<Utc>)>::expect(columns)
    }

    #[inline]
    fn from_row(columns: &mut Columns<'r>) -> Result<Self, ColumnError> {
        Ok(Self {
            id: columns.next()?,
            name: columns.next()?,
            hair_color: columns.next()?,
            created_at: columns.next()?,
        })
    }
}

/// A user by key.
pub const BY_KEY: &str = "select id, name, hair_color, created_at from users where id = $1";

/// Every user.
pub const ALL: &str = "select id, name, hair_color, created_at from users";

/// One new user.
pub const INSERT: &str = "insert into users (name, hair_color) values ($1, $2) returning id";

/// Many new users: a column is an array.
pub const INSERT_MANY: &str = "insert into users (name, hair_color) select * from unnest($1, $2)";

/// W1: one user by key.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::query_one`].
pub async fn point(connection: &mut Connection, id: i32) -> Result<User> {
    connection.query_one(BY_KEY, (id,)).await
}

/// W2: all users, owned.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::query`].
pub async fn all(connection: &mut Connection) -> Result<Vec<User>> {
    connection.query(ALL, ()).await
}

/// W2 without a copy: the bytes of all names, each looked at where it lies in the read buffer.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::query_each`].
pub async fn letters(connection: &mut Connection) -> Result<usize> {
    let mut letters = 0;
    connection
        .query_each(ALL, (), |columns| {
            columns.next::<i32>()?;
            letters += columns.next::<&str>()?.len();
            letters += columns.next::<Option<&str>>()?.map_or(0, str::len);
            columns.next::<DateTime<Utc>>()?;
            Ok(())
        })
        .await?;
    Ok(letters)
}

/// W3: one insert, whose key comes back.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::query_one`].
pub async fn insert(connection: &mut Connection, name: &str, color: Option<&str>) -> Result<i32> {
    let (id,) = connection.query_one(INSERT, (name, color)).await?;
    Ok(id)
}

/// W3: many inserts in one statement of two parameters.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::execute`].
pub async fn insert_many(
    connection: &mut Connection,
    users: &[(&str, Option<&str>)],
) -> Result<u64> {
    let params = columns_of(users).map_err(stellata_client::Error::encode)?;
    connection.execute(INSERT_MANY, params).await
}

fn columns_of(users: &[(&str, Option<&str>)]) -> stellata_protocol::Result<Params> {
    let mut params = Params::new();
    params.push_array(Oid::TEXT_ARRAY, Oid::TEXT, users.iter().map(|user| user.0))?;
    params.push_array(Oid::TEXT_ARRAY, Oid::TEXT, users.iter().map(|user| user.1))?;
    Ok(params)
}

/// W5: the users with these keys, a statement each, all in flight at once under one Sync.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::rows`].
pub async fn lookups(
    connection: &mut Connection,
    ids: &[i32],
    users: &mut Vec<User>,
) -> Result<()> {
    let mut tickets = Vec::with_capacity(ids.len());
    connection.begin_batch()?;
    for id in ids {
        let mut params = Params::new();
        params.push(id).map_err(stellata_client::Error::encode)?;
        tickets.push(connection.submit(&BY_KEY, &params)?);
    }
    connection.sync()?;
    for ticket in tickets {
        connection
            .rows(ticket, <User as FromRow<'_>>::expect, &mut |columns| {
                users.push(User::from_row(columns)?);
                Ok(())
            })
            .await?;
    }
    connection.ready().await?;
    Ok(())
}

/// What a row of `copied` is made of.
pub type Copied = (i32, &'static str, Option<&'static str>, TimestampTz);

/// The columns of `copied`.
pub const COPY_COLUMNS: [&str; 4] = ["id", "name", "hair_color", "created_at"];

/// W7: rows into a table by binary COPY.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`CopyIn::rows`](stellata_client::CopyIn::rows).
pub async fn copy_in(connection: &mut Connection, rows: i32) -> Result<u64> {
    // Where the compiler knows the texts, it encodes them.
    let (name, brown) = black_box(("user 12345", "brown"));
    let row = |id: i32| -> Copied {
        let color = (id % 2 == 0).then_some(brown);
        let created_at = TimestampTz::from_unix_microseconds(i64::from(id));
        (id, name, color, created_at.unwrap_or(TimestampTz::INFINITY))
    };
    connection.copy_in("copies", &COPY_COLUMNS).rows((0..rows).map(row)).await
}

/// W7: rows out of a table by binary COPY, each looked at where it lies in the read buffer. Returns the bytes of their texts.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`CopyOut::each`](stellata_client::CopyOut::each).
pub async fn copy_out(connection: &mut Connection) -> Result<usize> {
    let mut letters = 0;
    let copy = connection.copy_out("copied", &COPY_COLUMNS);
    copy.each(|columns| {
        columns.next::<i32>()?;
        letters += columns.next::<&str>()?.len();
        letters += columns.next::<Option<&str>>()?.map_or(0, str::len);
        columns.next::<TimestampTz>()?;
        Ok(())
    })
    .await?;
    Ok(letters)
}

/// Two statements and a COMMIT: BEGIN rides along with the first, and COMMIT is a request of its own or, `joined`, rides
/// along with the second.
///
/// # Errors
/// What the client says.
///
/// # Cancel safety
/// That of [`Connection::rows`].
pub async fn transaction(connection: &mut Connection, id: i32, joined: bool) -> Result<()> {
    let mut by_id = Params::new();
    by_id.push(&id).map_err(stellata_client::Error::encode)?;
    let none = Params::new();
    series(connection, &[("begin", &none), (RECOLOR, &by_id)]).await?;
    if joined {
        series(connection, &[(RECOLOR, &by_id), ("commit", &none)]).await
    } else {
        series(connection, &[(RECOLOR, &by_id)]).await?;
        series(connection, &[("commit", &none)]).await
    }
}

const RECOLOR: &str = "update users set hair_color = 'red' where id = $1";

/// Statements for their effect, in one flight.
async fn series(connection: &mut Connection, statements: &[(&str, &Params)]) -> Result<()> {
    let mut tickets = Vec::with_capacity(statements.len());
    connection.begin_batch()?;
    for (sql, params) in statements {
        tickets.push(connection.submit(sql, params)?);
    }
    connection.sync()?;
    for ticket in tickets {
        connection.rows(ticket, |_| Ok(()), &mut |_| Ok(())).await?;
    }
    connection.ready().await?;
    Ok(())
}
