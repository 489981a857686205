//! Passwords of all kinds, stored by a real server and logged in with: SCRAM with SASLprep as PostgreSQL has it, MD5, and
//! as they are.

use std::io::{Read, Write};
use std::net::TcpStream;

use stellata_client::{Config, Connection, SqlState};
use stellata_protocol::{Conversation, Event, Login};
use stellata_testkit::{Server, ServerOptions};

const SCRAM: &str = "p_scram";
const MD5: &str = "p_md5";
const CLEAR: &str = "p_clear";

/// A server where each role has to prove its password in its own way.
fn server() -> Server {
    let options = [(SCRAM, "scram-sha-256"), (MD5, "md5"), (CLEAR, "password")].into_iter().fold(
        ServerOptions::new(),
        |options, (user, method)| {
            options.login_rule(&format!("host all {user} 127.0.0.1/32 {method}"))
        },
    );
    Server::start(options).unwrap()
}

/// The superuser's session, with the roles made.
async fn superuser(server: &Server, database: &str) -> Connection {
    Connection::connect(&Config::parse(&server.url(database)).unwrap()).await.unwrap()
}

async fn make_roles(superuser: &mut Connection) {
    let roles =
        format!("create role {SCRAM} login; create role {MD5} login; create role {CLEAR} login");
    superuser.simple(&roles).await.unwrap();
    // Few iterations make many logins quick; servers before 16 have no such setting.
    let (version,): (i32,) = superuser
        .query_one("select current_setting('server_version_num')::int4", ())
        .await
        .unwrap();
    if version >= 160_000 {
        superuser.simple("set scram_iterations = 64").await.unwrap();
    }
}

/// Sets the password of all roles, as the bytes that they are in the encoding of the session's database.
async fn set(superuser: &mut Connection, password: &[u8]) {
    let hex: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("convert_from(decode('{hex}', 'hex'), getdatabaseencoding())");
    let alter = |user: &str| format!("execute format('alter role {user} password %L', {text});");
    // Newer servers warn of md5, and say in the warning what text they were executing.
    let sql = format!(
        "do $do$ begin set local client_min_messages = error; set local password_encryption = 'scram-sha-256'; {} {} \
         set local password_encryption = 'md5'; {} end $do$",
        alter(SCRAM),
        alter(CLEAR),
        alter(MD5)
    );
    superuser.simple(&sql).await.unwrap();
}

/// Logs in, or tells the server's refusal.
async fn log_in(server: &Server, user: &str, password: &str) -> Result<(), SqlState> {
    let config = Config::new("127.0.0.1", user)
        .with_port(server.port())
        .with_database("postgres")
        .with_password(password)
        .with_cleartext_password(true);
    let error = match Connection::connect(&config).await {
        Ok(connection) => {
            connection.close().await;
            return Ok(());
        }
        Err(error) => error,
    };
    let shown = format!("{error:?}");
    assert!(password.is_ascii() || !shown.contains(password), "{shown}");
    Err(error.sqlstate().unwrap_or_else(|| panic!("{password:?} of {user}: {error:?}")))
}

/// A password, what else is the same password to SCRAM, and what is not though it looks so.
type Kind = (String, &'static [&'static str], &'static [&'static str]);

