//! Servers that want the password in a wrong way, or less than was agreed, or do not know it themselves.

use stellata_client::{AuthMethod, BearerToken, Config, RequireAuth};
use stellata_testkit::{Ending, Reply, ScramServer, Script};

use super::case::{Case, PASSWORD, connect, greet, run};

/// Makes another text of a right one.
type Change = fn(String) -> String;

fn scram() -> ScramServer {
    ScramServer::new(PASSWORD, 4096)
}

fn sasl(mechanisms: &[u8]) -> Reply {
    Reply::new().authentication(10, mechanisms)
}

/// The whole exchange, with the server's first text as `change` makes it; the client is to refuse it.
fn first_text(change: Change) -> Script {
    Script::new()
        .expect("^")
        .send(sasl(ScramServer::MECHANISMS))
        .expect("p")
        .answer(move |requests| {
            let text = change(scram().first(&requests[0])?);
            Ok(Reply::new().authentication(11, text.as_bytes()))
        })
        .read_to_end()
}

/// The whole exchange, with the server's last text as `change` makes it, and AuthenticationOk behind it.
fn last_text(change: Change) -> Script {
    Script::new().scram(scram(), |first| first, change).send(Reply::logged_in()).read_to_end()
}

/// The server's first text with another number of iterations.
fn iterations(number: &str) -> impl Fn(String) -> String {
    move |text| format!("{},i={number}", text.rsplit_once(",i=").unwrap().0)
}

/// What follows the client's first message of SCRAM.
fn in_place_of_the_first(reply: Reply) -> Script {
    greet(sasl(ScramServer::MECHANISMS)).expect("p").send(reply).read_to_end()
}

/// What follows the client's proof.
fn in_place_of_the_last(reply: Reply) -> Script {
    greet(sasl(ScramServer::MECHANISMS))
        .expect("p")
        .answer(|requests| {
            Ok(Reply::new().authentication(11, scram().first(&requests[0])?.as_bytes()))
        })
        .expect("p")
        .send(reply)
        .read_to_end()
}

/// What the client takes: SCRAM alone.
fn scram_only(config: Config) -> Config {
    config
        .with_cleartext_password(true)
        .with_require_auth(RequireAuth::only(&[AuthMethod::ScramSha256]))
}

/// What the client takes: anything that is a proof.
fn proof_only(config: Config) -> Config {
    config.with_require_auth(RequireAuth::all_but(&[AuthMethod::None]))
}

/// What the client takes: a token alone, which it has.
fn token_only(config: Config) -> Config {
    config
        .with_cleartext_password(true)
        .with_require_auth(RequireAuth::only(&[AuthMethod::OAuth]))
        .with_token_provider(|_| async { BearerToken::new("a.token").map(Some) })
}

