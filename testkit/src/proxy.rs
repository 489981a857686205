//! A proxy between a client and a server: it delays, counts, cuts, stalls, and tells what the
//! client sent and when.

mod link;
mod record;
mod recording;
mod settings;

pub use record::{Counts, Sent};
pub use recording::Recording;
pub use settings::{Cut, Direction, Ending};

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::journal;
use crate::sentinel::SENTINEL;
use link::Shared;
use record::Record;
use settings::Settings;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// A proxy that listens on 127.0.0.1 and connects each client to one server.
///
/// It works in a thread of its own, so that it neither stops when a test blocks nor shows in what
/// is counted of the test's thread. Orders reach the connections there are and those to come.
/// Dropped, it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: Endpoint,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy to a server, such as [`Server::tcp`](crate::Server::tcp) or
    /// [`Server::endpoint`](crate::Server::endpoint).
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn start(target: &Endpoint) -> Result<Proxy, Error> {
        journal::begin();
        let failed = |cause| Error::while_doing("starting a proxy", cause);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if target.password() == Some(SENTINEL) {
            journal::note_guarded(address.port());
        }
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (settings, _) = watch::channel(Settings::default());
        let shared = Arc::new(Shared { settings, record: Record::new() });
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, target.clone(), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("stellata-proxy".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    select! {
                        () = serving => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(failed)?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Proxy { address, target: target.clone(), shared, stop, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The TCP port it listens at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The way to the server through the proxy, with the user and password of the target.
    pub fn endpoint(&self) -> Endpoint {
        self.target.at("127.0.0.1", self.port())
    }

    /// The URL of a database through the proxy.
    pub fn url(&self, database: &str) -> String {
        self.endpoint().url(database)
    }

    /// Holds bytes for this long on their way, each way for itself; what is already on its way is
    /// not affected. Only time is taken: any number of bytes may be on the way at once. Delays
    /// are exact to about a millisecond, and never shorter than asked.
    pub fn set_delay(&self, to_server: Duration, to_client: Duration) {
        self.shared.settings.send_modify(|settings| {
            settings.delay_to_server = to_server;
            settings.delay_to_client = to_client;
        });
    }

    /// Lets nothing pass until [`Proxy::resume`]. Nothing is lost, and nothing more is read than
    /// the buffers of the sockets hold, so that a sender in time finds it can't write.
    pub fn pause(&self) {
        self.shared.settings.send_modify(|settings| settings.paused = true);
    }

    /// Lets everything pass again.
    pub fn resume(&self) {
        self.shared.settings.send_modify(|settings| settings.paused = false);
    }

    /// Ends a connection once it has carried an exact number of bytes; the order replaces the one
    /// before. A pause holds it up.
    pub fn cut(&self, cut: Cut) {
        self.shared.settings.send_modify(|settings| {
            settings.cut = Some(cut);
            settings.cut_number += 1;
        });
    }

    /// Takes back the order to cut.
    pub fn clear_cut(&self) {
        self.shared.settings.send_modify(|settings| {
            settings.cut = None;
            settings.cut_number += 1;
        });
    }

    /// Ends all connections there are, at once; bytes on their way are lost. New ones are served
    /// as before. [`Ending::HalfClose`] closes, as it has no direction here.
    pub fn sever(&self, ending: Ending) {
        let ending = if ending == Ending::HalfClose { Ending::Close } else { ending };
        self.shared.settings.send_modify(|settings| {
            settings.sever = Some(ending);
            settings.sever_number += 1;
        });
    }

    /// Ends the stream of all connections there are in one direction, after the bytes that are on
    /// their way; the other direction goes on.
    pub fn half_close(&self, direction: Direction) {
        self.shared.settings.send_modify(|settings| {
            settings.half_close = Some(direction);
            settings.half_close_number += 1;
        });
    }

    /// What has passed so far.
    pub fn counts(&self) -> Counts {
        self.shared.record.counts()
    }

    /// How many connections are open through the proxy now; a silent one is open.
    pub fn open_connections(&self) -> usize {
        self.shared.record.open_connections()
    }

    /// Begins all counts at zero and forgets the messages. The next bytes of each client begin
    /// its first flight.
    pub fn reset_counts(&self) {
        self.shared.record.reset();
    }

    /// Whether messages are kept for [`Proxy::sent`], as they are at first. Long runs should not.
    pub fn set_recording(&self, recording: bool) {
        self.shared.record.set_recording(recording);
    }

    /// Whether the bytes of connections that begin from now on are kept for
    /// [`Proxy::recordings`], for as long as the proxy lives. At first they are not.
    pub fn set_keeping(&self, keeping: bool) {
        self.shared.record.set_keeping(keeping);
    }

    /// The bytes of the connections that were kept, in the order of acceptance, up to now.
    pub fn recordings(&self) -> Vec<Recording> {
        self.shared.record.kept()
    }

    /// The messages of all clients, in the order of their first bytes. Those in TLS can't be seen.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.record.sent()
    }

    /// The flight and type of each message that was sent, over all connections.
    pub fn frontend_tags(&self) -> Vec<(u64, char)> {
        self.sent().iter().map(|sent| (sent.flight, sent.tag)).collect()
    }

    /// What each flight held, such as `["^", "p", "PBDES"]` for a login with a password and one
    /// query. The flights of several connections stand in the order in which they began.
    pub fn flights(&self) -> Vec<String> {
        let mut flights: Vec<((u64, u64), String)> = Vec::new();
        for Sent { connection, flight, tag, .. } in self.sent() {
            let key = (connection, flight);
            match flights.iter_mut().rev().find(|(known, _)| *known == key) {
                Some((_, tags)) => tags.push(tag),
                None => flights.push((key, tag.to_string())),
            }
        }
        flights.into_iter().map(|(_, tags)| tags).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, target: Endpoint, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut links = JoinSet::new();
    loop {
        select! {
            Ok((client, _)) = listener.accept() => {
                let (target, shared) = (target.clone(), Arc::clone(&shared));
                links.spawn(async move { link::carry(client, &target, &shared).await });
            }
            Some(_) = links.join_next() => {}
            // Neither pattern holds when accepting fails and nobody is connected.
            else => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}
