//! Makes the recorded streams in `tests/data/streams`: one session each against a real server, both ways.
//!
//! ```sh
//! cargo run -p stellata-tests --example record -- [14] [15] [18] [tls]
//! ```
//!
//! With version 15 all sessions are recorded, and one behind TLS, whose bytes are taken before they are encrypted; with 14 and 18, into folders of their own, those in which servers differ: the
//! login with what it reports, the start of protocol 3.2, the fields of errors, and cancelling.
//!
//! The client is a bare [`Conversation`] with a fixed nonce, so that a replay sends the very same bytes.

#![allow(clippy::print_stdout, reason = "a command tells what it has done")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use stellata_protocol::auth::{ChannelBindingPolicy, server_end_point};
use stellata_protocol::message::PROTOCOL_3_2;
use stellata_protocol::{
    Conversation, EncryptionAnswer, EncryptionRequest, Event, Format, Login, Oid, Params,
};
use stellata_testkit::{
    Authority, Database, Direction, Endpoint, KeyKind, Leaf, MD5_USER, PASSWORD, PASSWORD_USER,
    Proxy, Recording, SCRAM_USER, Server, ServerOptions,
};

/// What every login uses in place of random bytes.
const NONCE: [u8; 18] = *b"recorded, not new!";

/// A session without a runtime.
struct Client<S = TcpStream> {
    stream: S,
    conversation: Conversation,
    proxy: u16,
}

impl Client {
    fn connect(proxy: &Proxy, login: Login) -> Self {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let conversation = Conversation::start(login).unwrap();
        Self { stream, conversation, proxy: proxy.port() }
    }
}

impl<S: Read + Write> Client<S> {
    /// Asks, and reads until nothing is owed any more.
    fn ask(&mut self, ask: impl FnOnce(&mut Conversation)) {
        self.ask_until(ask, |_| false);
    }

    /// Asks, and reads until this event, or until nothing is owed any more.
    fn ask_until(&mut self, ask: impl FnOnce(&mut Conversation), enough: impl Fn(Event) -> bool) {
        self.conversation.begin();
        ask(&mut self.conversation);
        self.go_on(enough);
    }

    fn go_on(&mut self, enough: impl Fn(Event) -> bool) {
        loop {
            let output = self.conversation.output().to_vec();
            self.stream.write_all(&output).unwrap();
            self.conversation.wrote(output.len());
            while let Some(answer) = self.conversation.advance().unwrap() {
                if answer.event == Event::KeyDerivation {
                    let keys = self.conversation.key_derivation().unwrap().run();
                    self.conversation.provide_keys(keys).unwrap();
                }
                if enough(answer.event) {
                    return;
                }
            }
            if self.conversation.is_quiet() || self.conversation.is_over() {
                return;
            }
            if self.conversation.output().is_empty() && self.read() == 0 {
                return;
            }
        }
    }

    fn read(&mut self) -> usize {
        let read = self.stream.read(self.conversation.space()).unwrap();
        self.conversation.received(read);
        read
    }

    fn simple(&mut self, sql: &str) {
        self.ask(|conversation| conversation.query(sql).unwrap());
    }

    /// Runs a statement without parameters in a series of its own.
    fn run(&mut self, sql: &str, format: Format) {
        self.ask(|conversation| {
            statement(conversation, sql, &Params::new(), format);
            conversation.sync().unwrap();
        });
    }
}

/// One statement in the form that the client of stellata gives it.
fn statement(conversation: &mut Conversation, sql: &str, params: &Params, format: Format) {
    conversation.parse("", sql, params.types()).unwrap();
    conversation.describe_statement("").unwrap();
    conversation.bind("", params, format).unwrap();
    conversation.execute(0).unwrap();
}

/// A session's name, its user, and what it does.
type Session = (&'static str, &'static str, fn(&mut Client));

const NOBODY: &str = "postgres";

