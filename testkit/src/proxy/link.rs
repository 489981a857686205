//! One connection through a proxy: four halves, two directions.

use super::record::Record;
use super::settings::{Direction, Ending, Settings};
use crate::endpoint::{Endpoint, Host};
use std::future::pending;
use std::io;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

const CHUNK: usize = 64 * 1024;

/// Without a delay no more than this waits in the proxy for a receiver that does not read, so
/// that the sender comes to feel it, as it would without a proxy.
const BACKLOG: usize = 2 * CHUNK;

type ReadHalf = Box<dyn AsyncRead + Unpin + Send>;

/// The writing half of the server's side, which may be either kind of socket.
enum ServerHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

/// What reaches the far end of a direction, in order, each at its time.
enum Parcel {
    Bytes(Vec<u8>),
    /// The end of the stream, passed on as it came.
    End,
    /// The end of the connection, by order or because the sender's was reset.
    Break(Ending),
}

/// How a direction came to its end: the other one goes on, or not.
enum Flow {
    Ended,
    Broken(Ending),
}

/// What a connection shares with its proxy.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: watch::Sender<Settings>,
    pub(super) record: Record,
}

impl Shared {
    /// Takes the order to cut, unless another connection has: only the first may obey it.
    fn claim_cut(&self, number: u64) -> Option<Ending> {
        let mut claimed = None;
        self.settings.send_if_modified(|settings| {
            if settings.cut_number == number {
                claimed = settings.cut.map(|cut| cut.ending);
                settings.cut = settings.cut.filter(|cut| cut.always);
            }
            claimed.is_some()
        });
        claimed
    }
}

/// Carries bytes between a client and the server until both have ended or an order ends it.
pub(super) async fn carry(client: TcpStream, target: &Endpoint, shared: &Shared) {
    let connection = shared.record.open();
    // Orders given before concern the connections there were.
    let mut severing = Severing::from_now(shared);
    let half_closed = shared.settings.borrow().half_close_number;
    // A server that can't be reached shows as a connection closed at once.
    if let Ok((server_read, server_write)) = connect(target).await {
        let _ = client.set_nodelay(true);
        let (client_read, client_write) = client.into_split();
        let mut halves = (client_read, client_write, server_read, server_write);
        let lane = |direction| Lane { connection, direction, shared, half_closed };
        let lanes = [Direction::ToServer, Direction::ToClient].map(lane);
        let mut ending = between(&mut halves, lanes, &mut severing).await;
        while ending == Ending::Silence {
            ending = severing.next().await;
        }
        let (_client_read, client_write, _server_read, server_write) = halves;
        if ending == Ending::Reset {
            reset(client_write);
            if let ServerHalf::Tcp(half) = server_write {
                reset(half);
            }
        }
    }
    shared.record.close(connection);
}

async fn connect(target: &Endpoint) -> io::Result<(ReadHalf, ServerHalf)> {
    match (target.host(), target.socket()) {
        (Host::Unix(_), path) => {
            let stream = UnixStream::connect(path.unwrap_or_default()).await?;
            let (read, write) = stream.into_split();
            Ok((Box::new(read), ServerHalf::Unix(write)))
        }
        (Host::Tcp(host), _) => {
            let stream = TcpStream::connect((host.as_str(), target.port())).await?;
            stream.set_nodelay(true)?;
            let (read, write) = stream.into_split();
            Ok((Box::new(read), ServerHalf::Tcp(write)))
        }
    }
}

/// Closing a socket that does not linger sends a reset; a half that is forgotten instead of
/// dropped sends no orderly end before.
fn reset(half: tcp::OwnedWriteHalf) {
    let _ = half.as_ref().set_zero_linger();
    half.forget();
}