fn kinds() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    let mut add =
        |password: &str, same: &'static [&'static str], other: &'static [&'static str]| {
            kinds.push((password.to_owned(), same, other));
        };
    // The examples of RFC 4013, section 3.
    add("I\u{ad}X", &["IX"], &["I X", "ix"]);
    add("user", &["u\u{ad}ser"], &["USER"]);
    add("USER", &["\u{ff35}SER"], &["user"]);
    add("\u{aa}", &["a"], &["A"]);
    add("\u{2168}", &["IX", "I\u{ad}X"], &["ix"]);
    add("\u{7}", &[], &["\u{8}"]);
    add("\u{627}1", &[], &["\u{627}"]);
    // Spaces of all kinds are one kind; characters that do not show are none.
    add("a\u{a0}b\u{3000}c\u{2003}", &["a b c "], &["a b c", "abc"]);
    add("\u{200b}", &[" "], &["  "]);
    add("\u{1680}x", &[" x"], &["x"]);
    add("a\u{200d}\u{feff}\u{fe0f}\u{2060}b\u{e9}", &["ab\u{e9}", "abe\u{301}"], &["abe"]);
    add(" leading and trailing ", &[], &["leading and trailing"]);
    // Normalised: compositions, ligatures, circled and wide characters, Hangul, a character of eighteen.
    add("e\u{301}", &["\u{e9}"], &["e"]);
    add("e\u{ad}\u{301}", &["\u{e9}"], &["e\u{301}x"]);
    add("\u{fb01}\u{2460}\u{ff21}\u{210c}", &["fi1AH"], &["fi1ah"]);
    add("\u{1112}\u{1161}\u{11ab}", &["\u{d55c}"], &["\u{1112}\u{1161}"]);
    add("\u{fdfa}", &[], &["\u{fdfb}"]);
    add("q\u{307}\u{323}", &["q\u{323}\u{307}"], &["q\u{307}"]);
    add("\u{212b}ngstr\u{f6}m", &["\u{c5}ngstro\u{308}m"], &["Angstrom"]);
    // Prohibited: the bytes are taken as they are.
    for prohibited in [
        "\u{e9}\u{7f}",
        "\u{e9}\u{80}",
        "\u{a0}\u{6dd}",
        "\u{a0}\u{e000}",
        "\u{a0}\u{10fffd}",
        "\u{a0}\u{fdd0}",
        "\u{a0}\u{10ffff}",
        "\u{a0}\u{fffd}",
        "\u{a0}\u{2ff0}",
        "\u{a0}\u{202e}",
        "\u{a0}\u{e0041}",
        "\u{a0}\n",
    ] {
        add(prohibited, &[], &[" "]);
    }
    // Unassigned in Unicode 3.2.
    for unassigned in
        ["\u{221}", "p\u{e4}ss\u{1f600}", "\u{20ac}\u{1e9e}", "\u{1f130}", "\u{a0}\u{1f130}"]
    {
        add(unassigned, &[], &["A"]);
    }
    // Directions.
    add("\u{627}1\u{628}", &["\u{627}\u{ad}1\u{628}"], &["\u{627}1"]);
    add("\u{5d0}\u{a0}\u{5d1}", &["\u{5d0} \u{5d1}"], &["\u{5d0}\u{5d1}"]);
    add("\u{5d0}a\u{5d1}\u{a0}", &[], &["\u{5d0}a\u{5d1} "]);
    add("1\u{5d0}\u{a0}", &[], &["1\u{5d0} "]);
    add("\u{5d0}\u{2800}\u{5d1}", &[], &["\u{5d0}\u{5d1}"]);
    add("\u{5d0}\u{1885}\u{5d1}", &[], &["\u{5d0}\u{5d1}"]);
    add("a\u{2135}", &["a\u{5d0}"], &["a"]);
    // Nothing would be left.
    add("\u{ad}\u{200d}", &[], &["\u{ad}"]);
    // What a connection string, SQL, SCRAM and a shell take for their own.
    for plain in [
        "n=,r=,p=",
        "a,b=c",
        "'; drop role p_md5; --",
        "\\",
        "\"",
        "%00%",
        "$do$",
        "{}",
        "\t",
        "\r\n",
        "a b",
        "=",
        "==",
        "\u{1}\u{2}\u{1f}",
        "\u{7f}",
    ] {
        add(plain, &[], &["wrong"]);
    }
    // Long ones: 1 200 code points of four bytes, and of three that each become eighteen characters.
    add(&"\u{1d11e}".repeat(1200), &[], &["\u{1d11e}"]);
    add(&"\u{fdfa}".repeat(1001), &[], &["\u{fdfa}"]);
    add(&"x".repeat(5000), &[], &["x"]);
    kinds
}

/// Passwords of characters that SASLprep treats in different ways, in any mixture.
fn mixed(count: usize) -> impl Iterator<Item = String> {
    const CHARACTERS: [char; 32] = [
        'a',
        'Z',
        '0',
        ' ',
        ',',
        '=',
        '\'',
        '\\',
        '\u{a0}',
        '\u{ad}',
        '\u{e9}',
        '\u{301}',
        '\u{300}',
        '\u{200b}',
        '\u{200c}',
        '\u{2003}',
        '\u{feff}',
        '\u{fb01}',
        '\u{2460}',
        '\u{1100}',
        '\u{1161}',
        '\u{5d0}',
        '\u{627}',
        '\u{661}',
        '\u{2135}',
        '\u{1d54f}',
        '\u{4e00}',
        '\u{f900}',
        '\u{ffa1}',
        '\u{340}',
        '\u{1f130}',
        '\u{7f}',
    ];
    let mut state = 0x5742_1a09_u64;
    let mut next = move |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    (0..count).map(move |_| (0..=next(6)).map(|_| CHARACTERS[next(CHARACTERS.len())]).collect())
}

