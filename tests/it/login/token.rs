//! Logging in by an OAuth token that a callback fetches, against servers that follow a script: no server here has a
//! validator of tokens.

use std::sync::{Arc, Mutex};

use stellata_client::{
    AuthMethod, BearerToken, Config, Connection, Error, ErrorKind, RequireAuth, SqlState,
    TokenChallenge, TokenRequest,
};
use stellata_testkit::{Reply, Script, ScriptedServer};

use super::plain;

const DOCUMENT: &str = r#"{ "status": "invalid_token", "openid-configuration": "https://id.example/.well-known/openid-configuration", "scope": "openid db" }"#;

/// The server's question, and the client's first message, which must be this one.
fn question(data: &str) -> Script {
    let wanted =
        [b"OAUTHBEARER\0", &u32::try_from(data.len()).unwrap().to_be_bytes()[..], data.as_bytes()]
            .concat();
    Script::new()
        .expect("^")
        .send(Reply::new().authentication(10, b"OAUTHBEARER\0\0"))
        .expect("p")
        .check("the token", move |requests| requests[0].body() == wanted)
}

/// The server's refusal, the client's dummy, and the server's error.
fn refusal(script: Script, document: &str) -> Script {
    script
        .send(Reply::new().authentication(11, document.as_bytes()))
        .expect("p")
        .check("the dummy", |requests| requests[0].body() == b"\x01")
        .send(Reply::new().error(
            "FATAL",
            "28000",
            "OAuth bearer authentication failed for user \"me\"",
        ))
}

const TOKEN_MESSAGE: &str = "n,,\x01auth=Bearer sentinel.token\x01\x01";

fn token() -> BearerToken {
    BearerToken::new("sentinel.token").unwrap()
}

/// What a provider was asked.
type Asked = Arc<Mutex<Vec<TokenRequest>>>;

/// Logs in with a provider that has its token at once, or after a challenge.
fn log_in(scripts: Vec<Script>, at_once: bool) -> (Result<(), Error>, Vec<TokenRequest>) {
    let asked = Asked::default();
    let note = Arc::clone(&asked);
    let server = ScriptedServer::start(scripts).unwrap();
    let config = plain(server.port())
        .with_cleartext_password(true)
        .with_require_auth(RequireAuth::only(&[AuthMethod::OAuth]))
        .with_token_provider(move |request| {
            let has_token = at_once || request.challenge.is_some();
            note.lock().unwrap().push(request);
            async move { Ok::<_, std::io::Error>(has_token.then(token)) }
        });
    assert!(!format!("{config:?}").contains("sentinel"));
    let came = stellata_testkit::run(async {
        let mut connection = Connection::connect(&config).await?;
        let (n,): (i32,) = connection.query_one("select 7", ()).await?;
        assert_eq!(n, 7);
        Ok(())
    });
    server.finish();
    if let Err(error) = &came {
        assert!(!format!("{error:?} {error} {error:#}").contains("sentinel"), "{error:?}");
    }
    let asked = asked.lock().unwrap().clone();
    (came, asked)
}

#[test]
fn a_token_that_is_at_hand_logs_in_at_once() {
    let script = question(TOKEN_MESSAGE).send(Reply::logged_in()).serve();
    let (came, asked) = log_in(vec![script], true);
    came.unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!((&*asked[0].user, asked[0].database.as_deref()), ("me", Some("music")));
    assert_eq!(asked[0].challenge, None);
}

#[test]
fn a_token_is_fetched_from_where_the_server_says_and_logs_in_on_a_second_connection() {
    let first = refusal(question("n,,\x01auth=\x01\x01"), DOCUMENT);
    let second = question(TOKEN_MESSAGE).send(Reply::logged_in()).serve();
    let (came, asked) = log_in(vec![first, second], false);
    came.unwrap();
    assert_eq!(asked.len(), 2);
    let challenge = asked[1].challenge.as_ref().unwrap();
    assert_eq!(
        challenge.openid_configuration(),
        Some("https://id.example/.well-known/openid-configuration")
    );
    assert_eq!((challenge.status(), challenge.scope()), ("invalid_token", Some("openid db")));
}

