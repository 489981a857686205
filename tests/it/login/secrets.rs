//! A password and a token show nowhere: not in what is printed of a configuration, a connection or an error, whatever the
//! server says.

use std::error::Error as _;

use stellata_client::{BearerToken, Config, Connection, Error};
use stellata_testkit::{Column, Reply, SECRET, ScramServer, Script, ScriptedServer};

use super::plain;

/// Whether bytes show in a text: as they are, percent-encoded, as a list of numbers, in hexadecimal.
fn shows(text: &str, secret: &[u8]) -> bool {
    let join = |parts: Vec<String>, between: &str| parts.join(between);
    let bytes = |form: fn(&u8) -> String| secret.iter().map(form).collect::<Vec<_>>();
    let forms = [
        String::from_utf8_lossy(secret).into_owned(),
        join(bytes(|byte| byte.to_string()), ", "),
        join(bytes(|byte| byte.to_string()), ",\n"),
        join(bytes(|byte| format!("{byte:02x}")), ""),
        join(bytes(|byte| format!("%{byte:02X}")), ""),
    ];
    forms.iter().any(|form| text.contains(form.as_str()))
}

#[track_caller]
fn is_silent(text: &str) {
    assert!(!shows(text, SECRET.as_bytes()), "{text}");
}

#[track_caller]
fn is_silent_error(error: &Error) {
    is_silent(&format!("{error}|{error:#}|{error:?}|{error:#?}"));
    let mut source = error.source();
    while let Some(error) = source {
        is_silent(&format!("{error}|{error:#}|{error:?}|{error:#?}"));
        source = error.source();
    }
    if let Some(server) = error.server() {
        is_silent(&format!("{server}|{server:?}|{server:#?}"));
    }
}

fn echo() -> Reply {
    let fields = ["SFATAL", "C28P01"].map(str::to_owned).into_iter().chain(
        "MDHWstcdnFRqYZ".chars().map(|letter| format!("{letter}you said {SECRET}, did you?")),
    );
    let body: Vec<u8> =
        fields.flat_map(|field| [field.as_bytes(), b"\0"].concat()).chain([0]).collect();
    Reply::new().message('E', &body)
}

fn ask(code: i32, data: &[u8]) -> Script {
    Script::new().expect("^").send(Reply::new().authentication(code, data))
}

/// Servers that take the password or the token in every way, and end the login in every way.
fn servers() -> Vec<(&'static str, Script)> {
    let refused =
        || Reply::new().error("FATAL", "28P01", "password authentication failed for user \"me\"");
    let proof = |last: fn(String) -> String| {
        Script::new().scram(ScramServer::new(SECRET, 16), |first| first, last)
    };
    vec![
        ("clear, refused", ask(3, b"").expect("p").send(refused())),
        ("clear, echoed", ask(3, b"").expect("p").send(echo())),
        ("clear, a notice", ask(3, b"").expect("p").send(Reply::new().notice(SECRET).then(echo()))),
        (
            "clear, twice",
            ask(3, b"").expect("p").send(Reply::new().authentication(3, b"")).read_to_end(),
        ),
        (
            "clear, garbage",
            ask(3, b"").expect("p").send(Reply::new().raw(SECRET.as_bytes())).read_to_end(),
        ),
        ("clear, closed", ask(3, b"").expect("p")),
        ("md5, refused", ask(5, b"salt").expect("p").send(refused())),
        (
            "md5, other",
            ask(5, b"salt").expect("p").send(Reply::new().authentication(7, b"")).read_to_end(),
        ),
        ("scram, refused", ask(10, ScramServer::MECHANISMS).expect("p").send(refused())),
        ("scram, wrong proof", proof(|_| "v=AAAA".to_owned()).read_to_end()),
        ("scram, an error", proof(|_| "e=invalid-proof".to_owned()).read_to_end()),
        ("scram, closed", ask(10, ScramServer::MECHANISMS).expect("p")),
        ("token, echoed", ask(10, b"OAUTHBEARER\0\0").expect("p").send(echo())),
        (
            "token, refused",
            ask(10, b"OAUTHBEARER\0\0")
                .expect("p")
                .send(Reply::new().authentication(
                    11,
                    format!("{{\"status\":\"{SECRET}\",\"scope\":\"{SECRET}\"}}").as_bytes(),
                ))
                .expect("p")
                .send(echo()),
        ),
        (
            "token, garbage",
            ask(10, b"OAUTHBEARER\0\0")
                .expect("p")
                .send(Reply::new().authentication(11, SECRET.as_bytes()))
                .read_to_end(),
        ),
        ("unsupported", ask(9, b"").read_to_end()),
    ]
}

