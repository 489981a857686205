//! A hostile behaviour, and what is to come of it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use stellata_client::{
    Config, Connection, Error, FromRow, Params, SimpleResult, SslMode, TlsSettings,
};
use stellata_testkit::{Reply, Script, ScriptedServer, within};

/// How long a case may take in all.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) const PASSWORD: &str = "correct horse";

/// What the client asks of the server.
pub(super) type Call = fn(&Config) -> Asking<'_>;

/// The connection, where there is one, and what was asked of it came to.
pub(super) type Asking<'c> =
    std::pin::Pin<Box<dyn Future<Output = (Option<Connection>, Result<String, Error>)> + 'c>>;

/// A hostile behaviour, and what is to come of it.
pub(super) struct Case {
    /// Unique, and never used for another case.
    pub(super) id: &'static str,
    /// One for each connection.
    scripts: Vec<Script>,
    call: Call,
    configure: fn(Config) -> Config,
    /// The value, or the kind of the error and its SQLSTATE; then, where there was a connection, whether it is `closed`
    /// afterwards or `usable`.
    want: &'static str,
}

impl Case {
    pub(super) fn new(id: &'static str, script: Script, call: Call, want: &'static str) -> Self {
        Self { id, scripts: vec![script], call, configure: |config| config, want }
    }

    /// The same case with other settings.
    pub(super) fn configured(self, configure: fn(Config) -> Config) -> Self {
        Self { configure, ..self }
    }

    /// The same case with what the server does on one more connection.
    pub(super) fn again(mut self, script: Script) -> Self {
        self.scripts.push(script);
        self
    }

    fn run(self) -> Result<(), String> {
        let (id, want) = (self.id, self.want);
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.outcome()));
        let took = begun.elapsed();
        match outcome {
            Ok(outcome) if outcome == want && took < LIMIT => Ok(()),
            Ok(outcome) => Err(format!("{id}: {outcome} after {took:?}, where {want} was wanted")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map_or("a panic", |text| text.as_str());
                Err(format!("{id}: {text}, where {want} was wanted"))
            }
        }
    }

    fn outcome(self) -> String {
        let server = ScriptedServer::start(self.scripts).unwrap();
        let config = Config::new("127.0.0.1", "me")
            .with_port(server.port())
            .with_password(PASSWORD)
            .with_tls(TlsSettings::new(SslMode::Disable))
            .with_connect_timeout(Duration::from_secs(3));
        let config = (self.configure)(config);
        let outcome = stellata_testkit::run(within(LIMIT, async {
            let (connection, result) = (self.call)(&config).await;
            let result = match result {
                Ok(value) => value,
                Err(error) => {
                    let text = format!("{error} {error:?} {error:#}");
                    assert!(!text.contains(PASSWORD), "the password shows: {text}");
                    match error.sqlstate() {
                        Some(code) => format!("{:?} {code}", error.kind()),
                        None => format!("{:?}", error.kind()),
                    }
                }
            };
            match connection {
                Some(connection) => format!("{result} {}", afterwards(connection).await),
                None => result,
            }
        }));
        server.finish();
        outcome
    }
}

/// Whether a connection answers rightly, or else knows that it can't.
async fn afterwards(mut connection: Connection) -> String {
    if connection.is_closed() {
        let error = connection.execute("select 1", ()).await.unwrap_err();
        return match error.kind() {
            stellata_client::ErrorKind::Closed => "closed".to_owned(),
            kind => format!("closed, but tells {kind:?}"),
        };
    }
    for n in [70_001, 70_002] {
        match connection.query::<(i32,)>(&format!("select {n}"), ()).await {
            Ok(rows) if rows == [(n,)] => {}
            Ok(rows) => return format!("WRONG: {rows:?}"),
            Err(_) if connection.is_closed() => return "closed".to_owned(),
            Err(error) => return format!("neither closed nor usable: {error:?}"),
        }
    }
    "usable".to_owned()
}