const SESSIONS: [Session; 29] = [
    ("login-trust", NOBODY, |_| {}),
    ("login-password", PASSWORD_USER, |_| {}),
    ("login-md5", MD5_USER, |_| {}),
    ("login-scram", SCRAM_USER, |_| {}),
    ("login-refused", "wrong", |_| {}),
    ("simple", NOBODY, |client| {
        client.simple("select 1 as one, null as nothing, 'text'; ; create temp table t (n int)");
        client.simple("insert into t values (1), (2); table t; delete from t");
        client.simple("");
    }),
    ("simple-error", NOBODY, |client| {
        client.simple("select 1; select 1/0; select 2");
        client.simple("select 'unclosed");
        client.simple("create temp table t (n int primary key); insert into t values (1), (1)");
    }),
    ("extended-binary", NOBODY, |client| {
        client.run(EVERY_TYPE, Format::Binary);
        client.run("select n, n * 2 from generate_series(1, 20) n", Format::Binary);
        client.run("create temp table t (n int)", Format::Binary);
        client.run("insert into t select generate_series(1, 5)", Format::Binary);
        client.run("", Format::Binary);
    }),
    ("extended-text", NOBODY, |client| client.run(EVERY_TYPE, Format::Text)),
    ("parameters", NOBODY, |client| {
        let mut params = Params::new();
        params.push(&7_i32).unwrap();
        params.push("text").unwrap();
        params.push_null(Oid::INT8);
        client.ask(|conversation| {
            conversation.parse("named", "select $1 + 1, $2 || '!', $3", params.types()).unwrap();
            conversation.describe_statement("named").unwrap();
            conversation.sync().unwrap();
        });
        for _ in 0..2 {
            client.ask(|conversation| {
                conversation.bind("named", &params, Format::Binary).unwrap();
                conversation.describe_portal("").unwrap();
                conversation.execute(0).unwrap();
                conversation.sync().unwrap();
            });
        }
        client.ask(|conversation| {
            conversation.close_statement("named").unwrap();
            conversation.close_portal("never there").unwrap();
            conversation.sync().unwrap();
        });
    }),
    ("extended-error", NOBODY, |client| {
        client.run("select nothing", Format::Binary);
        client.run("select 10 / (5 - n) from generate_series(1, 9) n", Format::Binary);
        client.ask(|conversation| {
            conversation.bind("not there", &Params::new(), Format::Binary).unwrap();
            conversation.execute(0).unwrap();
            conversation.sync().unwrap();
        });
    }),
    ("pipeline", NOBODY, |client| {
        client.ask(|conversation| {
            for n in 1..=5 {
                statement(conversation, &format!("select {n}"), &Params::new(), Format::Binary);
            }
            conversation.sync().unwrap();
        });
    }),
    ("pipeline-error-in-a-group", NOBODY, |client| {
        client.ask(|conversation| {
            for sql in ["select 1", "select 1/0", "select 3"] {
                statement(conversation, sql, &Params::new(), Format::Binary);
            }
            conversation.sync().unwrap();
            statement(conversation, "select 4", &Params::new(), Format::Binary);
            conversation.sync().unwrap();
        });
    }),
    ("pipeline-error-alone", NOBODY, |client| {
        client.ask(|conversation| {
            for sql in ["select 1", "select 1/0", "select 3"] {
                statement(conversation, sql, &Params::new(), Format::Binary);
                conversation.sync().unwrap();
            }
        });
    }),
    ("flush", NOBODY, |client| {
        client.ask_until(
            |conversation| {
                conversation.parse("", "select 1", &[]).unwrap();
                conversation.flush().unwrap();
            },
            |event| event == Event::ParseComplete,
        );
        client.ask(|conversation| {
            conversation.bind("", &Params::new(), Format::Binary).unwrap();
            conversation.execute(0).unwrap();
            conversation.sync().unwrap();
        });
    }),
    ("transaction", NOBODY, |client| {
        for sql in ["begin", "select 1", "select 1/0", "select 2", "rollback"] {
            client.run(sql, Format::Binary);
        }
        client.simple("begin; create temp table t (n int unique deferrable initially deferred)");
        client.simple("insert into t values (1), (1)");
        client.simple("commit");
    }),
    ("notices", NOBODY, |client| {
        client.simple(
            "do $$ begin raise notice 'one'; raise warning 'two' using detail = 'd'; end $$",
        );
        client.run("drop table if exists never_there", Format::Binary);
        client
            .simple("do $$ begin for n in 1..40 loop raise notice 'number %', n; end loop; end $$");
    }),
    ("notify", NOBODY, |client| {
        client.simple("listen one; listen two");
        client.simple("notify one, 'a payload'; notify two");
        client.run("select pg_notify('one', 'by a function')", Format::Binary);
    }),
    ("copy-out-text", NOBODY, |client| {
        client.simple("copy (select n, null, E'a\\tb' from generate_series(1, 5) n) to stdout");
        client.run("copy (select n from generate_series(1, 5) n) to stdout", Format::Binary);
        client.simple("copy (select 10 / (3 - n) from generate_series(1, 5) n) to stdout");
    }),
    ("copy-out-binary", NOBODY, |client| {
        client.simple(
            "copy (select n, null, 'text' from generate_series(1, 5) n) to stdout (format binary)",
        );
    }),
    ("copy-in-text", NOBODY, |client| {
        client.simple("create temp table t (n int, name text)");
        copy_in(client, "copy t from stdin", &[b"1\tone\n2\ttw", b"o\n", b"3\t\\N\n"]);
        copy_in(client, "copy t from stdin", &[b"not a number\tx\n"]);
        client.simple("table t");
    }),
    ("copy-in-binary", NOBODY, |client| {
        client.simple("create temp table t (n int, name text)");
        let mut data = b"PGCOPY\n\xff\r\n\0".to_vec();
        data.extend_from_slice(&[0; 8]);
        data.extend_from_slice(b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x05seven");
        data.extend_from_slice(b"\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        copy_in(client, "copy t from stdin (format binary)", &[&data]);
        client.simple("table t");
    }),
    ("copy-in-extended", NOBODY, |client| {
        client.simple("create temp table t (n int)");
        client.ask(|conversation| {
            conversation.parse("", "copy t from stdin", &[]).unwrap();
            conversation.bind("", &Params::new(), Format::Binary).unwrap();
            conversation.execute_copy_in().unwrap();
            conversation.copy_data(b"1\n2\n").unwrap();
            conversation.copy_done().unwrap();
            conversation.sync().unwrap();
        });
        client.simple("table t");
    }),
    ("copy-in-given-up", NOBODY, |client| {
        client.simple("create temp table t (n int)");
        client.ask_until(
            |conversation| conversation.query_copy("copy t from stdin").unwrap(),
            |event| event == Event::CopyIn,
        );
        client.conversation.copy_data(b"1\n").unwrap();
        client.conversation.copy_fail("thought better of it").unwrap();
        client.go_on(|_| false);
        client.simple("copy t from stdin");
    }),
    ("portals", NOBODY, |client| {
        client.run("begin", Format::Binary);
        client.ask(|conversation| {
            conversation.parse("", "select generate_series(1, 8)", &[]).unwrap();
            conversation.bind_portal("some", "", &Params::new(), Format::Binary).unwrap();
            conversation.describe_portal("some").unwrap();
            conversation.execute_portal("some", 3).unwrap();
            conversation.sync().unwrap();
        });
        for rows in [3, 1, 0] {
            client.ask(|conversation| {
                conversation.execute_portal("some", rows).unwrap();
                conversation.sync().unwrap();
            });
        }
        client.ask(|conversation| {
            conversation.close_portal("some").unwrap();
            conversation.sync().unwrap();
        });
        client.run("commit", Format::Binary);
    }),
    ("large-rows", NOBODY, |client| {
        client.run(
            "select n, repeat(chr(64 + n), n * 3000) from generate_series(1, 9) n",
            Format::Binary,
        );
    }),
    ("settings", NOBODY, |client| {
        client.simple("set timezone to 'Asia/Tokyo'; set application_name to 'recorded'");
        client.run("set datestyle to 'German'", Format::Binary);
        client.simple("set client_encoding to 'LATIN1'; reset client_encoding; reset all");
    }),
    ("function-call", NOBODY, |client| {
        let mut arguments = Params::new();
        arguments.push(&-7_i32).unwrap();
        // abs(int4)
        client.ask(|conversation| {
            conversation.call_function(Oid(1397), &arguments, Format::Binary).unwrap();
        });
        client.ask(|conversation| {
            conversation.call_function(Oid(1), &arguments, Format::Binary).unwrap();
        });
    }),
    ("cancel-and-terminate", NOBODY, cancel_and_terminate),
];

/// Sessions that ask for protocol 3.2.
const NEWER: [Session; 3] = [
    ("newer-login-scram", SCRAM_USER, |_| {}),
    ("newer-unknown-option", NOBODY, |_| {}),
    ("newer-cancel-and-terminate", NOBODY, cancel_and_terminate),
];

/// Of the others, those in which versions differ.
const DIFFERENT: [&str; 8] = [
    "login-trust",
    "login-scram",
    "login-refused",
    "simple-error",
    "extended-error",
    "pipeline-error-in-a-group",
    "settings",
    "cancel-and-terminate",
];

fn cancel_and_terminate(client: &mut Client) {
    let mut cancel = stellata_protocol::Buffer::new();
    let key = client.conversation.backend_key().unwrap();
    key.write_cancel_request(&mut cancel).unwrap();
    let proxy = client.proxy;
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let mut stream = TcpStream::connect(("127.0.0.1", proxy)).unwrap();
        stream.write_all(cancel.as_slice()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    client.run("select pg_sleep(60)", Format::Binary);
    canceller.join().unwrap();
    client.run("select pg_terminate_backend(pg_backend_pid())", Format::Binary);
}

const EVERY_TYPE: &str = "select true, 1::int2, 2::int4, 3::int8, 1.5::float4, -0.25::float8, 12345.6789::numeric, \
     'text', 'name'::name, '\\x00ff'::bytea, date '2000-01-02', timestamptz '2024-02-29 12:34:56.789+00', \
     interval '1 month 2 days', uuid '00112233-4455-6677-8899-aabbccddeeff', '{\"a\": [1]}'::jsonb, \
     array[[1, 2], [3, null]], int4range(1, 5), row(1, 'x'), null::int4";

fn copy_in(client: &mut Client, sql: &str, pieces: &[&[u8]]) {
    client.ask_until(
        |conversation| conversation.query_copy(sql).unwrap(),
        |event| event == Event::CopyIn,
    );
    for piece in pieces {
        client.conversation.copy_data(piece).unwrap();
    }
    client.conversation.copy_done().unwrap();
    client.go_on(|_| false);
}

fn record(database: &Database, folder: &Path, (name, user, session): Session) {
    let endpoint: &Endpoint = database.tcp();
    let proxy = Proxy::start(endpoint).unwrap();
    proxy.set_keeping(true);
    let (user, password) = if user == "wrong" { (SCRAM_USER, "wrong") } else { (user, PASSWORD) };
    let mut login = Login::new(user, NONCE)
        .parameter("database", database.name())
        .parameter("client_encoding", "UTF8")
        .password(password.as_bytes())
        .allow_cleartext(true);
    if name.starts_with("newer") {
        login = login.version(PROTOCOL_3_2);
    }
    if name.ends_with("unknown-option") {
        login = login.parameter("_pq_.stellata", "on");
    }
    let mut client = Client::connect(&proxy, login);
    client.go_on(|_| false);
    session(&mut client);
    client.conversation.terminate();
    client.go_on(|_| false);
    // The server closes when it has taken the goodbye, which the proxy has then seen too.
    while client.stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
    let recording = proxy.recordings().swap_remove(0);
    keep(&recording, folder, name);
}

/// An encrypted stream whose two sides are kept as the session sees them: of such a one a proxy sees nothing.
struct Tapped {
    stream: StreamOwned<ClientConnection, TcpStream>,
    recording: Recording,
}

impl Read for Tapped {
    fn read(&mut self, place: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(place)?;
        if read > 0 {
            self.recording.add(Direction::ToClient, &place[..read]);
        }
        Ok(read)
    }
}

impl Write for Tapped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.stream.write(bytes)?;
        if written > 0 {
            self.recording.add(Direction::ToServer, &bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Records a login that is bound to the server's certificate, behind TLS.
fn record_bound(version: u32, folder: &Path) {
    let authority = Authority::new("a root", KeyKind::P256);
    let certificate = authority.issue(&Leaf::new(&["localhost"]).key(KeyKind::P256));
    let options = ServerOptions::of_version(version).unwrap();
    let options = options
        .setting("ssl", "on")
        .setting("ssl_cert_file", "server.pem")
        .setting("ssl_key_file", "server.key")
        .file("server.pem", &*certificate.chain)
        .file("server.key", &*certificate.key);
    let server = Server::start(options).unwrap();
    let database = Database::create(&server).unwrap();

    let mut socket = TcpStream::connect(("127.0.0.1", database.tcp().port())).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = EncryptionRequest::new();
    socket.write_all(request.output()).unwrap();
    request.wrote(request.output().len());
    let mut answer = [0];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(request.receive(&answer), Ok(Some(EncryptionAnswer::Willing)));

    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.pem().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).unwrap();
    }
    let end_point = server_end_point(&connection.peer_certificates().unwrap()[0]).unwrap();
    assert!(end_point.is_some());

    let login = Login::new(SCRAM_USER, NONCE)
        .parameter("database", database.name())
        .parameter("client_encoding", "UTF8")
        .password(PASSWORD.as_bytes())
        .channel_binding(ChannelBindingPolicy::Require, end_point);
    let stream = StreamOwned::new(connection, socket);
    let mut client = Client {
        stream: Tapped { stream, recording: Recording::default() },
        conversation: Conversation::start(login).unwrap(),
        proxy: 0,
    };
    client.go_on(|_| false);
    client.simple("select 1");
    client.conversation.terminate();
    client.go_on(|_| false);
    keep(&client.stream.recording, folder, "login-scram-plus");
}

fn keep(recording: &Recording, folder: &Path, name: &str) {
    let path = folder.join(name).with_extension("bin");
    recording.write(&path).unwrap();
    println!("{}: {} bytes", path.display(), std::fs::metadata(&path).unwrap().len());
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let streams = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/streams");
    if wanted.is_empty() || wanted.iter().any(|word| word == "tls") {
        record_bound(15, &streams);
    }
    for version in [14, 15, 18] {
        if !wanted.is_empty() && !wanted.contains(&version.to_string()) {
            continue;
        }
        let server = Server::of_version(version).unwrap().unwrap();
        assert!(server.is_own(), "the streams are made with a server of the testkit's own");
        let database = Database::create(server).unwrap();
        let folder =
            if version == 15 { streams.clone() } else { streams.join(version.to_string()) };
        std::fs::create_dir_all(&folder).unwrap();
        for session in SESSIONS.into_iter().chain(NEWER) {
            if version == 15 || DIFFERENT.contains(&session.0) || session.0.starts_with("newer") {
                record(&database, &folder, session);
            }
        }
    }
}
