//! What callers do in several steps: COPY, portals, batches, large objects, locks, notifications.

use std::time::Duration;

use stellata_client::{
    Connection, Error, LargeObjectMode, LockMode, Notification, Plan, QueryOptions,
};

use super::workflow::{Running, SHORT, Workflow, refusal};

const LONG: [(&str, Workflow); 12] = [
    ("rows into a table", rows_into_a_table),
    ("text into a table", text_into_a_table),
    ("a COPY given up", a_copy_given_up),
    ("rows out of a table", rows_out_of_a_table),
    ("a COPY that fails half-way", a_copy_that_fails_half_way),
    ("a portal", a_portal),
    ("answers to a batch", answers_to_a_batch),
    ("rows lent", rows_lent),
    ("a limit and a plan", a_limit_and_a_plan),
    ("a large object", a_large_object),
    ("a lock", a_lock),
    ("a notification", a_notification),
];

/// All workflows, with their names.
pub(super) fn all() -> Vec<(&'static str, Workflow)> {
    SHORT.into_iter().chain(LONG).collect()
}

const LIMIT: Duration = Duration::from_secs(50);

async fn table(connection: &mut Connection) -> Result<(), Error> {
    connection.execute("create temp table t (n int4, s text)", ()).await.map(drop)
}

async fn contents(connection: &mut Connection) -> Result<Vec<(i32, String)>, Error> {
    connection.query("select n, s from t order by n", ()).await
}

fn rows_into_a_table(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        table(connection).await?;
        let rows = [(1, "one"), (2, "two")];
        let copied = connection.copy_in("t", &["n", "s"]).rows(rows).await?;
        Ok(format!("{copied} {:?}", contents(connection).await?))
    })
}

fn text_into_a_table(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        table(connection).await?;
        let copied = connection.copy_in("t", &[]).read_from(&b"1\tone\n2\ttwo\n"[..]).await?;
        let refused = connection.copy_in("t", &[]).read_from(&b"3\tthree\nfour\n"[..]).await;
        let code = refusal(refused)?;
        Ok(format!("{copied} {code} {:?}", contents(connection).await?))
    })
}

fn a_copy_given_up(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        table(connection).await?;
        let mut writer = connection.copy_in("t", &[]).writer()?;
        writer.write(b"1\tone\n").await?;
        drop(writer);
        let mut writer = connection.copy_in("t", &["n"]).row_writer().await?;
        writer.write(&(2,)).await?;
        writer.abort().await?;
        Ok(format!("{:?}", contents(connection).await?))
    })
}

fn rows_out_of_a_table(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let query = "select n, repeat('x', n) from generate_series(1, 4) n";
        let mut rows = connection.copy_out_query(query).rows::<(i32, String)>().await?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push(row);
        }
        drop(rows);
        let mut text = Vec::new();
        let copied = connection.copy_out_query(query).write_to(&mut text).await?;
        Ok(format!("{all:?} {copied} {text:?}"))
    })
}

fn a_copy_that_fails_half_way(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let query = "select 10 / (5 - n) from generate_series(1, 9) n";
        let mut text = Vec::new();
        let code = refusal(connection.copy_out_query(query).write_to(&mut text).await)?;
        Ok(format!("{code} {:?}", connection.query::<(i32,)>("select 1", ()).await?))
    })
}

fn a_portal(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.execute("begin", ()).await?;
        let mut portal = connection.portal("select n from generate_series(1, 5) n", ())?;
        let mut all = Vec::new();
        while !portal.is_done() {
            all.extend(portal.fetch::<(i32,)>(connection, 2).await?);
        }
        portal.close(connection)?;
        connection.execute("commit", ()).await?;
        Ok(format!("{all:?}"))
    })
}

fn answers_to_a_batch(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut batch = connection.batch()?.limit(LIMIT);
        batch.add("select n from generate_series(1, 3) n", ())?.add("select 1", ())?.sync()?;
        batch.add("select 1 / 0", ())?.sync()?;
        batch.add("select 2", ())?.add("select 3 where false", ())?;
        let mut answers = batch.send()?;
        let rows = answers.rows::<(i32,)>().await?;
        let one = answers.one::<(i32,)>().await?;
        let code = refusal(answers.count().await)?;
        let two = answers.one::<(i32,)>().await?;
        answers.end().await?;
        Ok(format!("{rows:?} {one:?} {code} {two:?}"))
    })
}

fn rows_lent(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut all = String::new();
        let mut rows = connection.lend("select 'x' || n from generate_series(1, 4) n", ())?;
        while let Some((text,)) = rows.next::<(&str,)>().await? {
            all.push_str(text);
        }
        Ok(all)
    })
}

fn a_limit_and_a_plan(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let options = QueryOptions::new().limit(LIMIT);
        let (one,) =
            connection.with(options.clone()).query_one::<(i32,)>("select $1 + 0", (1,)).await?;
        let options = options.plan(Plan::Custom);
        let (two,) = connection.with(options).query_one::<(i32,)>("select $1 + 0", (2,)).await?;
        Ok(format!("{one} {two}"))
    })
}

fn a_large_object(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.execute("begin", ()).await?;
        let oid = connection.create_large_object().await?;
        let mut object = connection.open_large_object(oid, LargeObjectMode::ReadWrite).await?;
        object.write_all(b"some bytes").await?;
        object.seek(std::io::SeekFrom::Start(5)).await?;
        let mut end = Vec::new();
        object.read_to_end(&mut end).await?;
        object.close().await?;
        connection.execute("rollback", ()).await?;
        Ok(String::from_utf8_lossy(&end).into_owned())
    })
}

fn a_lock(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        let mut lock = connection.lock((1, 2), LockMode::Exclusive, LIMIT).await?;
        let (one,) = lock.query_one::<(i32,)>("select 1", ()).await?;
        lock.release().await?;
        let lock = connection.try_lock(3, LockMode::Shared).await?;
        let got = lock.is_some();
        drop(lock);
        let held = "select count(*) from pg_catalog.pg_locks \
                    where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()";
        let (held,) = connection.query_one::<(i64,)>(held, ()).await?;
        Ok(format!("{one} {got} {held}"))
    })
}

fn a_notification(connection: &mut Connection) -> Running<'_> {
    Box::pin(async move {
        connection.simple("listen \"a channel\"").await?;
        connection.notify("a channel", "a payload").await?;
        let Notification { channel, payload, .. } = connection.notification().await?;
        Ok(format!("{channel} {payload}"))
    })
}
