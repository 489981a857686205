//! The proxy passes bytes on unchanged, and does to them what it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use stellata_testkit::sql::{self, Session};
use stellata_testkit::{
    Counts, Cut, Database, Direction, Ending, Endpoint, Proxy, Server, ServerOptions,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A client and the server's end of its connection, with a proxy between them.
struct Pair {
    proxy: Proxy,
    servers: Receiver<TcpStream>,
}

impl Pair {
    fn new() -> Pair {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, servers) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepted.send(stream.unwrap()).is_err() {
                    break;
                }
            }
        });
        let proxy = Proxy::start(&Endpoint::tcp("127.0.0.1", port, "nobody")).unwrap();
        Pair { proxy, servers }
    }

    fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address()).unwrap();
        let server = self.servers.recv_timeout(PATIENCE).unwrap();
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
        }
        (client, server)
    }
}

fn expect_bytes(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

/// One read, again where a signal interrupts it.
fn read_some(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    loop {
        match stream.read(&mut [0; 1]).map_err(|cause| cause.kind()) {
            Err(ErrorKind::Interrupted) => {}
            outcome => return outcome,
        }
    }
}

fn expect_end(stream: &mut TcpStream) {
    assert_eq!(read_some(stream), Ok(0));
}

fn expect_reset(stream: &mut TcpStream) {
    assert_eq!(read_some(stream), Err(ErrorKind::ConnectionReset));
}

fn expect_silence(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(read_some(stream), Err(ErrorKind::WouldBlock));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

#[test]
fn bytes_pass_unchanged_both_ways_at_once() {
    let pair = Pair::new();
    let (client, server) = pair.connect();
    let sent: Vec<u8> =
        (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    thread::scope(|scope| {
        for (mut from, mut to) in [
            (client.try_clone().unwrap(), server.try_clone().unwrap()),
            (server.try_clone().unwrap(), client.try_clone().unwrap()),
        ] {
            let sent = &sent;
            scope.spawn(move || {
                from.write_all(sent).unwrap();
                from.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(move || {
                let mut read = Vec::new();
                to.read_to_end(&mut read).unwrap();
                assert!(read == *sent);
            });
        }
    });
    let counts = pair.proxy.counts();
    assert_eq!((counts.bytes_to_server, counts.bytes_to_client), (8_000_000, 8_000_000));
    assert_eq!(counts.connections, 1);
}

#[test]
fn delays_are_held_each_way_and_do_not_add_up() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connect();
    let (there, back) = (Duration::from_millis(60), Duration::from_millis(25));
    pair.proxy.set_delay(there, back);
    let begun = Instant::now();
    client.write_all(b"a").unwrap();
    expect_bytes(&mut server, b"a");
    assert!(begun.elapsed() >= there, "{:?}", begun.elapsed());
    let begun = Instant::now();
    server.write_all(b"b").unwrap();
    expect_bytes(&mut client, b"b");
    assert!(begun.elapsed() >= back, "{:?}", begun.elapsed());
    // Fifty writes, of which each is held by itself, take far less than fifty delays.
    let begun = Instant::now();
    for _ in 0..50 {
        client.write_all(&[7; 1000]).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let written = Instant::now();
    expect_bytes(&mut server, &[7; 50_000]);
    assert!(begun.elapsed() >= there);
    assert!(written.elapsed() < 40 * there, "{:?}", written.elapsed());
    pair.proxy.set_delay(Duration::ZERO, Duration::ZERO);
    client.write_all(b"c").unwrap();
    expect_bytes(&mut server, b"c");
}

#[test]
fn a_cut_comes_after_the_exact_byte() {
    for after in [0, 1, 9, 10] {
        for direction in [Direction::ToServer, Direction::ToClient] {
            for ending in [Ending::Close, Ending::Reset, Ending::Silence, Ending::HalfClose] {
                let pair = Pair::new();
                let (client, server) = pair.connect();
                let (mut from, mut to) = match direction {
                    Direction::ToServer => (client, server),
                    Direction::ToClient => (server, client),
                };
                from.write_all(b"before").unwrap();
                expect_bytes(&mut to, b"before");
                pair.proxy.cut(Cut::new(direction, after, ending));
                let writing = from.write_all(b"0123456789").and_then(|()| from.write_all(b"more"));
                expect_bytes(&mut to, b"0123456789".get(..after as usize).unwrap());
                match ending {
                    Ending::Close => expect_end(&mut to),
                    Ending::Reset => {
                        expect_reset(&mut to);
                        // A socket tells of its reset once: to the write if that comes later.
                        if writing.is_ok() {
                            expect_reset(&mut from);
                        }
                    }
                    Ending::Silence => {
                        expect_silence(&mut to);
                        to.write_all(b"lost").unwrap();
                        expect_silence(&mut from);
                        assert_eq!(pair.proxy.open_connections(), 1);
                    }
                    Ending::HalfClose => {
                        expect_end(&mut to);
                        to.write_all(b"answer").unwrap();
                        expect_bytes(&mut from, b"answer");
                    }
                }
                // The order is spent: the next connection lives.
                let (mut client, mut server) = pair.connect();
                client.write_all(b"0123456789 and more").unwrap();
                expect_bytes(&mut server, b"0123456789 and more");
                server.write_all(b"0123456789 and more").unwrap();
                expect_bytes(&mut client, b"0123456789 and more");
            }
        }
    }
}

#[test]
fn a_cut_may_be_for_all_and_may_be_taken_back() {
    let pair = Pair::new();
    pair.proxy.cut(Cut::new(Direction::ToServer, 3, Ending::Close).always());
    for _ in 0..3 {
        let (mut client, mut server) = pair.connect();
        client.write_all(b"123456").unwrap();
        expect_bytes(&mut server, b"123");
        expect_end(&mut server);
    }
    pair.proxy.clear_cut();
    let (mut client, mut server) = pair.connect();
    client.write_all(b"123456").unwrap();
    expect_bytes(&mut server, b"123456");
}

#[test]
fn a_cut_waits_for_bytes_on_their_way() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connect();
    pair.proxy.set_delay(Duration::from_millis(50), Duration::ZERO);
    pair.proxy.cut(Cut::new(Direction::ToServer, 4, Ending::Reset));
    client.write_all(b"123456").unwrap();
    expect_bytes(&mut server, b"1234");
    expect_reset(&mut server);
}

#[test]
fn severed_connections_end_and_new_ones_live() {
    for ending in [Ending::Close, Ending::Reset, Ending::Silence] {
        let pair = Pair::new();
        let mut ends = Vec::new();
        for _ in 0..3 {
            let (mut client, mut server) = pair.connect();
            client.write_all(b"x").unwrap();
            expect_bytes(&mut server, b"x");
            ends.extend([client, server]);
        }
        pair.proxy.sever(ending);
        for stream in &mut ends {
            match ending {
                Ending::Reset => expect_reset(stream),
                Ending::Silence => expect_silence(stream),
                Ending::Close | Ending::HalfClose => expect_end(stream),
            }
        }
        let (mut client, mut server) = pair.connect();
        client.write_all(b"x").unwrap();
        expect_bytes(&mut server, b"x");
    }
}

#[test]
fn half_a_connection_can_be_closed_at_any_time() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connect();
    client.write_all(b"x").unwrap();
    expect_bytes(&mut server, b"x");
    pair.proxy.half_close(Direction::ToClient);
    expect_end(&mut client);
    client.write_all(b"still there").unwrap();
    expect_bytes(&mut server, b"still there");
}

#[test]
fn ends_and_resets_of_the_peers_are_passed_on() {
    let pair = Pair::new();
    let (client, mut server) = pair.connect();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&mut server);
    server.write_all(b"answer").unwrap();
    let mut client = client;
    expect_bytes(&mut client, b"answer");
    drop(server);
    expect_end(&mut client);

    let (mut client, mut server) = pair.connect();
    client.write_all(b"unread").unwrap();
    server.write_all(b"unread").unwrap();
    client.peek(&mut [0]).unwrap();
    // A socket closed with bytes unread sends a reset.
    drop(client);
    expect_bytes(&mut server, b"unread");
    expect_reset(&mut server);
}

#[test]
fn a_paused_proxy_is_felt_by_the_sender_and_loses_nothing() {
    for pausing in [true, false] {
        let pair = Pair::new();
        let (client, mut server) = pair.connect();
        if pausing {
            pair.proxy.pause();
        }
        // Without a pause it is the receiver that does not read.
        client.set_nonblocking(true).unwrap();
        let mut sent = 0;
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < Duration::from_millis(300) {
            match (&client).write(&[9; 10_000]) {
                Ok(written) => {
                    sent += written;
                    quiet_since = Instant::now();
                }
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(cause) => panic!("{cause}"),
            }
            assert!(sent < 100_000_000, "the sender never felt it");
        }
        if pausing {
            expect_silence(&mut server);
            pair.proxy.resume();
        }
        client.shutdown(Shutdown::Write).unwrap();
        let mut read = Vec::new();
        server.read_to_end(&mut read).unwrap();
        assert_eq!(read.len(), sent);
        assert!(read.iter().all(|byte| *byte == 9));
    }
}

#[test]
fn without_a_server_a_client_sees_the_end() {
    // Nobody else gets its port, and nobody listens.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = bound.local_addr().unwrap().port();
    let proxy = Proxy::start(&Endpoint::tcp("127.0.0.1", port, "nobody")).unwrap();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    expect_end(&mut client);
}

#[test]
fn a_dropped_proxy_closes_everything() {
    let pair = Pair::new();
    let (mut client, mut server) = pair.connect();
    client.write_all(b"x").unwrap();
    expect_bytes(&mut server, b"x");
    let address = pair.proxy.address();
    drop(pair.proxy);
    expect_end(&mut client);
    expect_end(&mut server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn round_trips_to_a_real_server_are_counted() {
    let server = Server::start(ServerOptions::new()).unwrap();
    let database = Database::create(&server).unwrap();
    for target in [server.endpoint(), server.tcp()] {
        let proxy = Proxy::start(target).unwrap();
        let mut session = Session::connect(&proxy.endpoint(), database.name()).unwrap();
        assert_eq!(proxy.counts().round_trips, 1);
        assert_eq!(proxy.flights(), ["^"]);
        proxy.reset_counts();
        assert_eq!(proxy.counts(), Counts::default());
        for n in 1..=3 {
            session.run("select 1").unwrap();
            assert_eq!(proxy.counts().round_trips, n);
        }
        assert_eq!(proxy.counts().writes_to_server, 3);
        assert_eq!(proxy.flights(), ["Q", "Q", "Q"]);
        assert_eq!(proxy.frontend_tags(), [(1, 'Q'), (2, 'Q'), (3, 'Q')]);
        drop(session);
        let begun = Instant::now();
        while proxy.open_connections() > 0 && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(proxy.flights(), ["Q", "Q", "Q", "X"]);
        assert_eq!(proxy.open_connections(), 0);
    }
}

#[test]
fn a_login_with_a_password_is_seen_message_by_message() {
    let server = Server::start(ServerOptions::new()).unwrap();
    for (user, flights) in [
        (stellata_testkit::PASSWORD_USER, vec!["^", "p"]),
        (stellata_testkit::MD5_USER, vec!["^", "p"]),
        (stellata_testkit::SCRAM_USER, vec!["^", "p", "p"]),
    ] {
        let proxy = Proxy::start(server.tcp()).unwrap();
        let way = proxy.endpoint().with_user(user, Some(stellata_testkit::PASSWORD));
        let _session = Session::connect(&way, "postgres").unwrap();
        assert_eq!(proxy.flights(), flights, "{user}");
    }
    let proxy = Proxy::start(server.tcp()).unwrap();
    proxy.set_recording(false);
    sql::run(&proxy.endpoint(), "postgres", "select 1").unwrap();
    assert_eq!(proxy.sent(), []);
    assert!(proxy.counts().round_trips >= 2);
}

/// A client that sends its second statement before it was handed the first answer, and one that
/// waits: with a delay towards the client the proxy tells them apart for sure.
#[test]
fn whether_a_client_waits_for_an_answer_can_be_proven() {
    let server = Server::start(ServerOptions::new()).unwrap();
    let query = |sql: &str| {
        let length = u32::try_from(sql.len() + 5).unwrap().to_be_bytes();
        [b"Q", &length[..], sql.as_bytes(), b"\0"].concat()
    };
    let startup = {
        let body = format!("user\0{}\0database\0postgres\0\0", server.superuser());
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&length[..], &196_608_u32.to_be_bytes(), body.as_bytes()].concat()
    };
    let read_until_ready = |client: &mut TcpStream| loop {
        let mut head = [0; 5];
        client.read_exact(&mut head).unwrap();
        let [tag, length @ ..] = head;
        let length = u64::from(u32::from_be_bytes(length)) - 4;
        let mut body = Vec::new();
        client.take(length).read_to_end(&mut body).unwrap();
        if tag == b'Z' {
            break;
        }
    };
    for waits in [false, true] {
        let proxy = Proxy::start(server.endpoint()).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(&startup).unwrap();
        read_until_ready(&mut client);
        proxy.set_delay(Duration::ZERO, Duration::from_secs(1));
        proxy.reset_counts();
        client.write_all(&query("select 1")).unwrap();
        let begun = Instant::now();
        while proxy.counts().bytes_to_client == 0 {
            assert!(begun.elapsed() < PATIENCE, "the server does not answer");
            thread::sleep(Duration::from_millis(1));
        }
        if waits {
            read_until_ready(&mut client);
        }
        client.write_all(&query("select 2")).unwrap();
        if !waits {
            read_until_ready(&mut client);
        }
        read_until_ready(&mut client);
        let expected = if waits { vec!["Q", "Q"] } else { vec!["QQ"] };
        assert_eq!(proxy.flights(), expected);
        assert_eq!(proxy.counts().round_trips, expected.len() as u64);
    }
}

#[test]
fn a_server_cut_off_in_an_answer_is_an_error_to_its_client() {
    let server = Server::shared().unwrap();
    let proxy = Proxy::start(server.endpoint()).unwrap();
    let mut session = Session::connect(&proxy.endpoint(), server.maintenance_database()).unwrap();
    proxy.cut(Cut::new(Direction::ToClient, 10, Ending::Close));
    assert!(session.run("select 1").is_err());
    assert_eq!(proxy.counts().bytes_to_client - 10, {
        let login = Proxy::start(server.endpoint()).unwrap();
        Session::connect(&login.endpoint(), server.maintenance_database()).unwrap();
        login.counts().bytes_to_client
    });
}
