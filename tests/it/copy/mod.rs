//! COPY in and out.

mod bytes;
mod failures;
mod flow;
mod places;
mod rows;
mod text;
mod types;

use stellata_client::{Config, Connection};
use stellata_testkit::Database;

async fn connect(database: &Database) -> Connection {
    Connection::connect(&Config::parse(&database.url()).unwrap()).await.unwrap()
}

/// The text of a table, as `copy to stdout` gives it: what all else is held against.
async fn text_of(connection: &mut Connection, query: &str) -> String {
    let mut text = Vec::new();
    connection.copy_out_query(query).write_to(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}
