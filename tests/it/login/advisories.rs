//! What has gone wrong in other drivers while they logged in, by its number where it has one; and what the standards say
//! that a client must refuse.

use stellata_client::{AuthMethod, Config, Connection, Error, ErrorKind, RequireAuth};
use stellata_testkit::{Reply, ScramServer, Script, ScriptedServer};

use super::plain;

const PASSWORD: &str = "correct horse";

fn log_in(script: Script, configure: impl FnOnce(Config) -> Config) -> Result<(), Error> {
    let server = ScriptedServer::start([script]).unwrap();
    let config = configure(plain(server.port()).with_password(PASSWORD));
    let came = stellata_testkit::run(async {
        let mut connection = Connection::connect(&config).await?;
        connection.query_one::<(i32,)>("select 7", ()).await.map(drop)
    });
    server.finish();
    came
}

#[track_caller]
fn is_refused(script: Script) -> Error {
    is_refused_with(script, |config| config)
}

#[track_caller]
fn is_refused_with(script: Script, configure: impl FnOnce(Config) -> Config) -> Error {
    let error = log_in(script, configure).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
    error
}

fn scram() -> ScramServer {
    ScramServer::new(PASSWORD, 4096)
}

/// A server whose first text of SCRAM is changed, and who wants no answer to it.
fn first_text(change: impl FnOnce(String) -> String + Send + 'static) -> Script {
    Script::new()
        .expect("^")
        .send(Reply::new().authentication(10, ScramServer::MECHANISMS))
        .expect("p")
        .answer(move |requests| {
            let text = change(scram().first(&requests[0])?);
            Ok(Reply::new().authentication(11, text.as_bytes()))
        })
        .read_to_end()
}

fn with_iterations(number: &'static str) -> Script {
    first_text(move |text| format!("{},i={number}", text.rsplit_once(",i=").unwrap().0))
}

#[test]
fn rustsec_2026_0179_a_server_can_not_ask_for_any_number_of_iterations() {
    // Four thousand million iterations would keep a core busy for ten minutes.
    for number in ["4294967295", "4294967296", "1000001", "18446744073709551616"] {
        let error = is_refused(with_iterations(number));
        assert!(error.to_string().contains("more SCRAM iterations than are allowed"), "{error}");
    }
    // The limit is a setting, and holds both ways.
    let at_the_limit = || Script::new().scram_login(PASSWORD).serve();
    log_in(at_the_limit(), |config| config.with_max_scram_iterations(4096)).unwrap();
    is_refused_with(with_iterations("4096"), |config| config.with_max_scram_iterations(4095));
}

#[test]
fn a_number_of_iterations_that_is_none_is_refused() {
    for number in ["0", "00", "-1", "+1", "", " 1", "1 ", "0x10", "1e3", "04096"] {
        is_refused(with_iterations(number));
    }
}

#[test]
fn few_iterations_are_the_servers_choice() {
    let script = Script::new()
        .scram(ScramServer::new(PASSWORD, 1), |first| first, |last| last)
        .send(Reply::logged_in())
        .serve();
    log_in(script, |config| config).unwrap();
}

#[test]
fn the_servers_nonce_must_extend_the_clients() {
    for change in [
        |text: String| text.replace("SCRIPTED", ""),
        |text: String| text.replacen("r=", "r=x", 1),
        |text: String| format!("r={}", &text[3..]),
        |_: String| "r=SCRIPTED,s=YSBzY3JpcHRlZCBzYWx0,i=4096".to_owned(),
    ] {
        let error = is_refused(first_text(change));
        assert!(error.to_string().contains("nonce does not extend"), "{error}");
    }
}

#[test]
fn a_mandatory_scram_extension_is_refused() {
    for change in [
        |text: String| format!("m=must,{text}"),
        |text: String| text.replace(",s=", ",m=must,s="),
        |text: String| text.replace(",i=", ",m=must,i="),
        |text: String| format!("{text},m=must"),
    ] {
        let error = is_refused(first_text(change));
        assert!(error.to_string().contains("extension"), "{error}");
    }
}

#[test]
fn a_salt_that_is_empty_or_not_base64_is_refused() {
    for salt in ["", "=", "?", "YQ", "YQ=", "YR==", " YQ==", "YQ==\n"] {
        let change = move |text: String| text.replace("YSBzY3JpcHRlZCBzYWx0", salt);
        let error = is_refused(first_text(change));
        assert!(error.to_string().contains("salt"), "{salt:?}: {error}");
    }
}

