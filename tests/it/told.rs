//! What the server says without being asked, handed to functions of the configuration.

use std::sync::{Arc, Mutex};

use stellata_client::{Config, Connection};
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
