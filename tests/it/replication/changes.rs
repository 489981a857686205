//! Changes as a logical stream tells them.

use stellata_client::replication::{
    Event, LogicalOptions, OldRow, Origins, pgoutput::ReplicaIdentity,
};
use stellata_client::{Config, Connection, ErrorKind};

use super::{connect, one, released, with_notes, with_slot};

#[test]
fn rows_are_read_as_what_they_are() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        database
            .run(
                "create type mood as enum ('glad', 'sad');
                 create table people (id int4 primary key, name text not null, born date, score float8, feels mood,
                                      tags text[], paid bool, photo bytea)",
            )
            .unwrap();
        database
            .run(
                "insert into people values (7, 'Änne', '1990-05-17', 1.5, 'glad', '{a,b}', true, '\\x0001');
                 update people set name = 'Anne', born = null where id = 7;
                 update people set id = 8 where id = 7;
                 delete from people where id = 8",
            )
            .unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        let (mut told, mut last) = (Vec::new(), None);
        while last.is_none() {
            let message = stream.next().await.unwrap().unwrap();
            match message.event {
                Event::Begin(begin) => told.push(format!("begin {}", begin.xid.0 > 0)),
                // A server of version 14 tells of transactions in which there is nothing.
                Event::Commit(_) if told.len() == 1 => told.clear(),
                Event::Commit(commit) => {
                    assert!(commit.end_lsn > commit.lsn && message.position == commit.end_lsn);
                    last = Some(commit.end_lsn);
                }
                Event::Type(name) => told.push(format!("type {}.{}", name.schema, name.name)),
                Event::Relation(relation) => {
                    assert_eq!(relation.replica_identity, ReplicaIdentity::Default);
                    assert!(relation.columns[0].is_key && !relation.columns[1].is_key);
                    told.push(format!("{relation} of {}", relation.columns.len()));
                }
                Event::Insert(insert) => {
                    let row = insert.new;
                    assert_eq!(row.get::<i32>("id").unwrap(), 7);
                    assert_eq!(row.get::<&str>("name").unwrap(), "Änne");
                    let day = chrono::NaiveDate::from_ymd_opt(1990, 5, 17);
                    assert_eq!(row.get::<Option<chrono::NaiveDate>>("born").unwrap(), day);
                    assert_eq!(row.get::<f64>("score").unwrap(), 1.5);
                    assert_eq!(row.get::<String>("feels").unwrap(), "glad");
                    assert_eq!(row.get::<Vec<String>>("tags").unwrap(), ["a", "b"]);
                    assert!(row.get::<bool>("paid").unwrap());
                    assert_eq!(row.get::<&[u8]>("photo").unwrap(), [0, 1]);
                    let wrong = row.get::<i64>("name").unwrap_err();
                    assert_eq!(wrong.kind(), ErrorKind::Decode);
                    assert!(wrong.to_string().contains("`name` of public.people"), "{wrong}");
                    assert_eq!(row.get::<i64>("none").unwrap_err().kind(), ErrorKind::Decode);
                    assert!(!format!("{message:?}").contains("nne"), "{message:?}");
                    told.push("insert".to_owned());
                }
                Event::Update(update) => {
                    assert_eq!(update.new.get::<Option<chrono::NaiveDate>>("born").unwrap(), None);
                    assert_eq!(
                        update.new.get::<chrono::NaiveDate>("born").unwrap_err().kind(),
                        ErrorKind::Decode
                    );
                    let old = update.old.map(|old| old.row().get::<i32>("id").unwrap());
                    told.push(format!(
                        "update {old:?} to {}",
                        update.new.get::<i32>("id").unwrap()
                    ));
                }
                Event::Delete(delete) => {
                    let OldRow::Key(key) = delete.old else { panic!("not the key") };
                    assert_eq!(key.get::<Option<&str>>("name").unwrap(), None);
                    told.push(format!("delete {}", key.get::<i32>("id").unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            told,
            [
                "begin true",
                "type public.mood",
                "public.people of 8",
                "insert",
                "update None to 7",
                "update Some(7) to 8",
                "delete 8",
            ]
        );
        stream.confirm(last.unwrap());
        stream.finish().await.unwrap();
        // The connection is an ordinary one again, and what was confirmed does not come again.
        replication.identify_system().await.unwrap();
        database.run("insert into notes values (1, 'x')").unwrap();
        // But for one thing: the server streams changes once.
        let mut again = replication.start_logical(&options).await.unwrap();
        assert_eq!(again.next().await.unwrap_err().kind(), ErrorKind::Usage);
        drop(again);
        replication.identify_system().await.unwrap();
        let mut replication = connect(&database.url()).await;
        let mut stream = replication.start_logical(&options).await.unwrap();
        loop {
            if let Event::Insert(insert) = stream.next().await.unwrap().unwrap().event {
                assert_eq!(insert.new.get::<i64>("id").unwrap(), 1);
                assert_eq!(&*insert.new.relation().name, "notes");
                break;
            }
        }
    });
}

#[test]
fn a_large_value_that_has_not_changed_is_not_null() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        database.run("alter table notes alter body set storage external").unwrap();
        database
            .run(
                "insert into notes values (1, repeat('x', 100000)), (2, null);
                 update notes set id = id + 10;
                 alter table notes replica identity full;
                 update notes set id = id + 10",
            )
            .unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        let mut updates = Vec::new();
        while updates.len() < 4 {
            let message = stream.next().await.unwrap().unwrap();
            if let Event::Update(update) = message.event {
                let new = update.new;
                if new.get::<i64>("id").unwrap() == 11 {
                    let error = new.get::<Option<String>>("body").unwrap_err();
                    assert!(error.to_string().contains("has not changed"), "{error}");
                }
                let old = match update.old {
                    Some(OldRow::Full(old)) => {
                        old.get::<Option<&str>>("body").unwrap().map(str::len)
                    }
                    _ => None,
                };
                let sent = new.sent::<Option<&str>>("body").unwrap();
                updates.push((
                    new.get::<i64>("id").unwrap(),
                    sent.map(|body| body.map(str::len)),
                    old,
                ));
            }
        }
        assert_eq!(
            updates,
            [
                (11, None, None),
                (12, Some(None), None),
                (21, None, Some(100_000)),
                (22, Some(None), None),
            ]
        );
    });
}