#[test]
fn a_token_that_is_refused_is_no_reason_to_ask_again() {
    for at_once in [true, false] {
        let mut scripts = vec![refusal(question(TOKEN_MESSAGE), DOCUMENT)];
        if !at_once {
            scripts.insert(0, refusal(question("n,,\x01auth=\x01\x01"), DOCUMENT));
        }
        let (came, asked) = log_in(scripts, at_once);
        let error = came.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(error.sqlstate(), Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
        assert_eq!(asked.len(), if at_once { 1 } else { 2 });
    }
}

#[test]
fn an_error_that_echoes_the_token_does_not_show_it() {
    let script = question(TOKEN_MESSAGE).send(Reply::new().error(
        "FATAL",
        "28000",
        "what is sentinel.token?",
    ));
    let (came, _) = log_in(vec![script], true);
    let error = came.unwrap_err();
    assert!(error.to_string().contains("not shown"), "{error}");
}

#[test]
fn a_server_that_skips_the_token_is_refused() {
    let trusting = Script::new().expect("^").send(Reply::logged_in()).read_to_end();
    let careless = question("n,,\x01auth=\x01\x01").send(Reply::logged_in()).read_to_end();
    let rash = Script::new()
        .expect("^")
        .send(Reply::new().authentication(10, b"OAUTHBEARER\0\0").then(Reply::logged_in()))
        .read_to_end();
    for script in [trusting, careless, rash] {
        let (came, _) = log_in(vec![script], false);
        assert_eq!(came.unwrap_err().kind(), ErrorKind::Authentication);
    }
}

async fn refused(config: &Config) -> Error {
    let error = Connection::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
    error
}

#[test]
fn without_a_provider_or_a_private_channel_the_error_says_what_to_do() {
    let asks = || {
        Script::new()
            .expect("^")
            .send(Reply::new().authentication(10, b"OAUTHBEARER\0\0"))
            .read_to_end()
    };
    let server = ScriptedServer::start([asks(), asks()]).unwrap();
    let config = plain(server.port());
    stellata_testkit::run(async {
        let error = refused(&config.clone().with_cleartext_password(true)).await;
        assert!(error.to_string().contains("nothing that gives one"), "{error}");
        let never = |_: TokenRequest| async { Err("the provider was asked") };
        let error = refused(&config.with_token_provider(never)).await;
        assert!(error.to_string().contains("use TLS or a unix socket"), "{error}");
    });
    server.finish();
}

#[test]
fn what_a_provider_fails_by_is_the_source_of_the_error() {
    let asks = Script::new()
        .expect("^")
        .send(Reply::new().authentication(10, b"OAUTHBEARER\0\0"))
        .read_to_end();
    let server = ScriptedServer::start([asks]).unwrap();
    let config = plain(server.port())
        .with_cleartext_password(true)
        .with_token_provider(|_| async { Err("the vault is shut") });
    stellata_testkit::run(async {
        let error = refused(&config).await;
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the vault is shut");
    });
    server.finish();
}

#[test]
fn a_provider_may_find_a_challenge_strange() {
    let first = refusal(question("n,,\x01auth=\x01\x01"), DOCUMENT);
    let server = ScriptedServer::start([first]).unwrap();
    let config = plain(server.port()).with_cleartext_password(true).with_token_provider(
        |request| async move {
            match request.challenge.as_ref().and_then(TokenChallenge::openid_configuration) {
                None => Ok(None),
                Some(place) => Err(format!("{place} is not ours")),
            }
        },
    );
    stellata_testkit::run(async { refused(&config).await });
    server.finish();
}

#[test]
fn a_given_stream_needs_the_token_at_the_first_question() {
    let first = refusal(question("n,,\x01auth=\x01\x01"), DOCUMENT);
    let server = ScriptedServer::start([first]).unwrap();
    let config = plain(server.port())
        .with_cleartext_password(true)
        .with_token_provider(|_| async { Ok::<_, std::io::Error>(None) });
    stellata_testkit::run(async {
        let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let error = Connection::over(stream, &config).await.unwrap_err();
        assert!(error.to_string().contains("have the token ready"), "{error}");
    });
    server.finish();
}
