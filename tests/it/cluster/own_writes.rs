//! Reading what one has written.

use std::time::Duration;

use stellata::prelude::*;
use stellata::{Error, Lsn, ReadYourWrites};
use stellata_testkit::{Cluster as Servers, Proxy, ServerOptions, run_within};

use super::*;
use crate::dropped::poll_and_drop;

/// A cluster whose replica has stopped following.
struct Stopped {
    servers: Servers,
    primary: i32,
    replica: i32,
}

impl Stopped {
    fn new() -> Self {
        let servers = Servers::start(ServerOptions::new()).unwrap();
        run_on(servers.primary(), TABLES);
        servers.catch_up().unwrap();
        run_on(servers.standby(), "select pg_wal_replay_pause()");
        let (primary, replica) =
            (i32::from(servers.primary().port()), i32::from(servers.standby().port()));
        Self { servers, primary, replica }
    }

    async fn connect(&self) -> Db {
        connect(&[self.servers.primary(), self.servers.standby()]).await
    }

    fn go_on(&self) {
        run_on(self.servers.standby(), "select pg_wal_replay_resume()");
        self.servers.catch_up().unwrap();
    }
}

async fn texts(on: &impl Executor) -> Vec<String> {
    let notes = Note::query().order_by(|n| n.id).all(on).await.unwrap();
    notes.into_iter().map(|note| note.text).collect()
}

#[test]
fn what_one_has_written_is_read_from_the_primary_until_the_replica_has_it() {
    let stopped = Stopped::new();
    run_within(Duration::from_secs(100), async {
        let db = stopped.connect().await;
        let mine = db.read_your_writes();
        assert_eq!(mine.place(), None);
        assert_eq!(read_at(&mine).await, stopped.replica, "nothing is written yet");
        let note = new!(Note { text: "one" }).insert(&mine).await.unwrap();
        let place = mine.place().unwrap();
        assert_eq!(texts(&mine).await, ["one"]);
        assert_eq!(Note::get(note.id, &mine).await.unwrap().text, "one");
        let with = Note::query().include(|n| n.remarks()).all(&mine).await.unwrap();
        assert_eq!(with.len(), 1);
        assert_eq!(
            mine.sql("select text from note").read_only().all::<(String,)>().await.unwrap().len(),
            1
        );
        assert_eq!(read_at(&mine).await, stopped.primary);
        // Others don't wait.
        assert!(texts(&db).await.is_empty());
        assert_eq!(read_at(&db.read_your_writes()).await, stopped.replica);
        // Unless they were told how far.
        let told = db.read_your_writes_since(place.to_string().parse::<Lsn>().unwrap());
        assert_eq!(texts(&told).await, ["one"]);
        assert_eq!(texts(&mine.clone()).await, ["one"]);

        stopped.go_on();
        assert_eq!(read_at(&mine).await, stopped.replica);
        assert_eq!((texts(&mine).await, texts(&told).await.len()), (vec!["one".to_owned()], 1));
        let with = Note::query().include(|n| n.remarks()).all(&mine).await.unwrap();
        assert_eq!(with.len(), 1);
        assert_eq!(mine.place(), Some(place), "reading moves nothing");
    });
}

#[test]
fn every_way_to_write_is_remembered() {
    let stopped = Stopped::new();
    run_within(Duration::from_secs(100), async {
        let db = stopped.connect().await;
        let mine = db.read_your_writes();
        let mut last = None;
        let mut moved = |mine: &ReadYourWrites, what: &str| {
            assert!(mine.place() > last, "{what}");
            last = mine.place();
        };
        let mut note = new!(Note { text: "one" }).insert(&mine).await.unwrap();
        moved(&mine, "insert");
        let remarks = (0..3).map(|n| new!(Remark { text: format!("{n}"), note_id: note.id }));
        Remark::insert_many(remarks).exec(&mine).await.unwrap();
        moved(&mine, "insert many");
        note.update(|n| n.text.set("two"), &mine).await.unwrap();
        moved(&mine, "update");
        Remark::query().filter(|r| r.text.eq("0")).delete().exec(&mine).await.unwrap();
        moved(&mine, "delete");
        mine.sql("update note set text = $1").bind("three").exec().await.unwrap();
        moved(&mine, "SQL by hand");
        mine.transaction(async |tx| {
            note.update(|n| n.text.set("four"), tx).await?;
            new!(Note { text: "five" }).insert(tx).await.map(drop)
        })
        .await
        .unwrap();
        moved(&mine, "a transaction");
        assert_eq!(texts(&mine).await, ["four", "five"]);

        // What fails moves nothing, and hides nothing.
        let place = mine.place();
        let taken = new!(Note { id: note.id, text: "six" }).insert(&mine).await.unwrap_err();
        assert!(taken.to_string().contains("Note"), "{taken}");
        let undone = mine
            .transaction(async |tx| {
                note.update(|n| n.text.set("six"), tx).await?;
                Err::<(), _>(Note::get(-1, tx).await.unwrap_err())
            })
            .await;
        assert!(undone.is_err());
        let nothing = mine.transaction(async |_| Ok::<_, Error>(())).await;
        assert!(nothing.is_ok());
        assert_eq!(mine.place(), place);
        assert_eq!(texts(&mine).await, ["four", "five"]);
    });
}

