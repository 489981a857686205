//! Notifications against a real server.

mod dropped;
mod lost;

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use stellata_client::{
    Config, Connection, ErrorKind, ListenEvent, Listener, ListenerOptions, Notification,
};
use stellata_testkit::{Database, with_database};

fn config(database: &Database) -> Config {
    Config::parse(&database.url()).unwrap()
}

async fn heard(listener: &mut Listener) -> Notification {
    match listener.next().await.unwrap() {
        ListenEvent::Notification(notification) => notification,
        other => panic!("{other:?}"),
    }
}

#[test]
fn channels_of_any_name_are_told_from_each_other() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        let long = "é".repeat(31) + "x";
        assert_eq!(long.len(), 63);
        let names =
            ["orders", "Orders", "my \"channel\"; drop table x", "select", "a'b\\c", " ", &long];
        for name in names {
            listener.listen(name).await.unwrap();
        }
        for name in names {
            sender.notify(name, &format!("to {name}")).await.unwrap();
        }
        sender.notify("another", "nobody hears this").await.unwrap();
        sender.notify(names[0], "").await.unwrap();
        for name in names {
            let notification = heard(&mut listener).await;
            assert_eq!(&*notification.channel, name);
            assert_eq!(*notification.payload, format!("to {name}"));
            assert_eq!(Some(notification.process_id), sender.process_id());
        }
        assert_eq!(&*heard(&mut listener).await.payload, "");
        let mut channels: Vec<&str> = listener.channels().collect();
        let mut expected = names.to_vec();
        channels.sort_unstable();
        expected.sort_unstable();
        assert_eq!(channels, expected);
    });
}

#[test]
fn names_that_the_server_would_cut_are_refused() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        for name in ["", "a\0b", &"x".repeat(64)] {
            let error = listener.listen(name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode, "{name}");
            assert!(sender.notify(name, "x").await.is_err());
        }
        let error = sender.notify("orders", &"x".repeat(8000)).await.unwrap_err();
        assert_eq!(error.sqlstate().unwrap().as_str(), "22023");
        sender.notify("orders", &"x".repeat(7999)).await.unwrap();
        assert!(!sender.is_changed(), "a notification leaves nothing in the session");
        assert_eq!(listener.channels().count(), 0);
    });
}

#[test]
fn channels_come_and_go_while_it_runs() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        listener.listen("a").await.unwrap();
        sender.notify("a", "1").await.unwrap();
        sender.notify("b", "unheard").await.unwrap();
        listener.listen("b").await.unwrap();
        sender.notify("b", "2").await.unwrap();
        sender.notify("a", "not told any more").await.unwrap();
        listener.unlisten("a").await.unwrap();
        sender.notify("a", "unheard").await.unwrap();
        sender.notify("b", "3").await.unwrap();
        // What was sent to `a` before it was let go is not told after it.
        assert_eq!(&*heard(&mut listener).await.payload, "2");
        assert_eq!(&*heard(&mut listener).await.payload, "3");
    });
}

#[test]
fn payloads_are_read_as_json() {
    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Order<'a> {
        id: i64,
        of: &'a str,
    }
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        listener.listen("orders").await.unwrap();
        database.run(r#"select pg_notify('orders', '{"id": 7, "of": "Anna"}')"#).unwrap();
        let notification = heard(&mut listener).await;
        assert_eq!(notification.json::<Order<'_>>().unwrap(), Order { id: 7, of: "Anna" });
        assert!(notification.json::<Vec<i64>>().is_err());
    });
}

#[test]
fn a_notification_waits_for_its_transaction() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        listener.listen("orders").await.unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        for (end, payload) in [("rollback", "undone"), ("commit", "done")] {
            sender.simple("begin").await.unwrap();
            sender.notify("orders", payload).await.unwrap();
            sender.simple(end).await.unwrap();
        }
        assert_eq!(&*heard(&mut listener).await.payload, "done");
    });
}

#[test]
fn a_connection_hears_notifications_of_its_own() {
    with_database(async |database| {
        let mut connection = Connection::connect(&config(database)).await.unwrap();
        connection.simple("listen orders").await.unwrap();
        connection.notify("orders", "mine").await.unwrap();
        assert_eq!(&*connection.notification().await.unwrap().payload, "mine");
        database.run("notify orders, 'another''s'").unwrap();
        connection.idle().await.unwrap();
        assert_eq!(&*connection.pop_notification().unwrap().payload, "another's");
        let idle = tokio::time::timeout(Duration::from_millis(50), connection.idle()).await;
        assert!(idle.is_err(), "nothing came");
    });
}

#[test]
fn many_notifications_come_in_order_and_none_is_dropped_however_slow_the_reader() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        listener.listen("c").await.unwrap();
        // Payloads must differ: equal ones of a transaction are sent once.
        database.run("select pg_notify('c', n::text) from generate_series(1, 30000) n").unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        for n in 1..=30_000 {
            let notification = heard(&mut listener).await;
            assert_eq!(*notification.payload, n.to_string());
        }
    });
}

#[test]
fn what_is_dropped_is_counted_and_told() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        listener.listen("c").await.unwrap();
        database.run("select pg_notify('c', n::text) from generate_series(1, 40000) n").unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // This waits for its answer behind all of them, and nobody takes any.
        listener.listen("d").await.unwrap();
        let ListenEvent::Dropped(dropped) = listener.next().await.unwrap() else {
            panic!("nothing was dropped");
        };
        assert_eq!(dropped, 40_000 - 16_384);
        assert_eq!(*heard(&mut listener).await.payload, (dropped + 1).to_string());
    });
}

#[test]
fn a_quiet_server_is_asked_now_and_then() {
    with_database(async |database| {
        let probes = Duration::from_millis(20);
        let options = ListenerOptions::new().with_probes(probes, Duration::from_secs(20));
        let mut listener = Listener::connect_with(&config(database), options).await.unwrap();
        listener.listen("c").await.unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(400), listener.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        database.run("notify c, 'there'").unwrap();
        assert_eq!(&*heard(&mut listener).await.payload, "there");
    });
}

#[test]
fn a_listener_is_a_stream() {
    with_database(async |database| {
        let mut listener = Listener::connect(&config(database)).await.unwrap();
        listener.listen("orders").await.unwrap();
        let mut sender = Connection::connect(&config(database)).await.unwrap();
        for number in 0..3 {
            sender.notify("orders", &number.to_string()).await.unwrap();
        }
        for number in 0..3 {
            let event = poll_fn(|cx| Pin::new(&mut listener).poll_next(cx)).await;
            let Some(Ok(ListenEvent::Notification(heard))) = event else { panic!("{event:?}") };
            assert_eq!(*heard.payload, number.to_string());
        }
    });
}
