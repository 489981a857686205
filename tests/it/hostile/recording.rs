//! All workflows with a real server, recorded, to be played again otherwise.

use std::time::Duration;

use stellata_client::{Config, Connection};
use stellata_testkit::{Database, Proxy, Recording};

use super::conversations::all;

/// The settings of every replay: time stands still, and some statements are forgotten.
pub(super) fn config(url: &str) -> Config {
    let config = Config::parse(url).unwrap().with_connect_timeout(Duration::MAX);
    config.with_statement_cache(2)
}

/// Runs all workflows with a real server; returns its URL, what each came to, and what went over the wire.
pub(super) async fn record(database: &Database) -> (String, Vec<String>, Vec<Recording>) {
    let proxy = Proxy::start(&database.unguarded_tcp()).unwrap();
    proxy.set_keeping(true);
    let url = proxy.url(database.name());
    let mut recorded = Vec::new();
    for (_, workflow) in all() {
        let mut connection = Connection::connect(&config(&url)).await.unwrap();
        recorded.push(workflow(&mut connection).await.unwrap());
    }
    let recordings = proxy.recordings();
    assert_eq!(recordings.len(), all().len());
    (url, recorded, recordings)
}