/// Servers that try to have the login for less than the client agreed to.
fn weakened() -> Vec<Case> {
    let token = || sasl(b"OAUTHBEARER\0\0");
    let refusal = || Reply::new().authentication(11, b"{\"status\":\"invalid_token\"}");
    let after_token = |reply| greet(token()).expect("p").send(reply).read_to_end();
    let none = |reply: Reply| greet(reply).read_to_end();
    let clear = || Reply::new().authentication(3, b"");
    let md5 = || Reply::new().authentication(5, b"salt");
    let gss = || Reply::new().authentication(7, b"");
    let sspi = || Reply::new().authentication(9, b"");
    type Configure = fn(Config) -> Config;
    let cases: [(_, _, Configure); 23] = [
        ("w-scram-to-trust", none(Reply::logged_in()), scram_only),
        ("w-scram-to-clear", none(clear()), scram_only),
        ("w-scram-to-md5", none(md5()), scram_only),
        ("w-scram-to-gss", none(gss()), scram_only),
        ("w-scram-to-sspi", none(sspi()), scram_only),
        ("w-scram-to-token", none(token()), scram_only),
        ("w-scram-to-plain", none(sasl(b"PLAIN\0\0")), scram_only),
        ("w-scram-then-clear", in_place_of_the_first(clear()), scram_only),
        ("w-scram-then-md5", in_place_of_the_first(md5()), scram_only),
        ("w-scram-then-token", in_place_of_the_first(token()), scram_only),
        ("w-scram-then-ok", in_place_of_the_last(Reply::logged_in()), scram_only),
        ("w-proof-to-trust", none(Reply::logged_in()), proof_only),
        ("w-proof-to-clear", none(clear()), proof_only),
        ("w-md5-then-clear", greet(md5()).expect("p").send(clear()).read_to_end(), proof_only),
        ("w-token-to-trust", none(Reply::logged_in()), token_only),
        ("w-token-to-clear", none(clear()), token_only),
        ("w-token-to-md5", none(md5()), token_only),
        ("w-token-to-scram", none(sasl(ScramServer::MECHANISMS)), token_only),
        ("w-token-then-clear", after_token(clear()), token_only),
        ("w-token-then-final", after_token(Reply::new().authentication(12, b"{}")), token_only),
        ("w-token-garbage", after_token(Reply::new().authentication(11, b"\xff")), token_only),
        (
            "w-token-refused-and-passed",
            greet(token())
                .expect("p")
                .send(refusal())
                .expect("p")
                .send(Reply::logged_in())
                .read_to_end(),
            token_only,
        ),
        (
            "w-token-refused-twice",
            greet(token()).expect("p").send(refusal()).expect("p").send(refusal()).read_to_end(),
            token_only,
        ),
    ];
    let refused = cases.into_iter().map(|(id, script, configure)| {
        Case::new(id, script, connect, "Authentication").configured(configure)
    });
    let weak = Script::new()
        .scram(ScramServer::new(PASSWORD, 1), |first| first, |last| last)
        .send(Reply::logged_in())
        .serve();
    let many = [&b"X\0".repeat(65)[..], b"SCRAM-SHA-256\0\0"].concat();
    refused
        .chain([
            // How often a password is hashed is the server's to choose: it has stored it so.
            Case::new("w-one-iteration", weak, connect, "connected usable").configured(scram_only),
            Case::new(
                "w-scram",
                Script::new().scram_login(PASSWORD).serve(),
                connect,
                "connected usable",
            )
            .configured(scram_only),
            Case::new(
                "w-token",
                greet(token()).expect("p").send(Reply::logged_in()).serve(),
                connect,
                "connected usable",
            )
            .configured(token_only),
            Case::new("w-mechanisms-many", none(sasl(&many)), connect, "Protocol"),
            Case::new(
                "w-mechanisms-double",
                Script::new()
                    .expect("^")
                    .send(sasl(b"SCRAM-SHA-256\0X\0SCRAM-SHA-256\0\0"))
                    .scram_texts(scram(), |first| first, |last| last)
                    .send(Reply::logged_in())
                    .serve(),
                connect,
                "connected usable",
            ),
        ])
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "a-scram",
            Script::new().scram_login(PASSWORD).serve(),
            connect,
            "connected usable",
        ),
        Case::new(
            "a-scram-byte-by-byte",
            Script::new().chunks(1).scram_login(PASSWORD).serve(),
            connect,
            "connected usable",
        ),
        Case::new(
            "a-cleartext-allowed",
            Script::new().password_login(PASSWORD).serve(),
            connect,
            "connected usable",
        )
        .configured(|config| config.with_cleartext_password(true)),
        Case::new(
            "a-md5",
            greet(Reply::new().authentication(5, b"salt"))
                .expect("p")
                .check("an md5 hash", |requests| {
                    let hash = requests[0].string(0);
                    hash.len() == 35 && hash.starts_with("md5") && !hash.contains(PASSWORD)
                })
                .send(Reply::logged_in())
                .serve(),
            connect,
            "connected usable",
        ),
        Case::new(
            "a-no-password",
            greet(sasl(ScramServer::MECHANISMS)).read_to_end(),
            connect,
            "Authentication",
        )
        .configured(|config| {
            let tls = config.tls().clone();
            Config::new("127.0.0.1", "me").with_port(config.port()).with_tls(tls)
        }),
        Case::new(
            "a-silent-after-proof",
            in_place_of_the_last(Reply::new()).end(Ending::Silence),
            connect,
            "Timeout",
        )
        .configured(|config| config.with_connect_timeout(std::time::Duration::from_millis(500))),
    ];

    let requests = [
        ("a-cleartext", Reply::new().authentication(3, b""), "Authentication"),
        ("a-kerberos", Reply::new().authentication(2, b""), "Authentication"),
        ("a-crypt", Reply::new().authentication(4, b"sa"), "Authentication"),
        ("a-scm", Reply::new().authentication(6, b""), "Authentication"),
        ("a-gss", Reply::new().authentication(7, b""), "Authentication"),
        ("a-sspi", Reply::new().authentication(9, b""), "Authentication"),
        ("a-unknown", Reply::new().authentication(99, b"?"), "Authentication"),
        ("a-negative", Reply::new().authentication(-1, b""), "Authentication"),
        ("a-md5-salt-short", Reply::new().authentication(5, b"sal"), "Protocol"),
        ("a-md5-salt-long", Reply::new().authentication(5, b"salty"), "Protocol"),
        ("a-md5-salt-missing", Reply::new().authentication(5, b""), "Protocol"),
        ("a-cleartext-long", Reply::new().authentication(3, b"x"), "Protocol"),
        ("a-no-mechanism", sasl(b"\0"), "Protocol"),
        ("a-mechanisms-empty", sasl(b""), "Protocol"),
        ("a-mechanisms-without-end", sasl(b"SCRAM-SHA-256\0"), "Protocol"),
        ("a-mechanisms-with-more", sasl(b"SCRAM-SHA-256\0\0x"), "Protocol"),
        ("a-mechanisms-not-utf-8", sasl(b"\xff\0\0"), "Protocol"),
        ("a-mechanism-unknown", sasl(b"PLAIN\0\0"), "Authentication"),
        ("a-oauth-alone", sasl(b"OAUTHBEARER\0\0"), "Authentication"),
        ("a-plus-without-tls", sasl(b"SCRAM-SHA-256-PLUS\0\0"), "Authentication"),
        ("a-sha-1", sasl(b"SCRAM-SHA-1\0\0"), "Authentication"),
        ("a-continue-first", Reply::new().authentication(11, b"r=x,s=eA==,i=1"), "Authentication"),
        ("a-final-first", Reply::new().authentication(12, b"v=eA=="), "Authentication"),
        (
            "a-refused",
            Reply::new().error("FATAL", "28P01", "password authentication failed"),
            "Authentication 28P01",
        ),
        ("a-no-entry", Reply::new().error("FATAL", "28000", "no entry"), "Authentication 28000"),
    ];
    for (id, reply, want) in requests {
        cases.push(Case::new(id, greet(reply).read_to_end(), connect, want));
    }

    let firsts: [(_, Change); 24] = [
        ("a-iterations-0", |text| iterations("0")(text)),
        ("a-iterations-negative", |text| iterations("-1")(text)),
        ("a-iterations-signed", |text| iterations("+4096")(text)),
        ("a-iterations-huge", |text| iterations("4294967295")(text)),
        ("a-iterations-above-the-limit", |text| iterations("100000000")(text)),
        ("a-iterations-past-counting", |text| iterations("99999999999999999999")(text)),
        ("a-iterations-empty", |text| iterations("")(text)),
        ("a-iterations-hexadecimal", |text| iterations("0x1000")(text)),
        ("a-iterations-spaced", |text| iterations(" 4096")(text)),
        ("a-iterations-missing", |text| text.rsplit_once(",i=").unwrap().0.to_owned()),
        ("a-salt-empty", |text| text.replace(",s=YSBzY3JpcHRlZCBzYWx0", ",s=")),
        ("a-salt-not-base64", |text| text.replace(",s=YSBzY3JpcHRlZCBzYWx0", ",s=?!")),
        ("a-salt-missing", |text| text.replace(",s=YSBzY3JpcHRlZCBzYWx0", "")),
        ("a-nonce-not-extended", |text| text.replace("SCRIPTED", "")),
        ("a-nonce-other", |_| "r=other,s=YSBzY3JpcHRlZCBzYWx0,i=4096".to_owned()),
        ("a-nonce-reversed", |text| text.replacen("r=", "r=x", 1)),
        ("a-nonce-unprintable", |text| text.replace("SCRIPTED", "\u{1}")),
        ("a-nonce-missing", |_| "s=YSBzY3JpcHRlZCBzYWx0,i=4096".to_owned()),
        ("a-extension-mandatory", |text| format!("m=must,{text}")),
        ("a-extension-behind", |text| format!("{text},x=1")),
        ("a-first-in-another-order", |text| {
            let mut parts: Vec<&str> = text.split(',').collect();
            parts.reverse();
            parts.join(",")
        }),
        ("a-first-empty", |_| String::new()),
        ("a-first-an-error", |_| "e=other-error".to_owned()),
        ("a-first-long", |text| text.replace("SCRIPTED", &"x".repeat(40_000))),
    ];
    for (id, change) in firsts {
        let want = if id == "a-first-long" { "Protocol" } else { "Authentication" };
        cases.push(Case::new(id, first_text(change), connect, want));
    }

    let lasts: [(_, Change); 8] = [
        ("a-signature-wrong", |_| format!("v={}=", "A".repeat(43))),
        ("a-signature-empty", |_| "v=".to_owned()),
        ("a-signature-short", |_| "v=AAAA".to_owned()),
        ("a-signature-not-base64", |_| "v=?".to_owned()),
        ("a-signature-with-more", |text| format!("{text},x=1")),
        ("a-last-empty", |_| String::new()),
        ("a-last-an-error", |_| "e=other-error".to_owned()),
        ("a-last-a-first", |_| "r=x,s=eA==,i=1".to_owned()),
    ];
    for (id, change) in lasts {
        cases.push(Case::new(id, last_text(change), connect, "Authentication"));
    }

    let exchanges = [
        ("a-ok-without-challenge", in_place_of_the_first(Reply::logged_in())),
        ("a-ok-without-proof", in_place_of_the_last(Reply::logged_in())),
        (
            "a-proof-without-challenge",
            in_place_of_the_first(Reply::new().authentication(12, b"v=eA==")),
        ),
        ("a-sasl-twice", in_place_of_the_first(sasl(ScramServer::MECHANISMS))),
        ("a-cleartext-after-sasl", in_place_of_the_first(Reply::new().authentication(3, b""))),
        ("a-md5-after-proof", in_place_of_the_last(Reply::new().authentication(5, b"salt"))),
        (
            "a-challenge-twice",
            in_place_of_the_last(Reply::new().authentication(11, b"r=x,s=eA==,i=1")),
        ),
        (
            "a-proof-twice",
            Script::new()
                .scram(scram(), |first| first, |last| last)
                .send(Reply::new().authentication(12, b"v=eA==").then(Reply::logged_in()))
                .read_to_end(),
        ),
        (
            "a-cleartext-after-scram",
            Script::new()
                .scram(scram(), |first| first, |last| last)
                .send(Reply::new().authentication(3, b""))
                .read_to_end(),
        ),
        (
            "a-md5-twice",
            greet(Reply::new().authentication(5, b"salt"))
                .expect("p")
                .send(Reply::new().authentication(5, b"salt"))
                .read_to_end(),
        ),
        (
            "a-challenge-not-utf-8",
            in_place_of_the_first(Reply::new().authentication(11, b"r=\xff,s=eA==,i=1")),
        ),
    ];
    for (id, script) in exchanges {
        cases.push(Case::new(id, script, connect, "Authentication"));
    }
    for (id, reply, want) in [
        ("a-ready-without-ok", Reply::new().ready('I'), "Protocol"),
        ("a-session-without-ok", Reply::session(), "Protocol"),
        (
            "a-refused-after-challenge",
            Reply::new().error("FATAL", "28P01", "no"),
            "Authentication 28P01",
        ),
    ] {
        cases.push(Case::new(id, in_place_of_the_first(reply), connect, want));
    }
    cases.extend(weakened());
    cases
}

#[test]
fn authentication() {
    run("authentication", cases());
}
