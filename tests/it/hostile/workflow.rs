//! What callers do with a connection, as values that are to come out right or not at all.

use std::pin::Pin;
use std::time::Duration;

use stellata_client::{Connection, Error, ErrorKind, Params};

pub(super) type Running<'c> = Pin<Box<dyn Future<Output = Result<String, Error>> + 'c>>;

/// Works on a fresh session; what it gives depends on nothing but the server's answers. An error that a broken connection
/// can cause is passed on.
pub(super) type Workflow = for<'c> fn(&'c mut Connection) -> Running<'c>;

/// What takes a call or two.
pub(super) const SHORT: [(&str, Workflow); 18] = [
    ("one row", one_row),
    ("parameters and rows", parameters_and_rows),
    ("the same statement again", the_same_statement_again),
    ("no row", no_row),
    ("rows in place", rows_in_place),
    ("large rows", large_rows),
    ("insert and read", insert_and_read),
    ("several statements as text", several_statements_as_text),
    ("an error and on", an_error_and_on),
    ("an error while running", an_error_while_running),
    ("commit", commit),
    ("rollback", rollback),
    ("a failed transaction", a_failed_transaction),
    ("a batch", a_batch),
    ("an error in a batch", an_error_in_a_batch),
    ("notifications, notices, settings", notifications_notices_settings),
    ("an answer given up", an_answer_given_up),
    ("more statements than are kept", more_statements_than_are_kept),
];

/// The server's own refusal is what is wanted; anything else goes to the caller.
pub(super) fn refusal<T>(result: Result<T, Error>) -> Result<String, Error> {
    match result {
        Err(error) if error.kind() == ErrorKind::Server => {
            Ok(error.sqlstate().map(|code| code.to_string()).unwrap_or_default())
        }
        Err(error) => Err(error),
        Ok(_) => Ok("no refusal".to_owned()),
    }
}

fn one_row(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let row: (i32, String) = connection.query_one("select 1, 'one'", ()).await?;
        Ok(format!("{row:?}"))
    })
}

fn parameters_and_rows(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let sql = "select n, nullif(n % 2, 0), $2 || n from generate_series(1, $1::int4) n";
        let rows: Vec<(i32, Option<i32>, String)> = connection.query(sql, (4, "row ")).await?;
        Ok(format!("{rows:?}"))
    })
}

fn the_same_statement_again(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut sum = 0_i64;
        for n in 1..4_i32 {
            sum += i64::from(connection.query_one::<(i32,)>("select $1 * 10", (n,)).await?.0);
        }
        Ok(sum.to_string())
    })
}

fn no_row(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let row: Option<(i32,)> = connection.query_opt("select 1 where false", ()).await?;
        Ok(format!("{row:?}"))
    })
}

fn rows_in_place(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut all = String::new();
        let sql = "select 'x' || n from generate_series(1, 10) n";
        let count = connection.query_each(sql, (), |columns| {
            all.push_str(columns.next::<&str>()?);
            Ok(())
        });
        let count = count.await?;
        Ok(format!("{count} {all}"))
    })
}

fn large_rows(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let sql = "select n, repeat(n::text, 700) from generate_series(1, 6) n";
        let rows: Vec<(i32, String)> = connection.query(sql, ()).await?;
        Ok(format!("{rows:?}"))
    })
}

fn insert_and_read(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.execute("create temp table t (n int primary key)", ()).await?;
        let written = connection.execute("insert into t values ($1), ($2)", (1, 2)).await?;
        let rows: Vec<(i32,)> = connection.query("table t", ()).await?;
        Ok(format!("{written} {rows:?}"))
    })
}

fn several_statements_as_text(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let sql = "create temp table t (n int); insert into t values (1), (null); table t;; \
                   copy t to stdout";
        Ok(format!("{:?}", connection.simple(sql).await?))
    })
}

fn an_error_and_on(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let code = refusal(connection.query::<(i32,)>("select nothing", ()).await)?;
        let (n,): (i32,) = connection.query_one("select 7", ()).await?;
        let text = refusal(connection.simple("select 1; select 1/0; select 2").await)?;
        Ok(format!("{code} {n} {text}"))
    })
}

