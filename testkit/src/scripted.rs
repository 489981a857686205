//! A server that plays scripts: it expects, sends, waits, closes, resets, and tells what came
//! instead of what it expected.

mod obedient;
mod play;
mod reply;
mod request;
mod scram;
mod script;

pub use reply::{Column, Reply};
pub use request::Request;
pub use scram::ScramServer;
pub use script::Script;

use crate::error::Error;
use crate::journal;
use crate::proxy::Ending;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long [`ScriptedServer::finish`] waits for scripts that are not at their end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that listens on 127.0.0.1 and plays a script on each connection.
///
/// It works in a thread of its own, as the [`Proxy`](crate::Proxy) does. A step that is not met
/// fails the test, at [`ScriptedServer::finish`] or when the value is dropped.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    scene: Arc<Scene>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server's thread and the test share.
#[derive(Debug)]
struct Scene {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Scripts whose connection has not come, or has not ended.
    left: usize,
    failures: Vec<String>,
}

impl Scene {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn played(&self, outcome: Result<(), String>) {
        let mut state = self.state();
        state.left = state.left.saturating_sub(1);
        state.failures.extend(outcome.err());
        self.changed.notify_all();
    }
}

impl ScriptedServer {
    /// Starts a server that plays the first script on its first connection, and so on. A
    /// connection without a script fails the test.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn start(scripts: impl IntoIterator<Item = Script>) -> Result<ScriptedServer, Error> {
        journal::begin();
        let failed = |cause| Error::while_doing("starting a scripted server", cause);
        let scripts: Vec<Script> = scripts.into_iter().collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let state = State { left: scripts.len(), failures: Vec::new() };
        let scene = Arc::new(Scene { state: Mutex::new(state), changed: Condvar::new() });
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, scripts, Arc::clone(&scene));
        let thread = thread::Builder::new()
            .name("stellata-scripted".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    select! {
                        () = serving => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(ScriptedServer { address, scene, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The TCP port it listens at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a database there, for the user `me` without a password and without TLS.
    pub fn url(&self) -> String {
        format!("postgres://me@{}/scripted?sslmode=disable", self.address)
    }

    /// Waits until all scripts have been played, for 10 seconds at most. Drop the connections
    /// first: most scripts end with them. This blocks the thread.
    ///
    /// # Panics
    /// When a step was not met, or a script is not at its end.
    pub fn finish(self) {
        let scene = Arc::clone(&self.scene);
        let state = scene.state();
        let waited = scene.changed.wait_timeout_while(state, PATIENCE, |state| {
            state.left > 0 && state.failures.is_empty()
        });
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let left = std::mem::take(&mut state.left);
        if left > 0 && state.failures.is_empty() {
            state.failures.push(format!("{left} scripts are not at their end"));
        }
        // Dropping `self` tells the failures.
        drop(state);
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let failures = std::mem::take(&mut self.scene.state().failures);
        if failures.is_empty() {
            return;
        }
        let failures = format!("the scripted server: {}", failures.join("; "));
        if thread::panicking() {
            // The test has failed already; this may be why.
            let _ = writeln!(std::io::stderr(), "{failures}");
        } else {
            panic!("{failures}");
        }
    }
}

async fn serve(listener: TcpListener, scripts: Vec<Script>, scene: Arc<Scene>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut scripts = scripts.into_iter().enumerate();
    let mut connections = JoinSet::new();
    loop {
        select! {
            Ok((client, _)) = listener.accept() => {
                let scene = Arc::clone(&scene);
                match scripts.next() {
                    Some((number, script)) => drop(connections.spawn(async move {
                        let outcome = play(client, script).await;
                        let outcome = outcome.map_err(|why| {
                            format!("connection {}, {why}", number + 1)
                        });
                        scene.played(outcome);
                    })),
                    None => {
                        scene.played(Err("a connection came that has no script".to_owned()));
                    }
                }
            }
            Some(_) = connections.join_next() => {}
            // Neither pattern holds when accepting fails and nobody is connected.
            else => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn play(client: TcpStream, script: Script) -> Result<(), String> {
    let _ = client.set_nodelay(true);
    let (client, ending) = script.play(client).await?;
    if ending == Ending::Reset {
        // A socket that does not linger sends a reset when it is closed.
        let _ = client.set_zero_linger();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Session;
    use crate::{Endpoint, Pipe};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn endpoint(server: &ScriptedServer) -> Endpoint {
        Endpoint::tcp("127.0.0.1", server.port(), "me").with_user("me", Some("secret"))
    }

    /// What `finish` panics with.
    fn failure(server: ScriptedServer) -> String {
        let panic = catch_unwind(AssertUnwindSafe(|| server.finish())).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }

    #[test]
    fn a_client_that_knows_nothing_of_us_can_log_in_and_ask() {
        let logins = [
            Script::new().trust_login(),
            Script::new().password_login("secret"),
            Script::new().scram_login("secret"),
            Script::new().chunks(1).scram_login("secret"),
        ];
        let server = ScriptedServer::start(logins.map(Script::serve)).unwrap();
        for _ in 0..4 {
            let mut session = Session::connect(&endpoint(&server), "x").unwrap();
            assert_eq!(session.run("select 42").unwrap(), [[Some("42".to_owned())]]);
            assert_eq!(session.run("drop table t").unwrap_err().code(), Some("42601"));
            assert_eq!(session.run("select -1").unwrap(), [[Some("-1".to_owned())]]);
        }
        server.finish();
    }

    #[test]
    fn a_wrong_password_is_told() {
        let server = ScriptedServer::start([Script::new().scram_login("another")]).unwrap();
        assert!(Session::connect(&endpoint(&server), "x").is_err());
        let failure = failure(server);
        assert!(failure.contains("does not know the password"), "{failure}");
    }

    #[test]
    fn what_came_instead_is_told() {
        let server = ScriptedServer::start([Script::new().trust_login().expect("PBS")]).unwrap();
        let mut session = Session::connect(&endpoint(&server), "x").unwrap();
        assert!(session.run("select 1").is_err());
        drop(session);
        let failure = failure(server);
        let told =
            "connection 1, step 3 (expect \"PBS\"): Parse was expected; Query (9 bytes) came";
        assert!(failure.ends_with(told), "{failure}");
    }

    #[test]
    fn a_client_that_leaves_or_comes_too_often_is_told() {
        let server = ScriptedServer::start([Script::new().trust_login().expect("Q")]).unwrap();
        drop(Session::connect(&endpoint(&server), "x").unwrap());
        assert!(failure(server).contains("Query was expected; Terminate (0 bytes) came"));

        let server = ScriptedServer::start([]).unwrap();
        assert!(Session::connect(&endpoint(&server), "x").is_err());
        assert!(failure(server).contains("a connection came that has no script"));
    }

    #[test]
    fn connections_end_as_the_script_says() {
        let ending = |ending| {
            let script = Script::new().send(Reply::new().raw(b"bye")).end(ending).read_to_end();
            let server = ScriptedServer::start([script]).unwrap();
            let mut client = TcpStream::connect(server.address()).unwrap();
            let patience = match ending {
                Ending::Silence => Duration::from_millis(300),
                _ => PATIENCE,
            };
            client.set_read_timeout(Some(patience)).unwrap();
            let mut all = Vec::new();
            let end = client.read_to_end(&mut all).map_err(|cause| cause.kind());
            assert_eq!(all, b"bye");
            let written = client.write_all(b"still here").is_ok();
            drop(client);
            server.finish();
            (end.map(drop), written)
        };
        use std::io::ErrorKind::{ConnectionReset, WouldBlock};
        assert_eq!(ending(Ending::Close).0, Ok(()));
        assert_eq!(ending(Ending::HalfClose), (Ok(()), true));
        assert_eq!(ending(Ending::Silence), (Err(WouldBlock), true));
        assert_eq!(ending(Ending::Reset).0, Err(ConnectionReset));
    }

    #[test]
    fn a_script_can_be_played_in_memory() {
        crate::run(async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut client, server) = Pipe::pair(64);
            let script = Script::new().trust_login().expect("S").send(Reply::new().ready('I'));
            let playing = tokio::spawn(script.play(server));
            client.write_all(b"\0\0\0\x09\0\x03\0\0\0S\0\0\0\x04").await.unwrap();
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            let login = Reply::logged_in().ready('I');
            assert_eq!(all, login.bytes());
            drop(client);
            assert!(matches!(playing.await.unwrap(), Ok((_, Ending::Close))));
        });
    }
}