#[test]
fn no_login_that_fails_shows_the_password_or_the_token() {
    for (name, script) in servers() {
        let server = ScriptedServer::start([script]).unwrap();
        let config = plain(server.port())
            .with_password(SECRET)
            .with_cleartext_password(true)
            .with_token_provider(|_| async { BearerToken::new(SECRET).map(Some) });
        is_silent(&format!("{config:?}|{config:#?}"));
        let error =
            stellata_testkit::run(async { Connection::connect(&config).await.unwrap_err() });
        server.finish();
        is_silent_error(&error);
        assert!(!error.to_string().is_empty(), "{name}");
    }
}

#[test]
fn no_login_that_passes_shows_the_password_in_what_is_printed_of_the_connection() {
    let scram = Script::new()
        .scram(ScramServer::new(SECRET, 16), |first| first, |last| last)
        .send(Reply::logged_in())
        .serve();
    for script in [Script::new().password_login(SECRET).serve(), scram] {
        let server = ScriptedServer::start([script]).unwrap();
        let config = plain(server.port()).with_password(SECRET).with_cleartext_password(true);
        stellata_testkit::run(async {
            let mut connection = Connection::connect(&config).await.unwrap();
            is_silent(&format!("{connection:?}|{connection:#?}"));
            connection.query_one::<(i32,)>("select 7", ()).await.unwrap();
            is_silent(&format!("{connection:?}|{connection:#?}"));
        });
        server.finish();
    }
}

#[test]
fn connection_strings_that_can_not_be_used_do_not_show_their_password() {
    for url in [
        format!("postgres://me:{SECRET}@host:0/x"),
        format!("postgres://me:{SECRET}@host:port/x"),
        format!("postgres://me:{SECRET}%@host/x"),
        format!("postgres://me:{SECRET}%00@host/x"),
        format!("postgres://me:{SECRET}@[::1/x"),
        format!("postgres://me@host/x?password={SECRET}&colour=red"),
        format!("postgres://me@host/x?password={SECRET}%zz"),
        format!("mysql://me:{SECRET}@host/x"),
    ] {
        is_silent_error(&Config::parse(&url).unwrap_err());
    }
    let config = Config::parse(&format!("postgres://me:{SECRET}@host/x")).unwrap();
    is_silent(&format!("{config:?}|{config:#?}"));
}

/// Rows of users and parameters are secrets too.
#[test]
fn no_row_and_no_parameter_shows_in_what_is_printed_of_a_connection_or_an_error() {
    let rows = |type_oid| {
        let columns = [Column::new("c", type_oid)];
        let row: [&[Option<&[u8]>]; 1] = [&[Some(SECRET.as_bytes())]];
        Reply::rows(&columns, &row)
    };
    // What is read is another type than what comes; the rows stop in the middle; the server knows nothing of a type that
    // they wait for. In the last two cases the answer is given up.
    let wrong = Script::new().trust_login().expect("PDBES").send(rows(25).ready('I')).serve();
    let endless = Script::new().trust_login().expect("PDBES").send(rows(25)).read_to_end();
    let held = Script::new()
        .trust_login()
        .expect("PDBES")
        .send(rows(999_999).ready('I'))
        .expect("PBES")
        .read_to_end();
    for (script, is_given_up) in [(wrong, false), (endless, true), (held, true)] {
        let server = ScriptedServer::start([script]).unwrap();
        let config = plain(server.port());
        stellata_testkit::run(async {
            let mut connection = Connection::connect(&config).await.unwrap();
            let asked = async {
                if is_given_up {
                    connection.query::<(String,)>("select $1", (SECRET,)).await.map(drop)
                } else {
                    connection.query::<(i32,)>("select $1", (SECRET,)).await.map(drop)
                }
            };
            let wait = std::time::Duration::from_millis(200);
            match tokio::time::timeout(wait, asked).await {
                Ok(done) => is_silent_error(&done.unwrap_err()),
                Err(_) => assert!(is_given_up),
            }
            is_silent(&format!("{connection:?}|{connection:#?}"));
        });
        server.finish();
    }
}
