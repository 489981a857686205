//! What a login leaves behind in memory. A process of its own: whatever else runs beside it would have to be searched too.
//!
//! The password is put together while the program runs, and the server is told it backwards, so that nothing of the test
//! holds it but the one value that is overwritten when it is dropped.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use stellata_client::{BearerToken, Config, Connection, ErrorKind};
use stellata_protocol::auth::NONCE_LEN;
use stellata_protocol::{Conversation, Event, Login};
use stellata_testkit::{Server, ServerOptions, run};
use zeroize::Zeroizing;

/// The password, from its end to its beginning.
const BACKWARDS: &str = "9q-drowssap-lenitnes-a-ton-si-siht-4z";

/// Another password, from its end to its beginning.
const KEYS_BACKWARDS: &str = "5w-syek-rof-lenitnes-a-ton-si-siht-8v";

/// An OAuth token, from its end to its beginning.
const TOKEN_BACKWARDS: &str = "7k.nekot.lenitnes.a.ton.si.siht.3y";

const MASK: u8 = 0x5a;

/// Held by each test: all search the memory of the whole process, where another one's password may stand just then.
static ALONE: Mutex<()> = Mutex::new(());

fn password() -> Zeroizing<String> {
    forwards(BACKWARDS)
}

fn forwards(backwards: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(backwards.len()));
    backwards.chars().rev().for_each(|character| text.push(character));
    text
}

fn copies() -> usize {
    copies_of(BACKWARDS)
}

fn copies_of(backwards: &str) -> usize {
    // Never in clear: this would be a copy itself.
    let masked: Vec<u8> = backwards.bytes().rev().map(|byte| byte ^ MASK).collect();
    copies_of_masked(&masked)
}