#[test]
fn passwords_of_all_kinds_log_in_by_every_method_and_wrong_ones_do_not() {
    let server = server();
    stellata_testkit::run(async {
        let mut superuser = superuser(&server, "postgres").await;
        make_roles(&mut superuser).await;
        let mut logins = 0;
        for (password, same, other) in kinds() {
            set(&mut superuser, password.as_bytes()).await;
            for user in [SCRAM, MD5, CLEAR] {
                assert_eq!(
                    log_in(&server, user, &password).await,
                    Ok(()),
                    "{password:?} of {user}"
                );
                logins += 1;
            }
            for same in same {
                // To a hash of bytes it is another password; SCRAM, and the server that is shown it, prepare it.
                for (user, wanted) in
                    [(SCRAM, Ok(())), (CLEAR, Ok(())), (MD5, Err(SqlState::INVALID_PASSWORD))]
                {
                    let came = log_in(&server, user, same).await;
                    assert_eq!(came, wanted, "{same:?} for {password:?} of {user}");
                    logins += 1;
                }
            }
            for other in other {
                for user in [SCRAM, MD5, CLEAR] {
                    let came = log_in(&server, user, other).await;
                    assert_eq!(
                        came,
                        Err(SqlState::INVALID_PASSWORD),
                        "{other:?} for {password:?} of {user}"
                    );
                    logins += 1;
                }
            }
        }
        assert!(logins >= 300, "{logins}");
    });
}

#[test]
fn mixtures_of_what_saslprep_treats_log_in() {
    let server = server();
    stellata_testkit::run(async {
        let mut superuser = superuser(&server, "postgres").await;
        make_roles(&mut superuser).await;
        for password in mixed(60) {
            set(&mut superuser, password.as_bytes()).await;
            let wrong = format!("{password}x");
            for user in [SCRAM, MD5, CLEAR] {
                assert_eq!(
                    log_in(&server, user, &password).await,
                    Ok(()),
                    "{password:?} of {user}"
                );
                let came = log_in(&server, user, &wrong).await;
                assert_eq!(came, Err(SqlState::INVALID_PASSWORD), "{wrong:?} of {user}");
            }
        }
    });
}

/// Logs in with a password of any bytes, without a runtime.
fn log_in_with_bytes(server: &Server, user: &str, password: &[u8]) -> Result<(), SqlState> {
    let mut socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let login = Login::new(user, [9; 18])
        .parameter("database", "postgres")
        .password(password)
        .allow_cleartext(true);
    let mut conversation = Conversation::start(login).unwrap();
    loop {
        match conversation.advance().unwrap().map(|answer| answer.event) {
            Some(Event::ReadyForQuery) => return Ok(()),
            Some(Event::Error) => return Err(conversation.server_error().unwrap().sqlstate),
            Some(Event::KeyDerivation) => {
                let keys = conversation.key_derivation().unwrap().run();
                conversation.provide_keys(keys).unwrap();
            }
            Some(event) => panic!("{event:?}"),
            None => {
                socket.write_all(conversation.output()).unwrap();
                conversation.wrote(conversation.output().len());
                let count = socket.read(conversation.space()).unwrap();
                assert!(count > 0, "the server closed the connection");
                conversation.received(count);
            }
        }
    }
}

#[test]
fn passwords_that_are_not_utf_8_are_taken_as_they_are() {
    let server = server();
    stellata_testkit::run(async {
        let mut first = superuser(&server, "postgres").await;
        make_roles(&mut first).await;
        // Only a database without an encoding takes such text.
        let sql = "create database p_bytes encoding 'SQL_ASCII' template template0 locale 'C'";
        first.simple(sql).await.unwrap();
        let mut superuser = superuser(&server, "p_bytes").await;
        for password in [
            &b"\xff"[..],
            b"caf\xe9",
            b"\xc3",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc2\xa0\x80",
            b"I\xc2\xadX\xff",
            &[0x80; 1500],
        ] {
            set(&mut superuser, password).await;
            for user in [SCRAM, MD5, CLEAR] {
                let shown = password.escape_ascii();
                assert_eq!(log_in_with_bytes(&server, user, password), Ok(()), "{shown} of {user}");
                let wrong = [password, b" "].concat();
                assert_eq!(
                    log_in_with_bytes(&server, user, &wrong),
                    Err(SqlState::INVALID_PASSWORD),
                    "{shown} of {user}"
                );
            }
        }
    });
}