#[test]
fn truncations_messages_and_changed_tables_are_told() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        database
            .run(
                "create table \"Odd, \"\"name\"\"\" (id int primary key);
                 create table others (id int primary key, note int8 references notes)",
            )
            .unwrap();
        database.run("select pg_logical_emit_message(false, 'app', 'aside')").unwrap();
        database
            .run(
                "insert into \"Odd, \"\"name\"\"\" values (1);
                 select pg_logical_emit_message(true, 'app', 'inside');
                 truncate notes restart identity cascade;
                 alter table others add column more text;
                 insert into others values (1, null, 'm')",
            )
            .unwrap();
        let mut stream = replication.start_logical(&options.with_messages()).await.unwrap();
        let mut told = Vec::new();
        loop {
            match stream.next().await.unwrap().unwrap().event {
                Event::Message(message) => {
                    let content = String::from_utf8(message.content.to_vec()).unwrap();
                    told.push(format!("{} {content} {}", message.prefix, message.is_transactional));
                }
                Event::Insert(insert) => {
                    told.push(format!(
                        "{} {}",
                        insert.new.relation().name,
                        insert.new.values().count()
                    ));
                }
                Event::Truncate(truncate) => {
                    let mut names: Vec<_> =
                        truncate.relations().map(|relation| relation.name.to_string()).collect();
                    names.sort();
                    told.push(format!(
                        "{names:?} {} {}",
                        truncate.cascade, truncate.restart_identity
                    ));
                }
                Event::Commit(_) if told.len() > 1 => break,
                _ => {}
            }
        }
        assert_eq!(
            told,
            [
                "app aside false",
                "Odd, \"name\" 1",
                "app inside true",
                "[\"notes\", \"others\"] true true",
                "others 3",
            ]
        );
    });
}

#[test]
fn values_come_as_text_where_that_is_asked_for() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        database.run("insert into notes values (12345, 'text')").unwrap();
        let mut stream = replication.start_logical(&options.as_text()).await.unwrap();
        loop {
            if let Event::Insert(insert) = stream.next().await.unwrap().unwrap().event {
                assert_eq!(insert.new.get::<&str>("id").unwrap(), "12345");
                assert_eq!(insert.new.get::<i64>("id").unwrap_err().kind(), ErrorKind::Decode);
                break;
            }
        }
    });
}