#[test]
fn a_write_whose_end_nobody_saw_sends_all_reads_to_the_primary() {
    let stopped = Stopped::new();
    run_within(Duration::from_secs(100), async {
        let db = stopped.connect().await;
        // Dropped after it was sent.
        let mut polls = 1;
        let mine = loop {
            let mine = db.read_your_writes();
            poll_and_drop(polls, mine.sql("select pg_sleep(0.2)").exec()).await;
            if mine.place().is_some() {
                break mine;
            }
            polls += 1;
            assert!(polls < 50);
        };
        assert_eq!(mine.place(), Some(Lsn(u64::MAX)));
        assert_eq!(read_at(&mine).await, stopped.primary);
        new!(Note { text: "one" }).insert(&mine).await.unwrap();
        stopped.go_on();
        assert_eq!(read_at(&mine).await, stopped.primary);
        // Killed while it ran.
        let mine = db.read_your_writes();
        let killed = mine.sql("select pg_terminate_backend(pg_backend_pid())").exec().await;
        assert!(killed.is_err());
        assert_eq!(mine.place(), Some(Lsn(u64::MAX)));
        // A handle of its own knows nothing of that.
        assert_eq!(read_at(&db.read_your_writes()).await, stopped.replica);
    });
}

#[test]
fn it_costs_no_further_round_trip_while_the_replica_keeps_up() {
    let stopped = Stopped::new();
    run_within(Duration::from_secs(100), async {
        let to_primary = Proxy::start(stopped.servers.primary().tcp()).unwrap();
        let to_replica = Proxy::start(stopped.servers.standby().tcp()).unwrap();
        let url = format!(
            "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres",
            to_primary.port(),
            to_replica.port()
        );
        // Looks would be counted too.
        let options = options().check_interval(Duration::from_secs(3600));
        let config = Config::parse(&url).unwrap();
        let db = Db::connect_cluster_with(config, options).await.unwrap();
        // Who looked at the replica before the primary was known looks again soon; behind the second nobody does.
        for _ in 0..2 {
            db.cluster().unwrap().check().await;
        }
        let mine = db.read_your_writes();
        read_at(&mine).await;
        let counted = || {
            let counts = (to_primary.counts().round_trips, to_replica.counts().round_trips);
            to_primary.reset_counts();
            to_replica.reset_counts();
            counts
        };
        counted();
        let mut note = new!(Note { text: "one" }).insert(&mine).await.unwrap();
        assert_eq!(counted(), (1, 0), "the place comes along with the write");
        assert_eq!(texts(&mine).await, ["one"]);
        assert_eq!(
            counted(),
            (1, 1),
            "the replica says that it is not so far, and the primary answers"
        );
        mine.transaction(async |tx| note.update(|n| n.text.set("two"), tx).await).await.unwrap();
        assert_eq!(counted(), (2, 0), "the statement with BEGIN, and COMMIT with the place");
        stopped.go_on();
        counted();
        assert_eq!(texts(&mine).await, ["two"]);
        assert_eq!(counted(), (0, 1), "the question rides along with the read");
        Note::query().include(|n| n.remarks()).all(&mine).await.unwrap();
        assert_eq!(counted(), (0, 1));
    });
}

#[test]
fn a_single_server_is_asked_nothing() {
    stellata_testkit::with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let db = Db::connect(&proxy.url(database.name())).await.unwrap();
        database.run(TABLES).unwrap();
        let mine = db.read_your_writes();
        new!(Note { text: "one" }).insert(&mine).await.unwrap();
        proxy.reset_counts();
        assert_eq!(texts(&mine).await, ["one"]);
        new!(Note { text: "two" }).insert(&mine).await.unwrap();
        assert_eq!(proxy.flights(), ["PDBES", "BES"]);
        mine.transaction(async |tx| new!(Note { text: "three" }).insert(tx).await).await.unwrap();
        assert_eq!((texts(&db.primary()).await.len(), mine.place()), (3, None));
        assert!(db.cluster().is_none());
    });
}
