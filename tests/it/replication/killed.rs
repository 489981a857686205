//! Whoever is killed, wherever: every committed change is seen, none is lost, and repeats are told by their position.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use stellata_client::Config;
use stellata_client::replication::{Event, LogicalOptions, Lsn, ReplicationConnection};
use stellata_testkit::{
    Cut, Database, Direction, Ending, Proxy, Server, Shutdown, run_within, sql,
};

use super::{connect, with_notes, with_slot};

/// What a consumer keeps on its disk: the rows, and up to where they go.
#[derive(Default)]
struct Copy {
    ids: Vec<i64>,
    position: Lsn,
    /// How many transactions came again.
    repeats: u32,
    /// How many connections there were.
    connections: u32,
}

impl Copy {
    /// Follows the slot until the row `last` is there, by as many connections as it takes. Only every third transaction is
    /// confirmed, so that some come again.
    async fn follow(&mut self, config: &Config, options: &LogicalOptions, last: i64) {
        while self.ids.last() != Some(&last) {
            self.connections += 1;
            if self.follow_once(config, options, last).await.is_err() {
                // Until the server has noticed, the slot is in use.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn follow_once(
        &mut self,
        config: &Config,
        options: &LogicalOptions,
        last: i64,
    ) -> Result<(), stellata_client::Error> {
        let mut replication = ReplicationConnection::connect(config).await?;
        let mut stream = replication.start_logical(options).await?;
        let mut rows = Vec::new();
        while let Some(message) = stream.next().await? {
            match message.event {
                Event::Begin(_) => rows.clear(),
                Event::Insert(insert) => rows.push(insert.new.get::<i64>("id")?),
                Event::Commit(commit) => {
                    self.keep(&mut rows, commit.end_lsn);
                    if self.ids.len().is_multiple_of(3) {
                        stream.confirm(commit.end_lsn);
                    }
                    if self.ids.last() == Some(&last) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a transaction that is no repeat; returns the last row that there is.
    fn keep(&mut self, rows: &mut Vec<i64>, end: Lsn) -> Option<i64> {
        if end <= self.position {
            self.repeats += 1;
        } else {
            self.ids.append(rows);
            self.position = end;
        }
        self.ids.last().copied()
    }

    fn check(&self, last: i64) {
        assert_eq!(self.ids, (1..=last).collect::<Vec<_>>());
    }
}

fn write(database: &Database, ids: impl IntoIterator<Item = i64>) {
    let mut session = database.session().unwrap();
    for id in ids {
        session.run(&format!("insert into notes values ({id}, repeat('n', 40))")).unwrap();
    }
}

#[test]
fn a_connection_cut_at_any_byte_loses_no_change() {
    with_notes(async |database| {
        let (_, options) = with_slot(database).await;
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let (mut copy, mut last, mut cuts) = (Copy::default(), 0, 0);
        // The login takes some 500 bytes from the server; what follows is the stream.
        for after in (40..500).step_by(92).chain((500..2200).step_by(37)) {
            let ending = if after % 2 == 0 { Ending::Close } else { Ending::Reset };
            proxy.cut(Cut::new(Direction::ToClient, after, ending));
            write(database, last + 1..=last + 4);
            last += 4;
            copy.follow(&config, &options, last).await;
            cuts += 1;
        }
        for after in (0..600).step_by(41) {
            proxy.cut(Cut::new(Direction::ToServer, after, Ending::Close));
            write(database, last + 1..=last + 4);
            last += 4;
            copy.follow(&config, &options, last).await;
            cuts += 1;
        }
        copy.check(last);
        println!("{cuts} cuts, {} connections, {} repeats", copy.connections, copy.repeats);
        assert!(copy.connections > cuts, "{} connections", copy.connections);
        assert!(copy.repeats > 20, "{} repeats", copy.repeats);
    });
}

#[test]
fn a_killed_backend_loses_no_change() {
    with_notes(async |database| {
        let (replication, options) = with_slot(database).await;
        drop(replication);
        let config = Config::parse(&database.url()).unwrap();
        let mut copy = Copy::default();
        let database_name = database.name();
        let kill = format!(
            "select pg_terminate_backend(active_pid) from pg_replication_slots
             where database = '{database_name}' and active_pid is not null"
        );
        let (mut last, mut killed) = (0, 0);
        for round in 0..30 {
            write(database, last + 1..=last + 20);
            last += 20;
            // Twice, as soon as it has the slot or some steps later: by the steps it has made, not by the time they took.
            let mut follow = pin!(copy.follow(&config, &options, last));
            let (mut steps, mut to_kill) = (0, 2);
            poll_fn(|cx| {
                let is_done = follow.as_mut().poll(cx);
                steps += 1;
                if is_done.is_pending() && to_kill > 0 && steps % (round % 10 + 1) == 0 {
                    let some = database.run(&kill).unwrap().len();
                    to_kill -= some.min(to_kill);
                    killed += some;
                }
                is_done
            })
            .await;
        }
        copy.check(last);
        println!("{killed} kills, {} repeats", copy.repeats);
        assert!(killed > 5, "{killed} kills");
    });
}

/// What a consumer's disk is: it stays when the consumer is killed.
type Disk = Arc<Mutex<Copy>>;

#[test]
fn a_consumer_that_is_killed_loses_no_change() {
    with_notes(async |database| {
        let (replication, options) = with_slot(database).await;
        drop(replication);
        let config = Arc::new(Config::parse(&database.url()).unwrap());
        let options = Arc::new(options);
        let disk = Disk::default();
        let (mut last, mut killed) = (0, 0);
        for round in 0..30 {
            write(database, last + 1..=last + 10);
            last += 10;
            let (disk, config, options) =
                (Arc::clone(&disk), Arc::clone(&config), Arc::clone(&options));
            let mut consumer = pin!(async move {
                loop {
                    // What it has in hand when it is killed is gone, and with it what it would have confirmed.
                    let known = disk.lock().unwrap().position;
                    let followed = follow_to_disk(&disk, &config, &options, last).await;
                    if followed.is_ok() && disk.lock().unwrap().ids.last() == Some(&last) {
                        break;
                    }
                    assert!(disk.lock().unwrap().position >= known);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            // From before it has connected to when it is nearly done: by the steps it has made, not by the time they took.
            let mut steps = 0;
            let is_done = poll_fn(|cx| {
                if steps > round {
                    return Poll::Ready(false);
                }
                steps += 1;
                consumer.as_mut().poll(cx).map(|()| true)
            });
            killed += u32::from(!is_done.await);
        }
        let mut copy = std::mem::take(&mut *disk.lock().unwrap());
        copy.follow(&config, &options, last).await;
        copy.check(last);
        println!("{killed} kills, {} repeats", copy.repeats);
        assert!(killed > 10, "{killed} kills");
    });
}

/// Keeps each transaction on the disk before it confirms it.
async fn follow_to_disk(
    disk: &Disk,
    config: &Config,
    options: &LogicalOptions,
    last: i64,
) -> Result<(), stellata_client::Error> {
    let mut replication = ReplicationConnection::connect(config).await?;
    let mut stream = replication.start_logical(options).await?;
    let mut rows = Vec::new();
    while let Some(message) = stream.next().await? {
        match message.event {
            Event::Begin(_) => rows.clear(),
            Event::Insert(insert) => rows.push(insert.new.get::<i64>("id")?),
            Event::Commit(commit) => {
                // It may be killed before it has kept it, and before it has confirmed it.
                tokio::task::yield_now().await;
                let is_last = disk.lock().unwrap().keep(&mut rows, commit.end_lsn) == Some(last);
                tokio::task::yield_now().await;
                stream.confirm(commit.end_lsn);
                if is_last {
                    break;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn a_server_that_is_killed_and_recovers_loses_no_change() {
    let server = Server::start(super::options()).unwrap();
    run_within(Duration::from_secs(300), async {
        let run = |text: &str| sql::run(server.endpoint(), "postgres", text).unwrap();
        run("create table notes (id int8 primary key, body text)");
        run("create publication everything for table notes");
        let config = Config::parse(&server.url("postgres")).unwrap();
        let options = LogicalOptions::new("followed", ["everything"]);
        let slot = stellata_client::replication::NewSlot::logical("followed");
        connect(&server.url("postgres")).await.create_slot(&slot).await.unwrap();
        let (mut copy, mut last, mut crashed) = (Copy::default(), 0, 0);
        for how in [Shutdown::Kill, Shutdown::Immediate, Shutdown::Fast, Shutdown::Kill] {
            for _ in 0..2 {
                for id in last + 1..=last + 5 {
                    run(&format!("insert into notes values ({id}, 'n')"));
                }
                last += 5;
                copy.follow(&config, &options, last).await;
            }
            // What is written before the server goes down is told when it is back.
            run(&format!("insert into notes select generate_series({}, {})", last + 1, last + 3));
            last += 3;
            server.restart(how).unwrap();
            copy.follow(&config, &options, last).await;

            let mut witness = sql::Session::connect(server.endpoint(), "postgres").unwrap();
            // A walsender that dies without a word takes all other sessions with it. Some steps after it has the slot: by the
            // steps that the consumer has made, not by the time they took.
            let kill = || {
                let sql =
                    "select active_pid from pg_replication_slots where active_pid is not null";
                let rows = sql::run(server.endpoint(), "postgres", sql).unwrap();
                let process = rows.into_iter().flatten().flatten().next();
                process.is_some_and(|process| server.kill_backend(process.parse().unwrap()).is_ok())
            };
            let mut is_hit = false;
            while !is_hit {
                let (first, to) = (last + 1, last + 500);
                run(&format!("insert into notes select generate_series({first}, {to})"));
                last = to;
                let mut follow = pin!(copy.follow(&config, &options, last));
                poll_fn(|cx| {
                    let is_done = follow.as_mut().poll(cx);
                    is_hit = is_done.is_pending() && kill();
                    if is_hit { Poll::Ready(()) } else { is_done }
                })
                .await;
            }
            // The server ends all others a moment after that.
            while witness.run("select 1").is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            crashed += 1;
            server.wait_until_ready().unwrap();
            copy.follow(&config, &options, last).await;
        }
        let (connections, repeats) = (copy.connections, copy.repeats);
        println!("{crashed} walsenders killed, {connections} connections, {repeats} repeats");
        copy.check(last);
        assert_eq!(crashed, 4);
    });
}

#[test]
fn a_server_that_shuts_down_is_told_from_a_stream_that_ends() {
    let server = Arc::new(Server::start(super::options()).unwrap());
    run_within(Duration::from_secs(60), async {
        let run = |text: &str| sql::run(server.endpoint(), "postgres", text).unwrap();
        run("create publication everything for all tables");
        let mut replication = connect(&server.url("postgres")).await;
        let slot = stellata_client::replication::NewSlot::logical("followed");
        replication.create_slot(&slot).await.unwrap();
        let options = LogicalOptions::new("followed", ["everything"]);
        let mut stream = replication.start_logical(&options).await.unwrap();
        let stopping = Arc::clone(&server);
        let stopped = tokio::task::spawn_blocking(move || stopping.stop(Shutdown::Fast).unwrap());
        let error = loop {
            match stream.next().await {
                Ok(message) => assert!(message.is_some(), "the stream has ended in order"),
                Err(error) => break error,
            }
        };
        assert!(error.is_fatal(), "{error:?}");
        stopped.await.unwrap();
    });
}
