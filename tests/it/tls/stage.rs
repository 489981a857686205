//! A server that tells what a client does, and answers as it is told.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use stellata_testkit::{Certificate, Leaf, Reply, ScramServer, Script};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server says when it is asked for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `S`, and it shakes hands.
    Yes,
    /// `N`, and it goes on in plain.
    No,
    /// These bytes, and nothing more.
    Bytes(&'static [u8]),
    /// Nothing.
    Silence,
}

/// How the server meets a start-up message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// It lets everybody in.
    Trust,
    /// It has no rule for such connections.
    NoRule,
    /// It is full, as it is for everybody.
    Full,
    /// It asks for the password as it is.
    Cleartext,
    /// It asks for a hash of the password.
    Md5,
    /// It offers SCRAM that is not bound to the channel.
    Unbound,
}

/// A server that plays a part, and what it has seen.
pub(super) struct Stage {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// What the server is to do.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) answer: Answer,
    /// The answer to connections after the first, where it is another.
    pub(super) later: Option<Answer>,
    pub(super) config: Arc<ServerConfig>,
    pub(super) plain: Login,
    pub(super) encrypted: Login,
    /// What is sent of TLS in place of shaking hands.
    pub(super) instead: Option<&'static [u8]>,
}

impl Part {
    pub(super) fn new(certificate: &Certificate) -> Self {
        Self {
            answer: Answer::Yes,
            later: None,
            config: Arc::new(server_config(certificate)),
            plain: Login::Trust,
            encrypted: Login::Trust,
            instead: None,
        }
    }
}

/// A server's side of TLS with this certificate, that knows PostgreSQL's name for what is spoken inside.
pub(super) fn server_config(certificate: &Certificate) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    config
}

/// A server's side of TLS that shows this certificate and signs with another key.
pub(super) fn stolen(certificate: &Certificate) -> ServerConfig {
    let provider = default_provider();
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let other = Leaf::new(&["localhost"]).self_signed(false);
    let key = PrivateKeyDer::from_pem_slice(other.key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown))
}

impl Stage {
    pub(super) async fn start(part: Part) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let trace = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                trace.lock().unwrap().push(String::new());
                let mut part = part.clone();
                if let (1.., Some(later)) = (number, part.later) {
                    part.answer = later;
                }
                let trace = Arc::clone(&trace);
                tokio::spawn(async move {
                    let note = |what: &str| {
                        let mut seen = trace.lock().unwrap();
                        let line = &mut seen[number];
                        if !line.is_empty() {
                            line.push_str(", ");
                        }
                        line.push_str(what);
                    };
                    serve(client, part, note).await;
                });
            }
        });
        Self { port, seen, task }
    }

    /// What happened on each connection, parted by ` | `.
    pub(super) fn trace(&self) -> String {
        self.seen.lock().unwrap().join(" | ")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, part: Part, note: impl Fn(&str)) {
    client.set_nodelay(true).unwrap();
    let mut head = [0; 8];
    if client.peek(&mut head[..1]).await.unwrap_or(0) == 0 {
        return note("left");
    }
    if head[0] == 0x16 {
        note("handshake unasked");
        return encrypt(client, part, note).await;
    }
    while client.peek(&mut head).await.unwrap_or(0) < 8 {
        tokio::task::yield_now().await;
    }
    if head[4..] != [4, 210, 22, 47] {
        note("plain");
        return begin(client, part.plain).await;
    }
    client.read_exact(&mut head).await.unwrap();
    note("asked");
    // Nothing but the question may come before the answer.
    tokio::task::yield_now().await;
    if client.try_read(&mut [0; 64]).is_ok() {
        note("MORE BEFORE THE ANSWER");
    }
    let say = match part.answer {
        Answer::Yes => &b"S"[..],
        Answer::No => b"N",
        Answer::Bytes(bytes) => bytes,
        Answer::Silence => b"",
    };
    client.write_all(say).await.unwrap();
    match part.answer {
        Answer::Yes => encrypt(client, part, note).await,
        Answer::No => {
            if client.peek(&mut head).await.unwrap_or(0) == 0 {
                return note("left");
            }
            note("plain");
            begin(client, part.plain).await;
        }
        _ => {
            let mut rest = Vec::new();
            let _ = client.read_to_end(&mut rest).await;
            note(if rest.is_empty() { "left" } else { "WENT ON" });
        }
    }
}

async fn encrypt(mut client: TcpStream, part: Part, note: impl Fn(&str)) {
    if let Some(instead) = part.instead {
        // Before the client has begun it would be taken for part of the answer.
        let _ = client.peek(&mut [0; 1]).await;
        client.write_all(instead).await.unwrap();
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        return note("no handshake");
    }
    match TlsAcceptor::from(part.config).accept(client).await {
        Ok(inside) => {
            // A client that finds fault with the certificate says so before it begins a session.
            let mut inside = BufReader::new(inside);
            match inside.fill_buf().await {
                Ok([_, ..]) => {
                    note("encrypted");
                    begin(inside, part.encrypted).await;
                }
                _ => note("left after the handshake"),
            }
        }
        Err(_) => note("no handshake"),
    }
}

/// Meets the start-up message, and does what is asked where it lets in.
async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin, login: Login) {
    let script = Script::new();
    let script = match login {
        Login::Trust => script.trust_login().serve(),
        Login::NoRule => {
            script.expect("^").send(Reply::new().error("FATAL", "28000", "no entry for you"))
        }
        Login::Full => script.expect("^").send(Reply::new().error("FATAL", "53300", "full")),
        Login::Cleartext => script
            .expect("^")
            .send(Reply::new().authentication(3, b""))
            .expect("p")
            .send(Reply::logged_in())
            .serve(),
        Login::Unbound => {
            script.expect("^").send(Reply::new().authentication(10, ScramServer::MECHANISMS))
        }
        Login::Md5 => script
            .expect("^")
            .send(Reply::new().authentication(5, b"salt"))
            .expect("p")
            .send(Reply::logged_in())
            .serve(),
    };
    // A client that leaves early is seen by what it did before.
    let _ = script.play(stream).await;
}