/// Runs a group of cases; all are run, and all that fail are told.
#[allow(clippy::print_stdout, reason = "the count is for whoever runs the tests")]
pub(super) fn run(group: &str, cases: Vec<Case>) {
    let count = cases.len();
    let failures: Vec<String> = cases.into_iter().filter_map(|case| case.run().err()).collect();
    println!("hostile: {group}: {count} cases, {} failed", failures.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

pub(super) fn are_distinct<'c>(ids: impl Iterator<Item = &'c str>) -> bool {
    let mut seen = BTreeSet::new();
    ids.into_iter().all(|id| seen.insert(id))
}

// What a client asks.

/// Connects, and nothing else.
pub(super) fn connect(config: &Config) -> Asking<'_> {
    Box::pin(async move {
        match Connection::connect(config).await {
            Ok(connection) => (Some(connection), Ok("connected".to_owned())),
            Err(error) => (None, Err(error)),
        }
    })
}

/// Connects and runs `asking` on the connection. A connection that can't be had fails the case.
async fn on_connection(
    config: &Config,
    asking: impl AsyncFnOnce(&mut Connection) -> Result<String, Error>,
) -> (Option<Connection>, Result<String, Error>) {
    let mut connection = Connection::connect(config).await.unwrap();
    let result = asking(&mut connection).await;
    (Some(connection), result)
}

/// Reads rows of `T` by a statement with parameters, though it has none.
pub(super) fn query<T>(config: &Config) -> Asking<'_>
where
    T: for<'r> FromRow<'r> + Send + std::fmt::Debug,
{
    Box::pin(on_connection(config, async |connection| {
        let rows = connection.query::<T>("select hostile", ()).await?;
        Ok(format!("{rows:?}"))
    }))
}

/// The same statement twice, the second time from the cache.
pub(super) fn query_twice(config: &Config) -> Asking<'_> {
    Box::pin(on_connection(config, async |connection| {
        let first = connection.query::<(i32,)>("select hostile", ()).await?;
        let second = connection.query::<(i32,)>("select hostile", ()).await?;
        Ok(format!("{first:?} {second:?}"))
    }))
}

/// Reads rows of a number by a statement in a batch, which does not end with it.
pub(super) fn batch(config: &Config) -> Asking<'_> {
    Box::pin(on_connection(config, async |connection| {
        connection.begin_batch()?;
        let ticket = connection.submit(&"select hostile", &Params::new())?;
        connection.sync()?;
        let mut found: Vec<i32> = Vec::new();
        let read = connection
            .rows(ticket, |_| Ok(()), &mut |columns| {
                found.push(columns.next()?);
                Ok(())
            })
            .await;
        read?;
        connection.ready().await?;
        Ok(format!("{found:?}"))
    }))
}

/// Runs a statement and passes over its rows.
pub(super) fn execute(config: &Config) -> Asking<'_> {
    Box::pin(on_connection(config, async |connection| {
        Ok(format!("{} rows", connection.execute("copy hostile", ()).await?))
    }))
}

/// Runs a statement by the simple protocol.
pub(super) fn simple(config: &Config) -> Asking<'_> {
    Box::pin(on_connection(config, async |connection| {
        let print = |result: &SimpleResult| {
            let rows = result.rows.iter().map(|row| format!("{row:?}")).collect::<String>();
            format!("{}{rows}", result.tag)
        };
        let results = connection.simple("select hostile").await?;
        Ok(format!("<{}>", results.iter().map(print).collect::<Vec<_>>().join("; ")))
    }))
}

// Scripts that many cases share.

/// Waits for the start-up message and sends this.
pub(super) fn greet(reply: Reply) -> Script {
    Script::new().expect("^").send(reply)
}

/// Lets the client log in, waits for the first use of a statement and sends this.
pub(super) fn answer(reply: Reply) -> Script {
    Script::new().trust_login().expect("PDBES").send(reply)
}

/// Lets the client log in, waits for a simple query and sends this.
pub(super) fn answer_simple(reply: Reply) -> Script {
    Script::new().trust_login().expect("Q").send(reply)
}
