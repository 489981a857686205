//! Listeners whose connection is lost.

use std::time::Duration;

use stellata_client::{
    Backoff, Config, Connection, ErrorKind, ListenEvent, Listener, ListenerOptions,
};
use stellata_testkit::{
    Cut, Database, Direction, Ending, Proxy, Server, ServerOptions, Shutdown, run, with_database,
};

use super::{config, heard};

fn options() -> ListenerOptions {
    let backoff = Backoff::new()
        .with_first(Duration::from_millis(5))
        .with_longest(Duration::from_millis(100))
        .with_patience(None);
    ListenerOptions::new().with_backoff(backoff)
}

async fn through(proxy: &Proxy, database: &Database, options: ListenerOptions) -> Listener {
    let config = Config::parse(&proxy.url(database.name())).unwrap();
    Listener::connect_with(&config, options).await.unwrap()
}

#[test]
fn a_killed_session_is_told_at_once_in_the_servers_words_and_listens_again() {
    with_database(async |database| {
        let mut listener = Listener::connect_with(&config(database), options()).await.unwrap();
        listener.listen("a").await.unwrap();
        listener.listen("b").await.unwrap();
        for round in 0..3 {
            database.run(&format!("notify a, 'before {round}'")).unwrap();
            // A session that is being ended does not tell what waits for it.
            assert_eq!(*heard(&mut listener).await.payload, format!("before {round}"));
            database
                .run(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()",
                )
                .unwrap();
            let ListenEvent::Disconnected(cause) = listener.next().await.unwrap() else {
                panic!("the loss was not told");
            };
            assert_eq!(cause.sqlstate().unwrap().as_str(), "57P01", "{cause:?}");
            let again = listener.next().await.unwrap();
            assert!(matches!(again, ListenEvent::Reconnected) && again.is_gap());
            database.run(&format!("notify b, 'after {round}'")).unwrap();
            assert_eq!(*heard(&mut listener).await.payload, format!("after {round}"));
        }
    });
}

#[test]
fn a_connection_cut_at_any_byte_never_hides_a_gap() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let mut listener = through(&proxy, database, options()).await;
        listener.listen("c").await.unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        let (mut sent, mut next, mut gaps) = (0_u32, 1_u32, 0);
        for after in (0..700).step_by(13) {
            let ending = if after % 2 == 0 { Ending::Close } else { Ending::Reset };
            let direction = if after % 3 == 0 { Direction::ToServer } else { Direction::ToClient };
            proxy.cut(Cut::new(direction, after, ending));
            for _ in 0..6 {
                sent += 1;
                sender.notify("c", &sent.to_string()).await.unwrap();
            }
            proxy.sever(ending);
            let mut after_gap = false;
            loop {
                match listener.next().await.unwrap() {
                    ListenEvent::Notification(heard) => {
                        let number: u32 = heard.payload.parse().unwrap();
                        assert!(
                            number == next || after_gap,
                            "{number} instead of {next}, and no gap told"
                        );
                        assert!(number >= next, "{number} came again");
                        next = number + 1;
                        after_gap = false;
                        if number == sent && proxy.open_connections() > 0 && gaps > 0 {
                            break;
                        }
                    }
                    event if event.is_gap() => {
                        gaps += 1;
                        after_gap = true;
                        // What was sent meanwhile may be lost; this one can not be.
                        sent += 1;
                        sender.notify("c", &sent.to_string()).await.unwrap();
                    }
                    ListenEvent::Disconnected(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(gaps > 10, "{gaps} gaps");
    });
}

#[test]
fn a_silent_network_is_found_out_by_a_probe() {
    with_database(async |database| {
        let proxy = Proxy::start(database.tcp()).unwrap();
        let probes = (Duration::from_millis(50), Duration::from_secs(2));
        let mut listener =
            through(&proxy, database, options().with_probes(probes.0, probes.1)).await;
        listener.listen("c").await.unwrap();
        proxy.sever(Ending::Silence);
        let ListenEvent::Disconnected(cause) = listener.next().await.unwrap() else {
            panic!("the silence was not found out");
        };
        assert_eq!(cause.kind(), ErrorKind::Timeout);
        assert!(listener.next().await.unwrap().is_gap());
        database.run("notify c, 'there'").unwrap();
        assert_eq!(&*heard(&mut listener).await.payload, "there");
    });
}

#[test]
fn a_server_that_is_restarted_is_waited_for() {
    let server = Server::start(ServerOptions::new()).unwrap();
    run(async {
        let config = Config::parse(&server.url("postgres")).unwrap();
        let mut listener = Listener::connect_with(&config, options()).await.unwrap();
        listener.listen("c").await.unwrap();
        for how in [Shutdown::Fast, Shutdown::Immediate, Shutdown::Kill] {
            server.restart(how).unwrap();
            assert!(matches!(listener.next().await.unwrap(), ListenEvent::Disconnected(_)));
            assert!(matches!(listener.next().await.unwrap(), ListenEvent::Reconnected));
            stellata_testkit::sql::run(server.endpoint(), "postgres", "notify c, 'back'").unwrap();
            assert_eq!(&*heard(&mut listener).await.payload, "back");
        }
    });
}

#[test]
fn a_refusal_is_told_and_tried_again() {
    with_database(async |database| {
        let role = format!("listener_of_{}", database.name());
        database.run(&format!("create role \"{role}\" login")).unwrap();
        let config = config(database).with_user(&role);
        let mut listener = Listener::connect_with(&config, options()).await.unwrap();
        listener.listen("c").await.unwrap();
        database.run(&format!("alter role \"{role}\" nologin")).unwrap();
        database
            .run(&format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"
            ))
            .unwrap();
        assert!(matches!(listener.next().await.unwrap(), ListenEvent::Disconnected(_)));
        for _ in 0..3 {
            let error = listener.next().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
        }
        database.run(&format!("alter role \"{role}\" login")).unwrap();
        assert!(matches!(listener.next().await.unwrap(), ListenEvent::Reconnected));
        database.run("notify c, 'back'").unwrap();
        assert_eq!(&*heard(&mut listener).await.payload, "back");
        drop(listener);
        let mut dropped = database.run(&format!("drop role \"{role}\""));
        while dropped.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            dropped = database.run(&format!("drop role \"{role}\""));
        }
    });
}