#[test]
fn changes_tell_their_origin_and_can_be_left_out_by_it() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        let origin = format!("from_{}", database.name());
        let config = Config::parse(&database.url()).unwrap();
        let mut writer = Connection::connect(&config).await.unwrap();
        let made = format!("select pg_replication_origin_create('{origin}')");
        writer.simple(&made).await.unwrap();
        writer
            .simple(&format!("select pg_replication_origin_session_setup('{origin}')"))
            .await
            .unwrap();
        writer.simple("insert into notes values (1, 'came from elsewhere')").await.unwrap();
        writer.simple("select pg_replication_origin_session_reset()").await.unwrap();
        writer.simple("insert into notes values (2, 'made here')").await.unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        let (mut seen, mut ids) = (None, Vec::new());
        while ids.len() < 2 {
            match stream.next().await.unwrap().unwrap().event {
                Event::Origin(from) => seen = Some(from.name.to_owned()),
                Event::Insert(insert) => ids.push(insert.new.get::<i64>("id").unwrap()),
                _ => {}
            }
        }
        assert_eq!((seen, ids), (Some(origin.clone()), vec![1, 2]));
        stream.finish().await.unwrap();
        if database.version() >= 16 {
            let options = options.with_origins(Origins::Local);
            released(database).await;
            let mut replication = connect(&database.url()).await;
            let mut stream = replication.start_logical(&options).await.unwrap();
            loop {
                if let Event::Insert(insert) = stream.next().await.unwrap().unwrap().event {
                    assert_eq!(insert.new.get::<i64>("id").unwrap(), 2);
                    break;
                }
            }
        }
        writer.simple(&format!("select pg_replication_origin_drop('{origin}')")).await.unwrap();
    });
}

#[test]
fn a_stream_resumes_where_it_is_told_to() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        for id in 1..=5 {
            database.run(&format!("insert into notes values ({id}, 'n')")).unwrap();
        }
        let mut ends = Vec::new();
        let mut stream = replication.start_logical(&options).await.unwrap();
        while ends.len() < 5 {
            if let Event::Commit(commit) = stream.next().await.unwrap().unwrap().event {
                ends.push(commit.end_lsn);
            }
        }
        drop(stream);
        replication.close().await;
        released(database).await;
        // Nothing was confirmed: all comes again, unless the stream is told to begin later.
        for (from, first) in [(None, 1), (Some(ends[0]), 2), (Some(ends[3]), 5)] {
            let options = match from {
                Some(from) => options.clone().from(from),
                None => options.clone(),
            };
            let mut replication = connect(&database.url()).await;
            let mut stream = replication.start_logical(&options).await.unwrap();
            loop {
                if let Event::Insert(insert) = stream.next().await.unwrap().unwrap().event {
                    assert_eq!(insert.new.get::<i64>("id").unwrap(), first);
                    break;
                }
            }
            // Nobody else can stream from the slot until this is at its end.
            stream.finish().await.unwrap();
            released(database).await;
        }
    });
}

#[test]
fn a_slot_moves_on_when_nothing_concerns_it() {
    with_notes(async |database| {
        let (mut replication, options) = with_slot(database).await;
        database.run("create table apart (n int)").unwrap();
        database
            .run("drop publication everything; create publication everything for table notes")
            .unwrap();
        let mut stream = replication.start_logical(&options).await.unwrap();
        let before = stream.confirmed();
        database.run("insert into apart select generate_series(1, 1000)").unwrap();
        let end: stellata_client::replication::Lsn =
            one(database, "select pg_current_wal_lsn()").parse().unwrap();
        while stream.confirmed() < end {
            let waited = tokio::time::timeout(std::time::Duration::from_millis(200), stream.next());
            match waited.await {
                Ok(message) => {
                    let event = message.unwrap().unwrap().event;
                    // A server of version 14 tells of transactions in which there is nothing.
                    if let Event::Commit(commit) = event {
                        stream.confirm(commit.end_lsn);
                    }
                }
                Err(_) => {
                    // Some activity makes the server tell how far it is.
                    database.run("select pg_logical_emit_message(true, 'x', 'y')").unwrap();
                }
            }
        }
        assert!(stream.confirmed() > before);
        stream.finish().await.unwrap();
        let reconnected: LogicalOptions = options;
        connect(&database.url()).await.start_logical(&reconnected).await.map(drop).unwrap();
    });
}