#[test]
fn an_error_attribute_of_scram_is_told_and_ends_the_login() {
    let first = is_refused(first_text(|_| "e=unknown-user".to_owned()));
    assert!(first.to_string().contains("the user is not known"), "{first}");
    for (word, sentence) in [
        ("invalid-proof", "the password is wrong"),
        ("channel-bindings-dont-match", "its certificate is not the one"),
        ("other-error", "the server refused the SCRAM exchange"),
        ("\u{1b}[2J owned", "the server refused the SCRAM exchange"),
    ] {
        let script = Script::new()
            .scram(scram(), |first| first, move |_| format!("e={word}"))
            .send(Reply::logged_in())
            .read_to_end();
        let error = is_refused(script);
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}

/// The exchange up to the client's proof, which is answered by this.
fn in_place_of_the_proof(reply: Reply) -> Script {
    Script::new()
        .expect("^")
        .send(Reply::new().authentication(10, ScramServer::MECHANISMS))
        .expect("p")
        .answer(|requests| {
            Ok(Reply::new().authentication(11, scram().first(&requests[0])?.as_bytes()))
        })
        .expect("p")
        .send(reply)
        .read_to_end()
}

#[test]
fn authentication_ok_before_the_servers_proof_is_refused() {
    let after_nothing = Script::new()
        .expect("^")
        .send(Reply::new().authentication(10, ScramServer::MECHANISMS))
        .expect("p")
        .send(Reply::logged_in())
        .read_to_end();
    for script in [after_nothing, in_place_of_the_proof(Reply::logged_in())] {
        let error = is_refused(script);
        assert!(error.to_string().contains("skips the proof"), "{error}");
    }
}

#[test]
fn scram_messages_out_of_order_or_twice_are_refused() {
    let begin = || Reply::new().authentication(10, ScramServer::MECHANISMS);
    let next = || Reply::new().authentication(11, b"r=x,s=eA==,i=1");
    let last = || Reply::new().authentication(12, b"v=eA==");
    let first = |reply: Reply| Script::new().expect("^").send(reply).read_to_end();
    let second = |reply: Reply| {
        Script::new().expect("^").send(begin()).expect("p").send(reply).read_to_end()
    };
    for script in [
        first(next()),
        first(last()),
        second(begin()),
        second(last()),
        in_place_of_the_proof(begin()),
        in_place_of_the_proof(next()),
        Script::new()
            .scram(scram(), |first| first, |last| last)
            .send(last().then(Reply::logged_in()))
            .read_to_end(),
        Script::new()
            .scram(scram(), |first| first, |last| last)
            .send(next().then(Reply::logged_in()))
            .read_to_end(),
    ] {
        is_refused(script);
    }
}

#[test]
fn cve_2022_41862_an_error_text_without_its_end_is_refused_and_nothing_behind_it_is_shown() {
    // A client showed what lay in its memory behind such a text.
    for body in [&b"SFATAL\0Mnever ends"[..], b"M", b"SFATAL", b"SFATAL\0C28000\0Mends\0", b""] {
        let script = Script::new().expect("^").send(Reply::new().message('E', body)).read_to_end();
        let error = log_in(script, |config| config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
        assert!(!error.to_string().contains("never"), "{error}");
    }
    // The error of a server older than protocol 3 has neither length nor fields.
    let script =
        Script::new().expect("^").send(Reply::new().raw(b"Eunsupported\n\0")).read_to_end();
    let error = log_in(script, |config| config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
}

/// A server that was agreed to ask for SCRAM, and asks for less: it gets nothing that it could use.
#[test]
fn require_auth_keeps_a_server_from_asking_for_less() {
    let scram_only: fn(Config) -> Config = |config| {
        config
            .with_cleartext_password(true)
            .with_require_auth(RequireAuth::only(&[AuthMethod::ScramSha256]))
    };
    for reply in [
        Reply::logged_in(),
        Reply::new().authentication(3, b""),
        Reply::new().authentication(5, b"salt"),
        Reply::new().authentication(7, b""),
        Reply::new().authentication(9, b""),
        Reply::new().authentication(10, b"OAUTHBEARER\0\0"),
        Reply::new().authentication(10, b"PLAIN\0\0"),
    ] {
        let error =
            is_refused_with(Script::new().expect("^").send(reply).read_to_end(), scram_only);
        assert!(!format!("{error:?}").contains(PASSWORD));
    }
    log_in(Script::new().scram_login(PASSWORD).serve(), scram_only).unwrap();
}
