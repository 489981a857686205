//! The n-th read, write or flush fails, for every n, whatever the caller is doing.

use std::io;
use std::time::Duration;

use stellata_client::{Config, Connection, Error};
use stellata_testkit::{
    Database, Endpoint, Fault, Host, Operation, Operations, Pipe, PipeControl, Server, run_within,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::conversations::all;
use super::workflow::Workflow;

/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest read: so that the answers come in many.
const CHUNK: usize = 200;

async fn pipe(server: &Endpoint) -> Pipe<TcpStream> {
    let Host::Tcp(host) = server.host() else { panic!("{server:?} is not reached by TCP") };
    let stream = TcpStream::connect((host.as_str(), server.port())).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Pipe::new(stream).chunks(CHUNK)
}

async fn connect(pipe: Pipe<TcpStream>, database: &Database) -> Result<Connection, Error> {
    // A login in several steps would only be tried again and again.
    let url = database.unguarded_tcp().url(database.name());
    let config = Config::parse(&url).unwrap().with_statement_cache(2);
    Connection::over(pipe, &config).await
}

/// Runs the workflow without a fault: what comes of it, and how many operations it takes.
async fn run_whole(database: &Database, workflow: Workflow) -> (String, Operations) {
    let pipe = pipe(database.tcp()).await;
    let control = pipe.control();
    let mut connection = connect(pipe, database).await.unwrap();
    let value = workflow(&mut connection).await.unwrap();
    (value, control.done())
}

/// Runs the workflow with a fault; tells what is wrong with what comes of it.
async fn run_broken(
    database: &Database,
    workflow: Workflow,
    wanted: &str,
    fault: Fault,
) -> Result<(), String> {
    let pipe = pipe(database.tcp()).await.fault(fault);
    let control = pipe.control();
    let Ok(mut connection) = connect(pipe, database).await else {
        return fault_came(&control, "the login failed");
    };
    match workflow(&mut connection).await {
        Ok(value) if value == wanted => {}
        Ok(value) => return Err(format!("gave {value}")),
        Err(_) => fault_came(&control, "the workflow failed")?,
    }
    match connection.query::<(i32,)>("select 7001", ()).await {
        Ok(rows) if rows == [(7001,)] => Ok(()),
        Ok(rows) => Err(format!("afterwards gave {rows:?}")),
        Err(_) if connection.is_closed() => fault_came(&control, "the probe failed"),
        Err(error) => Err(format!("afterwards failed and stayed open: {error:?}")),
    }
}

fn fault_came(control: &PipeControl, what: &str) -> Result<(), String> {
    if control.has_failed() { Ok(()) } else { Err(format!("{what} before the fault")) }
}

#[test]
fn the_nth_operation_fails() {
    let database = &Database::create(Server::shared().unwrap()).unwrap();
    run_within(Duration::from_secs(300), async {
        let mut runs = 0;
        let mut failures = Vec::new();
        for (name, workflow) in all() {
            let (wanted, whole) = run_whole(database, workflow).await;
            for operation in [Operation::Read, Operation::Write, Operation::Flush] {
                assert!(whole.of(operation) > 1, "{name}: {whole:?}");
                for after in 0..=whole.of(operation) {
                    let error = match after % 3 {
                        0 => io::ErrorKind::ConnectionReset,
                        1 => io::ErrorKind::TimedOut,
                        _ => io::ErrorKind::BrokenPipe,
                    };
                    for lasting in [true, false] {
                        let fault = Fault { operation, after, error, lasting };
                        runs += 1;
                        let run = run_broken(database, workflow, &wanted, fault);
                        let outcome = timeout(LIMIT, run).await;
                        if let Err(why) = outcome.unwrap_or_else(|_| Err("hangs".to_owned())) {
                            failures.push(format!("{name}, {fault:?}: {why}"));
                        }
                    }
                }
            }
        }
        println!("faults: {runs} runs of {} workflows, {} failed", all().len(), failures.len());
        assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    });
}