fn an_error_while_running(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let sql = "select 10 / (5 - n) from generate_series(1, 9) n";
        let mut before = 0;
        let failed = connection.query_each(sql, (), |_| {
            before += 1;
            Ok(())
        });
        let code = refusal(failed.await)?;
        Ok(format!("{code} after {before}"))
    })
}

fn commit(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.execute("begin", ()).await?;
        connection.execute("create temp table t (n int)", ()).await?;
        connection.execute("insert into t select generate_series(1, 3)", ()).await?;
        let inside = connection.status();
        connection.execute("commit", ()).await?;
        let (count,): (i64,) = connection.query_one("select count(*) from t", ()).await?;
        Ok(format!("{inside:?} {count} {:?}", connection.status()))
    })
}

fn rollback(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.execute("create temp table t (n int)", ()).await?;
        connection.execute("begin", ()).await?;
        connection.execute("insert into t values (1)", ()).await?;
        connection.execute("rollback", ()).await?;
        let (count,): (i64,) = connection.query_one("select count(*) from t", ()).await?;
        Ok(count.to_string())
    })
}

fn a_failed_transaction(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.execute("begin", ()).await?;
        let first = refusal(connection.execute("select 1/0", ()).await)?;
        let status = connection.status();
        let second = refusal(connection.execute("select 1", ()).await)?;
        let end = connection.simple("commit").await;
        // It was answered by ROLLBACK.
        let end = match end.map_err(|error| (error.kind(), error)) {
            Err((ErrorKind::RolledBack, error)) => error.to_string(),
            Err((_, error)) => return Err(error),
            Ok(done) => format!("{done:?}"),
        };
        Ok(format!("{first} {status:?} {second} {end}"))
    })
}

fn a_batch(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let statements = ["select 1", "select 2", "select 3"];
        connection.begin_batch()?;
        let mut tickets = Vec::new();
        for sql in statements {
            tickets.push(connection.submit(&sql, &Params::new())?);
        }
        connection.sync()?;
        let mut numbers = Vec::new();
        for ticket in tickets {
            let mut sink = |columns: &mut stellata_client::Columns<'_>| {
                numbers.push(columns.next::<i32>()?);
                Ok(())
            };
            connection.rows(ticket, |_| Ok(()), &mut sink).await?;
        }
        let status = connection.ready().await?;
        Ok(format!("{numbers:?} {status:?}"))
    })
}

fn an_error_in_a_batch(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.begin_batch()?;
        let mut tickets = Vec::new();
        for sql in ["select 1", "select 1/0", "select 3"] {
            tickets.push(connection.submit(&sql, &Params::new())?);
        }
        connection.sync()?;
        let first = connection.rows(tickets[0], |_| Ok(()), &mut |_| Ok(())).await?;
        let second = connection.rows(tickets[1], |_| Ok(()), &mut |_| Ok(())).await;
        Ok(format!("{} {}", first.rows, refusal(second)?))
    })
}

fn notifications_notices_settings(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.simple("listen c; notify c, 'payload'; set timezone to 'Asia/Tokyo'").await?;
        connection.simple("do $$ begin raise notice 'a notice'; end $$").await?;
        connection.execute("select 1", ()).await?;
        let notification = connection.pop_notification().map(|one| one.payload);
        let notice = connection.pop_notice().map(|one| one.message);
        Ok(format!("{notification:?} {notice:?} {:?}", connection.parameter("TimeZone")))
    })
}

fn an_answer_given_up(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut given_up = Box::pin(connection.query::<(i32,)>("select 1", ()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = given_up.as_mut().poll(&mut cx);
        drop(given_up);
        connection.drain(Duration::from_secs(60)).await?;
        let rows: Vec<(i32,)> = connection.query("select 2", ()).await?;
        Ok(format!("{rows:?}"))
    })
}

fn more_statements_than_are_kept(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut numbers = Vec::new();
        for n in [1, 2, 3, 1, 2] {
            let sql = format!("select {n}");
            numbers.push(connection.query_one::<(i32,)>(&sql, ()).await?.0);
        }
        Ok(format!("{numbers:?} {}", connection.cached_statements()))
    })
}
