//! The stage on which the measured program plays: a server, a database as good as new for each operation, and a proxy
//! that counts round trips.
//!
//! It lives until its input ends. Each line it reads is an order, and each order is answered by one line, its parts
//! divided by tabs:
//!
//! - `fresh`: a database as good as new; its URL, the URL through the proxy, and the same two for a role that has to log
//!   in by SCRAM.
//! - `forget`: the proxy's counts begin at zero; `ok`.
//! - `counts`: round trips since then.
//! - `version`: the server's version as a number, 150018 for 15.18.

use std::process::ExitCode;

#[cfg(unix)]
#[allow(clippy::print_stderr, reason = "a program talks to its user")]
fn main() -> ExitCode {
    match stage::play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
#[allow(clippy::print_stderr, reason = "a program talks to its user")]
fn main() -> ExitCode {
    eprintln!("throwaway servers are for unix only");
    ExitCode::FAILURE
}

#[cfg(unix)]
mod stage {
    use std::error::Error;
    use std::io::{BufRead, Write, stdin, stdout};
    use std::time::Duration;

    use stellata_benches::schema;
    use stellata_testkit::{Database, PASSWORD, Proxy, SCRAM_USER, Server};

    /// Answers are held back for so long that whatever a client sends without waiting belongs to one round trip.
    const TOWARDS_CLIENT: Duration = Duration::from_millis(1);

    pub(super) fn play() -> Result<(), Box<dyn Error>> {
        let server = Server::shared()?;
        let template = Database::create(server)?;
        for sql in [schema::CREATE, schema::FILL, schema::COPIED, schema::SETTLE] {
            template.run(sql)?;
        }
        let proxy = Proxy::start(server.tcp())?;
        proxy.set_recording(false);
        proxy.set_delay(Duration::ZERO, TOWARDS_CLIENT);
        // The one in use: the next drops it, and so does the end.
        let mut current = None;
        for order in stdin().lock().lines() {
            let answer = match order?.as_str() {
                "fresh" => {
                    drop(current.take());
                    let database = current.insert(template.duplicate()?);
                    urls(server, &proxy, database.name())
                }
                "forget" => {
                    proxy.reset_counts();
                    "ok".to_owned()
                }
                "counts" => proxy.counts().round_trips.to_string(),
                "version" => server.version_number().to_string(),
                unknown => return Err(format!("unknown order `{unknown}`").into()),
            };
            let mut out = stdout().lock();
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        Ok(())
    }

    fn urls(server: &Server, proxy: &Proxy, database: &str) -> String {
        let ways = [server.tcp().clone(), proxy.endpoint()];
        let scram = ways.clone().map(|way| way.with_user(SCRAM_USER, Some(PASSWORD)));
        let urls: Vec<_> = ways.iter().chain(&scram).map(|way| way.url(database)).collect();
        urls.join("\t")
    }
}