/// How often bytes, given under the mask, stand in the memory of this process that can be written to.
fn copies_of_masked(masked: &[u8]) -> usize {
    let first = masked[0] ^ MASK;
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = 0;
    let mut page = vec![0; 1 << 20];
    for line in maps.lines().filter(|line| line.contains(" rw") && !line.contains("[v")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (mut at, end) =
            (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        while at < end {
            let wanted = usize::try_from(end - at).unwrap().min(page.len());
            let Ok(read) = memory.read_at(&mut page[..wanted], at) else { break };
            let bytes = &page[..read];
            // By what the library has for it: a plain loop would take seconds where nothing is optimised.
            let mut rest = bytes;
            while rest.skip_until(first).unwrap() > 0 {
                let start = bytes.len() - rest.len() - 1;
                let place = bytes[start..].iter().zip(masked);
                let is_whole = place.len() == masked.len();
                found += usize::from(is_whole && place.into_iter().all(|(a, b)| a ^ b == MASK));
            }
            if read < wanted || read <= masked.len() {
                break;
            }
            // What lies across the border of two pieces is in the next one.
            at += if at + read as u64 == end { read } else { read - masked.len() + 1 } as u64;
        }
    }
    page.fill(0);
    found
}

#[test]
fn no_login_leaves_its_password_in_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let users = [("m_scram", "scram-sha-256"), ("m_md5", "md5"), ("m_clear", "password")];
    let options = users.iter().fold(ServerOptions::new(), |options, (user, method)| {
        options.login_rule(&format!("host all {user} 127.0.0.1/32 {method}"))
    });
    let server = Server::start(options).unwrap();
    run(async {
        let config = Config::parse(&server.url("postgres")).unwrap();
        let mut superuser = Connection::connect(&config).await.unwrap();
        for (user, method) in users {
            let encryption = if method == "md5" { "md5" } else { "scram-sha-256" };
            // Newer servers warn of md5, and say in the warning what text they were executing.
            let sql = format!(
                "set client_min_messages = error; create role {user} login; set password_encryption = '{encryption}'; do $do$ begin \
                 execute format('alter role {user} password %L', reverse('{BACKWARDS}')); end $do$"
            );
            superuser.simple(&sql).await.unwrap();
        }
    });
    assert_eq!(copies(), 0, "the search finds what is not there");
    let secret = password();
    assert!(copies() > 0, "the search does not find what is there");
    drop(secret);
    assert_eq!(copies(), 0, "what is overwritten is still there");

    // One after the other, so that a failure tells which.
    for (user, _) in users {
        run(async {
            let config = Config::new("127.0.0.1", user)
                .with_port(server.port())
                .with_database("postgres")
                .with_password(&password())
                .with_cleartext_password(true);
            let connection = Connection::connect(&config).await.unwrap();
            drop(config);
            assert_eq!(copies(), 0, "{user}, logged in");
            drop(connection);
        });
        assert_eq!(copies(), 0, "{user}, and gone");

        run(async {
            let config = Config::new("127.0.0.1", user)
                .with_port(server.port())
                .with_database("nowhere_to_be_found")
                .with_password(&password())
                .with_cleartext_password(true);
            let error = Connection::connect(&config).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server);
            drop(config);
            assert_eq!(copies(), 0, "{user}, refused: {error:?}");
        });

        // A future that is dropped at its first wait, its second, and so on.
        run(async {
            for waits in 0..8 {
                let config = Config::new("127.0.0.1", user)
                    .with_port(server.port())
                    .with_database("postgres")
                    .with_password(&password())
                    .with_cleartext_password(true);
                let mut login = Box::pin(Connection::connect(&config));
                for _ in 0..waits {
                    let done = std::future::poll_fn(|cx| {
                        std::task::Poll::Ready(login.as_mut().poll(cx).is_ready())
                    });
                    if done.await {
                        break;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                drop(login);
                drop(config);
            }
        });
        // A derivation that was begun goes on to its end.
        for _ in 0..100 {
            if copies() == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(copies(), 0, "{user}, dropped on the way");
    }
}

/// The conversation alone, since a server here would have to know the token.
#[test]
fn no_login_leaves_its_token_in_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let begin = || {
        let login = Login::new("me", [7; NONCE_LEN]).allow_cleartext(true).has_token(true);
        let mut conversation = Conversation::start(login).unwrap();
        conversation.wrote(conversation.output().len());
        conversation.receive(b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0");
        assert_eq!(conversation.advance().unwrap().unwrap().event, Event::BearerToken);
        let mut text = forwards(TOKEN_BACKWARDS);
        let token = BearerToken::new(std::mem::take(&mut *text)).unwrap();
        conversation.provide_token(Some(&token)).unwrap();
        conversation
    };
    assert_eq!(copies_of(TOKEN_BACKWARDS), 0);
    let unsent = begin();
    assert!(copies_of(TOKEN_BACKWARDS) > 0, "it waits to be written");
    drop(unsent);
    assert_eq!(copies_of(TOKEN_BACKWARDS), 0, "never sent");

    let mut logged_in = begin();
    logged_in.wrote(logged_in.output().len());
    logged_in.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    assert_eq!(logged_in.advance().unwrap().unwrap().event, Event::ReadyForQuery);
    assert_eq!(copies_of(TOKEN_BACKWARDS), 0, "logged in");

    assert!(BearerToken::new(std::mem::take(&mut *forwards(TOKEN_BACKWARDS)) + " ").is_err());
    assert_eq!(copies_of(TOKEN_BACKWARDS), 0, "a token that is none");
}

/// HMAC as RFC 2104 defines it, in the server's language, so that no key of SCRAM is ever computed here but by the login.
const KEYS_IN_SQL: &str = "
    create function mac(key bytea, said bytea) returns bytea language plpgsql as $f$
    declare
        i bytea := decode(repeat('36', 64), 'hex');
        o bytea := decode(repeat('5c', 64), 'hex');
    begin
        for n in 0 .. length(key) - 1 loop
            i := set_byte(i, n, get_byte(i, n) # get_byte(key, n));
            o := set_byte(o, n, get_byte(o, n) # get_byte(key, n));
        end loop;
        return sha256(o || sha256(i || said));
    end $f$;
    create function masked(key bytea) returns bytea language plpgsql as $f$
    begin
        for n in 0 .. length(key) - 1 loop
            key := set_byte(key, n, get_byte(key, n) # 90);
        end loop;
        return key;
    end $f$;
    create role m_keys login";

#[test]
fn no_login_leaves_the_keys_of_scram_in_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let options = ServerOptions::new().login_rule("host all m_keys 127.0.0.1/32 scram-sha-256");
    let server = Server::start(options).unwrap();
    run(async {
        let config = Config::parse(&server.url("postgres")).unwrap();
        let mut superuser = Connection::connect(&config).await.unwrap();
        superuser.simple(KEYS_IN_SQL).await.unwrap();
        // One iteration, so that the salted password is one code.
        let sql = format!(
            "do $do$ declare
                salted bytea := mac(convert_to(reverse('{KEYS_BACKWARDS}'), 'UTF8'), 'salt'::bytea || '\\x00000001');
            begin
                create table keys as select masked(salted) as salted, masked(mac(salted, 'Client Key')) as client;
                execute format('alter role m_keys password %L', 'SCRAM-SHA-256$1:' || encode('salt', 'base64') || '$'
                    || encode(sha256(mac(salted, 'Client Key')), 'base64') || ':'
                    || encode(mac(salted, 'Server Key'), 'base64'));
            end $do$"
        );
        superuser.simple(&sql).await.unwrap();
        let (salted, client): (Vec<u8>, Vec<u8>) =
            superuser.query_one("select salted, client from keys", ()).await.unwrap();
        assert_eq!((salted.len(), client.len()), (32, 32));

        let config = Config::new("127.0.0.1", "m_keys")
            .with_port(server.port())
            .with_database("postgres")
            .with_password(&forwards(KEYS_BACKWARDS));
        let connection = Connection::connect(&config).await.unwrap();
        drop(config);
        assert_eq!(copies_of(KEYS_BACKWARDS), 0, "the password");
        assert_eq!(copies_of_masked(&salted), 0, "the salted password");
        assert_eq!(copies_of_masked(&client), 0, "the client's key");
        drop(connection);
    });
}
