//! What the server says without being asked, handed to functions of the configuration.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use stellata_client::{Config, Connection, ErrorKind};
use stellata_testkit::with_database;

#[test]
fn notices_and_changes_of_settings_are_told_when_they_come() {
    with_database(async |database| {
        let told = Arc::new(Mutex::new(Vec::<String>::new()));
        let (notices, settings) = (Arc::clone(&told), Arc::clone(&told));
        let config = Config::parse(&database.url())
            .unwrap()
            .with_on_notice(move |notice| notices.lock().unwrap().push(notice.message.to_string()))
            .with_on_parameter(move |name, value| {
                settings.lock().unwrap().push(format!("{name} is {value}"));
            });
        let mut connection = Connection::connect(&config).await.unwrap();
        assert!(told.lock().unwrap().is_empty(), "what a login reports is no change");
        connection
            .simple("do $$ begin raise notice 'one'; raise warning 'two'; end $$")
            .await
            .unwrap();
        connection.execute("set application_name = 'new'", ()).await.unwrap();
        connection.execute("set application_name = 'new'", ()).await.unwrap();
        connection.execute("do $$ begin raise notice 'three'; end $$", ()).await.unwrap();
        let wanted = ["one", "two", "application_name is new", "three"];
        assert_eq!(*told.lock().unwrap(), wanted);
        assert!(connection.pop_notice().is_none());
        assert_eq!(connection.parameter("application_name"), Some("new"));
    });
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Flag {
    /// Waits until it is raised, and lowers it.
    async fn raised(&self) {
        while !self.0.swap(false, Ordering::AcqRel) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[test]
fn who_watches_a_connection_is_woken_by_what_comes() {
    with_database(async |database| {
        let mut connection =
            Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap();
        connection.execute("listen news", ()).await.unwrap();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        for _ in 0..3 {
            connection.watch(&waker).unwrap();
            database.run("notify news, 'today'").unwrap();
            flag.raised().await;
            connection.watch(&waker).unwrap();
            assert_eq!(&*connection.pop_notification().unwrap().payload, "today");
            // The next call puts its own waker in the place.
            assert_eq!(connection.query_one::<(i32,)>("select 1", ()).await.unwrap(), (1,));
        }
        connection.watch(&waker).unwrap();
        let process = connection.process_id().unwrap();
        database.run(&format!("select pg_terminate_backend({process})")).unwrap();
        flag.raised().await;
        let error = loop {
            // The goodbye and the end of the socket may come apart.
            if let Err(error) = connection.watch(&waker) {
                break error;
            }
            flag.raised().await;
        };
        assert_eq!(error.sqlstate().unwrap().as_str(), "57P01");
        assert_eq!(connection.watch(&waker).unwrap_err().kind(), ErrorKind::Closed);
    });
}