async fn between(
    halves: &mut (tcp::OwnedReadHalf, tcp::OwnedWriteHalf, ReadHalf, ServerHalf),
    [to_server, to_client]: [Lane<'_>; 2],
    severing: &mut Severing,
) -> Ending {
    let (client_read, client_write, server_read, server_write) = halves;
    let server_write: &mut (dyn AsyncWrite + Unpin + Send) = match server_write {
        ServerHalf::Tcp(half) => half,
        ServerHalf::Unix(half) => half,
    };
    let mut to_server = pin!(to_server.carry(client_read, server_write));
    let mut to_client = pin!(to_client.carry(server_read, client_write));
    let (mut asked, mut answered) = (false, false);
    while !(asked && answered) {
        // The client first: what it sent before an answer was handed over is seen as such.
        let flow = select! { biased;
            flow = &mut to_server, if !asked => { asked = true; flow }
            flow = &mut to_client, if !answered => { answered = true; flow }
            ending = severing.next() => Flow::Broken(ending),
        };
        if let Flow::Broken(ending) = flow {
            return ending;
        }
    }
    Ending::Close
}

/// The orders to end all connections, as one of them knows them.
struct Severing {
    receiver: watch::Receiver<Settings>,
    obeyed: u64,
}

impl Severing {
    fn from_now(shared: &Shared) -> Severing {
        let receiver = shared.settings.subscribe();
        let obeyed = receiver.borrow().sever_number;
        Severing { receiver, obeyed }
    }

    /// Waits for a new order.
    async fn next(&mut self) -> Ending {
        let obeyed = self.obeyed;
        let ending = match self.receiver.wait_for(|now| now.sever_number > obeyed).await {
            Ok(settings) => {
                self.obeyed = settings.sever_number;
                settings.sever
            }
            Err(_) => None,
        };
        match ending {
            Some(ending) => ending,
            None => pending().await,
        }
    }
}

/// What a direction knows of the orders.
struct Orders {
    receiver: watch::Receiver<Settings>,
    now: Settings,
    half_closed: u64,
    /// The bytes that may still pass before the cut of `now`.
    allowance: Option<u64>,
}

impl Orders {
    fn of(lane: &Lane<'_>) -> Orders {
        let receiver = lane.shared.settings.subscribe();
        let half_closed = lane.half_closed;
        Orders { receiver, now: Settings::default(), half_closed, allowance: None }
    }

    /// Takes note of new orders; gives how the direction is to end, if it is to end at once.
    fn update(&mut self, lane: &Lane<'_>) -> Option<Ending> {
        let before = self.now.cut_number;
        self.now.clone_from(&self.receiver.borrow_and_update());
        if self.now.cut_number != before {
            let cut = self.now.cut.filter(|cut| cut.direction == lane.direction);
            self.allowance = cut.map(|cut| cut.after);
        }
        if self.now.half_close_number > self.half_closed {
            self.half_closed = self.now.half_close_number;
            if self.now.half_close == Some(lane.direction) {
                return Some(Ending::HalfClose);
            }
        }
        match self.allowance {
            Some(0) => {
                self.allowance = None;
                lane.shared.claim_cut(self.now.cut_number)
            }
            _ => None,
        }
    }

    /// Counts bytes against the allowance; where it is used up and the cut is ours to make,
    /// removes those that may not pass and gives how the connection ends.
    fn spend(&mut self, bytes: &mut Vec<u8>, lane: &Lane<'_>) -> Option<Ending> {
        let allowed = self.allowance?;
        let left = allowed.checked_sub(bytes.len() as u64).filter(|left| *left > 0);
        self.allowance = left;
        if left.is_some() {
            return None;
        }
        let ending = lane.shared.claim_cut(self.now.cut_number)?;
        // No more than the length of a vector.
        bytes.truncate(allowed as usize);
        Some(ending)
    }
}

/// One direction of one connection.
struct Lane<'a> {
    connection: u64,
    direction: Direction,
    shared: &'a Shared,
    /// The last order to half-close that was given before the connection began.
    half_closed: u64,
}

impl Lane<'_> {
    async fn carry(
        &self,
        from: &mut (dyn AsyncRead + Unpin + Send),
        to: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Flow {
        let (queue, parcels) = mpsc::unbounded_channel();
        let (backlog, _) = watch::channel(0);
        let mut collect = pin!(self.collect(from, queue, &backlog));
        let mut deliver = pin!(self.deliver(to, parcels, &backlog));
        select! { biased;
            () = &mut collect => deliver.await,
            flow = &mut deliver => flow,
        }
    }

    /// Reads what the sender sends and queues it with the time at which it is due, so that bytes
    /// are late but no fewer pass.
    async fn collect(
        &self,
        from: &mut (dyn AsyncRead + Unpin + Send),
        queue: mpsc::UnboundedSender<(Instant, Parcel)>,
        backlog: &watch::Sender<usize>,
    ) {
        let mut orders = Orders::of(self);
        let mut room = backlog.subscribe();
        let mut chunk = vec![0; CHUNK];
        loop {
            let ending = orders.update(self);
            let delay = orders.now.delay(self.direction);
            if let Some(ending) = ending {
                let _ = queue.send((Instant::now() + delay, Parcel::ending(ending)));
                return;
            }
            let full = delay.is_zero() && *backlog.borrow() >= BACKLOG;
            let open = !full && !orders.now.paused;
            let read = select! { biased;
                changed = orders.receiver.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                _ = room.wait_for(|held| *held < BACKLOG), if full => continue,
                read = from.read(&mut chunk), if open => read,
            };
            let due = Instant::now() + delay;
            let mut bytes = match read {
                Ok(0) => {
                    let _ = queue.send((due, Parcel::End));
                    return;
                }
                Ok(length) => chunk.get(..length).unwrap_or_default().to_vec(),
                Err(_) => {
                    let _ = queue.send((due, Parcel::Break(Ending::Reset)));
                    return;
                }
            };
            let ending = orders.spend(&mut bytes, self);
            self.shared.record.arrived(self.connection, self.direction, &bytes);
            backlog.send_modify(|held| *held += bytes.len());
            let _ = queue.send((due, Parcel::Bytes(bytes)));
            if let Some(ending) = ending {
                let _ = queue.send((due, Parcel::ending(ending)));
                return;
            }
        }
    }

    /// Hands over each parcel when it is due.
    async fn deliver(
        &self,
        to: &mut (dyn AsyncWrite + Unpin + Send),
        mut parcels: mpsc::UnboundedReceiver<(Instant, Parcel)>,
        backlog: &watch::Sender<usize>,
    ) -> Flow {
        let mut orders = self.shared.settings.subscribe();
        while let Some((due, parcel)) = parcels.recv().await {
            if due > Instant::now() {
                sleep_until(due).await;
            }
            if orders.wait_for(|settings| !settings.paused).await.is_err() {
                break;
            }
            match parcel {
                Parcel::Bytes(bytes) => {
                    if self.direction == Direction::ToClient {
                        self.shared.record.handed_to_client(self.connection);
                    }
                    // The receiver has gone, and the sender is told so.
                    if to.write_all(&bytes).await.is_err() {
                        return Flow::Broken(Ending::Reset);
                    }
                    backlog.send_modify(|held| *held -= bytes.len());
                }
                Parcel::End => {
                    let _ = to.shutdown().await;
                    break;
                }
                Parcel::Break(ending) => return Flow::Broken(ending),
            }
        }
        Flow::Ended
    }
}

impl Parcel {
    fn ending(ending: Ending) -> Parcel {
        match ending {
            Ending::HalfClose => Parcel::End,
            _ => Parcel::Break(ending),
        }
    }
}
