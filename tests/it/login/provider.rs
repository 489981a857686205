//! Who gives the password is asked when a server wants one, and never otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stellata_client::{AuthMethod, Config, Connection, ErrorKind, RequireAuth};
use stellata_testkit::{Reply, Script, ScriptedServer};

use super::plain;

const PASSWORD: &str = "made when it is needed";

/// Logs in at a server; tells how often the password was asked for, and what came of it.
fn log_in(
    script: Script,
    configured: impl Fn(Config) -> Config,
) -> (usize, Result<(), stellata_client::Error>) {
    let server = ScriptedServer::start([script]).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let config = configured(plain(server.port())).with_password_provider(move |request| {
        assert_eq!(request.user, "me");
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, std::io::Error>(PASSWORD.to_owned()) }
    });
    let done = stellata_testkit::run(async {
        let mut connection = Connection::connect(&config).await?;
        connection.query_one::<(i32,)>("select 7", ()).await.map(drop)
    });
    server.finish();
    (asked.load(Ordering::SeqCst), done)
}

fn ask(code: i32, data: &[u8]) -> Script {
    Script::new().expect("^").send(Reply::new().authentication(code, data))
}

#[test]
fn a_server_that_wants_no_password_leaves_the_provider_unasked() {
    let (asked, done) = log_in(Script::new().trust_login().serve(), |config| config);
    done.unwrap();
    assert_eq!(asked, 0);
}

#[test]
fn every_way_to_want_a_password_asks_once() {
    let md5 = ask(5, b"salt").expect("p").send(Reply::logged_in());
    for (name, script) in [
        ("clear", Script::new().password_login(PASSWORD)),
        ("md5", md5),
        ("scram", Script::new().scram_login(PASSWORD)),
    ] {
        let (asked, done) = log_in(script.serve(), |config| config.with_cleartext_password(true));
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(asked, 1, "{name}");
    }
}

#[test]
fn what_is_refused_is_refused_before_anybody_is_asked() {
    type Configured = fn(Config) -> Config;
    let refusals: [(Script, Configured); 3] = [
        (ask(3, b""), |config| config),
        (ask(5, b"salt"), |config| {
            config.with_require_auth(RequireAuth::only(&[AuthMethod::ScramSha256]))
        }),
        (ask(10, b"UNKNOWN\0\0"), |config| config),
    ];
    for (script, configured) in refusals {
        let (asked, done) = log_in(script.read_to_end(), configured);
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Authentication);
        assert_eq!(asked, 0);
    }
}
