//! The exchange against the standard's example, against a small server that is written from the standard alone, and
//! against servers that lie.

use super::*;
use crate::auth::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;

const PASSWORD: &[u8] = b"pencil";
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
// The example of RFC 7677, section 3, but for the user name, which PostgreSQL leaves empty.
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

fn started() -> Scram {
    let mut scram = Scram::with_nonce(PASSWORD, NONCE.to_owned(), ChannelBinding::None);
    assert_eq!(scram.client_first().unwrap(), b"n,,n=,r=rOprNGfwEbeRWgbNEkqO");
    scram
}

/// Right up to the proof, which a server with this password answered by `v=` and the signature that is returned.
fn proven() -> (Scram, String) {
    let mut scram = started();
    let message = SERVER_FIRST.replace("4096", "1");
    let keys = scram.handle_server_first(message.as_bytes()).unwrap().run();
    scram.client_final(keys).unwrap();
    let Step::ServerFinal { signature } = &scram.step else { panic!("{scram:?}") };
    let signature = BASE64.encode(signature);
    (scram, signature)
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// A server as RFC 5802, section 3, writes it. It knows the password in the form that is hashed.
struct Server {
    password: Vec<u8>,
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
    /// The `cbind-input` that it expects.
    binding: Vec<u8>,
}

impl Server {
    fn first(&self, client_first: &[u8]) -> String {
        let text = std::str::from_utf8(client_first).unwrap();
        let (_, theirs) = text.split_once(",,n=,r=").unwrap();
        format!("r={theirs}{},s={},i={}", self.nonce, BASE64.encode(&self.salt), self.iterations)
    }

    /// `Err` with `server-error-value` when the client is not believed.
    fn last(&self, first: &[u8], answer: &str, last: &[u8]) -> Result<String, &'static str> {
        let first = std::str::from_utf8(first).unwrap();
        let last = std::str::from_utf8(last).unwrap();
        let header_end = first.find(",n=").unwrap() + 1;
        if !self.binding.starts_with(&first.as_bytes()[..header_end]) {
            return Err("server-does-support-channel-binding");
        }
        let (without_proof, proof) = last.split_once(",p=").unwrap();
        let (binding, nonce) = without_proof.split_once(",r=").unwrap();
        if BASE64.decode(binding.strip_prefix("c=").unwrap()).unwrap() != self.binding {
            return Err("channel-bindings-dont-match");
        }
        assert!(answer.starts_with(&format!("r={nonce},")), "the nonce of both");

        let mut u = hmac(&self.password, &[&self.salt[..], &[0, 0, 0, 1]].concat());
        let mut salted = u.clone();
        for _ in 1..self.iterations {
            u = hmac(&self.password, &u);
            salted.iter_mut().zip(&u).for_each(|(byte, other)| *byte ^= other);
        }
        let stored_key = Sha256::digest(hmac(&salted, b"Client Key"));
        let said = format!("{},{answer},{without_proof}", &first[header_end..]);
        let mut client_key = BASE64.decode(proof).unwrap();
        let signature = hmac(&stored_key, said.as_bytes());
        client_key.iter_mut().zip(signature).for_each(|(byte, other)| *byte ^= other);
        if Sha256::digest(&client_key) != stored_key {
            return Err("invalid-proof");
        }
        let signature = hmac(&hmac(&salted, b"Server Key"), said.as_bytes());
        Ok(format!("v={}", BASE64.encode(signature)))
    }
}

/// A whole login.
fn log_in(scram: &mut Scram, server: &Server) -> Result<()> {
    let first = scram.client_first()?;
    let answer = server.first(&first);
    let keys = scram.handle_server_first(answer.as_bytes())?.run();
    let last = scram.client_final(keys)?;
    let reply = server.last(&first, &answer, &last).unwrap_or_else(|error| format!("e={error}"));
    scram.handle_server_final(reply.as_bytes())
}

fn server_for(password: &[u8], binding: &[u8]) -> Server {
    Server {
        password: password.to_vec(),
        nonce: "server".to_owned(),
        salt: b"salt".to_vec(),
        iterations: 2,
        binding: binding.to_vec(),
    }
}

/// The messages of RFC 7677, section 3. That example names a user, which changes only what is signed, so the steps are
/// taken one by one from the state that such a client would have.
#[test]
fn example_of_rfc_7677() {
    let mut scram = started();
    let derivation = scram.handle_server_first(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(derivation.iterations(), 4096);
    let Step::ClientFinal { messages, .. } = &mut scram.step else { panic!("{scram:?}") };
    assert_eq!(*messages, format!("n=,r={NONCE},{SERVER_FIRST}"));
    *messages = messages.replacen("n=,", "n=user,", 1);
    assert_eq!(
        String::from_utf8(scram.client_final(derivation.run()).unwrap()).unwrap(),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert!(!scram.is_verified());
    scram.handle_server_final(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
    assert!(scram.is_verified());
}

#[test]
fn the_nonce_is_the_base64_of_the_random_bytes() {
    let random: [u8; NONCE_LEN] = std::array::from_fn(|i| u8::try_from(i).unwrap() * 15);
    let mut scram = Scram::new(PASSWORD, random, ChannelBinding::NotOffered);
    let expected = format!("y,,n=,r={}", BASE64.encode(random));
    assert_eq!(scram.client_first().unwrap(), expected.as_bytes());
}

#[test]
fn each_binding_names_its_mechanism_and_is_signed() {
    let hash: Vec<u8> = (0..48).collect();
    let tied = [b"p=tls-server-end-point,,", &hash[..]].concat();
    let cases = [
        (ChannelBinding::None, SCRAM_SHA_256, &b"n,,"[..]),
        (ChannelBinding::NotOffered, SCRAM_SHA_256, b"y,,"),
        (ChannelBinding::TlsServerEndPoint(hash.clone()), SCRAM_SHA_256_PLUS, &tied),
    ];
    for (binding, mechanism, input) in cases {
        let mut scram = Scram::new(PASSWORD, [1; NONCE_LEN], binding);
        assert_eq!(scram.mechanism(), mechanism);
        assert!(scram.client_first().unwrap().starts_with(&input[..3]));
        let mut scram = Scram::new(PASSWORD, [1; NONCE_LEN], scram.binding);
        assert_eq!(log_in(&mut scram, &server_for(PASSWORD, input)), Ok(()));
        assert!(scram.is_verified());
    }
    // Another certificate than the server's: somebody stands between.
    let other = ChannelBinding::TlsServerEndPoint(vec![0; 48]);
    let mut scram = Scram::new(PASSWORD, [1; NONCE_LEN], other);
    let error = log_in(&mut scram, &server_for(PASSWORD, &tied)).unwrap_err();
    assert!(error.message().contains("certificate"), "{error}");
    // The list of mechanisms was cut on its way.
    let mut scram = Scram::new(PASSWORD, [1; NONCE_LEN], ChannelBinding::NotOffered);
    let error = log_in(&mut scram, &server_for(PASSWORD, &tied)).unwrap_err();
    assert!(error.message().contains("told otherwise"), "{error}");
}

#[test]
fn a_wrong_password_is_refused_and_said_so() {
    let mut scram = Scram::new(b"pencil ", [1; NONCE_LEN], ChannelBinding::None);
    let error = log_in(&mut scram, &server_for(PASSWORD, b"n,,")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("the password is wrong"), "{error}");
    assert!(!scram.is_verified());
}

#[test]
fn the_password_is_prepared() {
    for (given, hashed) in [
        ("I\u{ad}X", "IX"),
        ("\u{2168}", "IX"),
        ("p\u{a0}q", "p q"),
        ("\u{627}1", "\u{627}1"),
        ("\u{1f600}", "\u{1f600}"),
    ] {
        let mut scram = Scram::new(given.as_bytes(), [1; NONCE_LEN], ChannelBinding::None);
        assert_eq!(log_in(&mut scram, &server_for(hashed.as_bytes(), b"n,,")), Ok(()), "{given:?}");
    }
    let mut scram = Scram::new(b"\xe4", [1; NONCE_LEN], ChannelBinding::None);
    assert_eq!(log_in(&mut scram, &server_for(b"\xe4", b"n,,")), Ok(()));
}

#[test]
fn fewer_iterations_than_4096_are_accepted() {
    for iterations in ["1", "2", "4095"] {
        let message = SERVER_FIRST.replace("4096", iterations);
        let derivation = started().handle_server_first(message.as_bytes()).unwrap();
        assert_eq!(derivation.iterations().to_string(), iterations);
    }
}

#[test]
fn the_limit_of_iterations_is_a_setting() {
    for (limit, asked, allowed) in [
        (DEFAULT_MAX_ITERATIONS, "1000000", true),
        (DEFAULT_MAX_ITERATIONS, "1000001", false),
        (4096, "4096", true),
        (4096, "4097", false),
        (0, "1", false),
        (u32::MAX, "4294967295", true),
        (u32::MAX, "4294967296", false),
    ] {
        let mut scram = started().with_max_iterations(limit);
        let message = SERVER_FIRST.replace("4096", asked);
        let result = scram.handle_server_first(message.as_bytes());
        assert_eq!(result.is_ok(), allowed, "{asked} of {limit}");
        if let Err(error) = result {
            assert!(error.message().contains("more SCRAM iterations than are allowed"), "{error}");
        }
    }
}

/// What a hostile server may say first, and a part of the message that each must be refused with.
#[test]
fn hostile_first_messages() {
    const OURS: &str = "r=rOprNGfwEbeRWgbNEkqO";
    const NO_NONCE: &str = "lacks the nonce";
    const NONCE: &str = "nonce does not extend";
    const NO_SALT: &str = "lacks the salt";
    const SALT: &str = "salt is empty or not in base64";
    const NO_COUNT: &str = "lacks the number of iterations";
    const COUNT: &str = "not a positive number";
    const LIMIT: &str = "more SCRAM iterations than are allowed";
    const EXTENSION: &str = "extension that is not known";
    const END: &str = "goes on after its end";
    #[rustfmt::skip]
    let cases: [(&str, String, &str); 58] = [
        ("nothing", String::new(), NO_NONCE),
        ("a comma", ",".into(), NO_NONCE),
        ("no attribute", "hello".into(), NO_NONCE),
        ("no value", "r".into(), NO_NONCE),
        ("an empty nonce", "r=,s=c2FsdA==,i=4096".into(), NONCE),
        ("our nonce alone", format!("{OURS},s=c2FsdA==,i=4096"), NONCE),
        ("another nonce", "r=rOprNGfwEbeRWgbNEkqPserver,s=c2FsdA==,i=4096".into(), NONCE),
        ("our nonce cut short", "r=rOprNGfwEbeRWgbNEk,s=c2FsdA==,i=4096".into(), NONCE),
        ("our nonce at the end", "r=serverrOprNGfwEbeRWgbNEkqO,s=c2FsdA==,i=4096".into(), NONCE),
        ("our nonce in other case", "r=ROPRNGFWEBERWGBNEKQOserver,s=c2FsdA==,i=4096".into(), NONCE),
        ("a space in the nonce", format!("{OURS}ser ver,s=c2FsdA==,i=4096"), NONCE),
        ("a NUL in the nonce", format!("{OURS}ser\0ver,s=c2FsdA==,i=4096"), NONCE),
        ("a line end in the nonce", format!("{OURS}server\n,s=c2FsdA==,i=4096"), NONCE),
        ("a letter beyond ASCII in the nonce", format!("{OURS}\u{e9},s=c2FsdA==,i=4096"), NONCE),
        ("the nonce under another name", format!("R{},s=c2FsdA==,i=4096", &OURS[1..]), NO_NONCE),
        ("a longer name", format!("r{OURS}server,s=c2FsdA==,i=4096"), NO_NONCE),
        ("a comma in front", format!(",{OURS}server,s=c2FsdA==,i=4096"), NO_NONCE),
        ("a space in front", format!(" {OURS}server,s=c2FsdA==,i=4096"), NO_NONCE),
        ("the salt first", format!("s=c2FsdA==,{OURS}server,i=4096"), NO_NONCE),
        ("the iterations first", format!("i=4096,{OURS}server,s=c2FsdA=="), NO_NONCE),
        ("only the nonce", format!("{OURS}server"), NO_SALT),
        ("the nonce and a comma", format!("{OURS}server,"), NO_SALT),
        ("the nonce twice", format!("{OURS}server,{OURS}server,s=c2FsdA==,i=4096"), NO_SALT),
        ("the salt after the iterations", format!("{OURS}server,i=4096,s=c2FsdA=="), NO_SALT),
        ("no salt", format!("{OURS}server,i=4096"), NO_SALT),
        ("an empty attribute", format!("{OURS}server,,s=c2FsdA==,i=4096"), NO_SALT),
        ("an empty salt", format!("{OURS}server,s=,i=4096"), SALT),
        ("a salt that is not base64", format!("{OURS}server,s=c2F*dA==,i=4096"), SALT),
        ("a salt without padding", format!("{OURS}server,s=c2FsdA,i=4096"), SALT),
        ("a salt with too much padding", format!("{OURS}server,s=c2FsdA===,i=4096"), SALT),
        ("a salt of padding", format!("{OURS}server,s====,i=4096"), SALT),
        ("a salt with bits left over", format!("{OURS}server,s=c2FsdB==,i=4096"), SALT),
        ("a salt for URLs", format!("{OURS}server,s=-_-_,i=4096"), SALT),
        ("a space in the salt", format!("{OURS}server,s=c2Fs dA==,i=4096"), SALT),
        ("a NUL in the salt", format!("{OURS}server,s=c2FsdA==\0,i=4096"), SALT),
        ("the salt twice", format!("{OURS}server,s=c2FsdA==,s=c2FsdA==,i=4096"), NO_COUNT),
        ("no iterations", format!("{OURS}server,s=c2FsdA=="), NO_COUNT),
        ("a comma for iterations", format!("{OURS}server,s=c2FsdA==,"), NO_COUNT),
        ("iterations without a value", format!("{OURS}server,s=c2FsdA==,i"), NO_COUNT),
        ("empty iterations", format!("{OURS}server,s=c2FsdA==,i="), COUNT),
        ("0 iterations", format!("{OURS}server,s=c2FsdA==,i=0"), COUNT),
        ("a zero in front", format!("{OURS}server,s=c2FsdA==,i=04096"), COUNT),
        ("fewer than none", format!("{OURS}server,s=c2FsdA==,i=-1"), COUNT),
        ("a plus", format!("{OURS}server,s=c2FsdA==,i=+4096"), COUNT),
        ("spaces about the number", format!("{OURS}server,s=c2FsdA==,i= 4096 "), COUNT),
        ("a number in hexadecimal", format!("{OURS}server,s=c2FsdA==,i=0x1000"), COUNT),
        ("a fraction", format!("{OURS}server,s=c2FsdA==,i=4096.0"), COUNT),
        ("digits beyond ASCII", format!("{OURS}server,s=c2FsdA==,i=\u{664}\u{660}"), COUNT),
        ("a NUL after the number", format!("{OURS}server,s=c2FsdA==,i=4096\0"), COUNT),
        ("one iteration too many", format!("{OURS}server,s=c2FsdA==,i=1000001"), LIMIT),
        ("all of an i32", format!("{OURS}server,s=c2FsdA==,i=2147483647"), LIMIT),
        ("more than a u32", format!("{OURS}server,s=c2FsdA==,i=4294967297"), LIMIT),
        ("a number without end", format!("{OURS}server,s=c2FsdA==,i={}", "9".repeat(10_000)), LIMIT),
        ("an extension in front", format!("m=x,{OURS}server,s=c2FsdA==,i=4096"), EXTENSION),
        ("an extension in between", format!("{OURS}server,m=x,s=c2FsdA==,i=4096"), EXTENSION),
        ("an extension at the end", format!("{OURS}server,s=c2FsdA==,i=4096,m=x"), EXTENSION),
        ("more at the end", format!("{OURS}server,s=c2FsdA==,i=4096,x=y"), END),
        ("a comma at the end", format!("{OURS}server,s=c2FsdA==,i=4096,"), END),
    ];
    for (name, message, expected) in cases {
        assert_first_refused(name, message.as_bytes(), expected);
    }
    let bytes = [OURS.as_bytes(), b"\xff,s=c2FsdA==,i=4096"].concat();
    assert_first_refused("not UTF-8", &bytes, "not UTF-8");
    assert_first_refused("an error", b"e=unknown-user", "user is not known");
    assert_first_refused("the final message", b"v=AAAA", NO_NONCE);
}

#[track_caller]
fn assert_first_refused(name: &str, message: &[u8], expected: &str) {
    let mut scram = started();
    let error = scram.handle_server_first(message).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{name}");
    assert!(error.message().contains(expected), "{name}: {error}");
    // The right message comes too late.
    assert_eq!(
        scram.handle_server_first(SERVER_FIRST.as_bytes()).unwrap_err(),
        OUT_OF_ORDER,
        "{name}"
    );
    assert!(!scram.is_verified(), "{name}");
}

/// The same for what it may say last. `SIGNATURE` stands for the right one.
#[test]
fn hostile_final_messages() {
    const MISSING: &str = "lacks the signature";
    const BASE: &str = "signature is not in base64";
    const WRONG: &str = "signature is wrong";
    #[rustfmt::skip]
    let cases = [
        ("nothing", "", MISSING),
        ("a comma", ",", MISSING),
        ("no value", "v", MISSING),
        ("no name", "SIGNATURE", MISSING),
        ("another name", "V=SIGNATURE", MISSING),
        ("a comma in front", ",v=SIGNATURE", MISSING),
        ("another attribute in front", "x=y,v=SIGNATURE", MISSING),
        ("the first message again", SERVER_FIRST, MISSING),
        ("an empty signature", "v=", WRONG),
        ("a short signature", "v=AAAA", WRONG),
        ("a signature of zeros", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", WRONG),
        ("another's signature", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", WRONG),
        ("one byte more", "v=AAAASIGNATURE", WRONG),
        ("not base64", "v=*SIGNATURE", BASE),
        ("padding missing", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", BASE),
        ("a space after", "v=SIGNATURE ", BASE),
        ("a NUL after", "v=SIGNATURE\0", BASE),
        ("a line end after", "v=SIGNATURE\n", BASE),
        ("a comma after", "v=SIGNATURE,", "goes on after its end"),
        ("twice", "v=SIGNATURE,v=SIGNATURE", "goes on after its end"),
        ("an extension after", "v=SIGNATURE,x=y", "goes on after its end"),
        ("a mandatory extension after", "v=SIGNATURE,m=x", "extension that is not known"),
        ("a mandatory extension in front", "m=x,v=SIGNATURE", "extension that is not known"),
        ("an error in front", "e=other-error,v=SIGNATURE", "the server refused the SCRAM exchange"),
        ("a wrong proof", "e=invalid-proof", "the password is wrong"),
        ("no such user", "e=unknown-user", "the user is not known"),
        ("another certificate", "e=channel-bindings-dont-match", "certificate is not the one"),
        ("a cut list", "e=server-does-support-channel-binding", "told otherwise"),
        ("no binding", "e=channel-binding-not-supported", "does not know this channel binding"),
        ("an error of its own", "e=\x1b[31mlook here", "the server refused the SCRAM exchange"),
    ];
    for (name, message, expected) in cases {
        let (mut scram, signature) = proven();
        let message = message.replace("SIGNATURE", &signature);
        let error = scram.handle_server_final(message.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{name}");
        assert!(error.message().contains(expected), "{name}: {error}");
        assert!(error.message().is_ascii() && !error.message().contains("look"), "{name}: {error}");
        let right = format!("v={signature}");
        assert_eq!(scram.handle_server_final(right.as_bytes()), Err(OUT_OF_ORDER), "{name}");
        assert!(!scram.is_verified(), "{name}");
    }
    let (mut scram, _) = proven();
    let error = scram.handle_server_final(b"v=\xff").unwrap_err();
    assert!(error.message().contains("not UTF-8"), "{error}");
    let (mut scram, signature) = proven();
    assert_eq!(scram.handle_server_final(format!("v={signature}").as_bytes()), Ok(()));
}

#[test]
fn every_changed_bit_of_the_signature_is_seen() {
    let (_, signature) = proven();
    let signature = BASE64.decode(signature).unwrap();
    for bit in 0..256 {
        let (mut scram, _) = proven();
        let mut wrong = signature.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let message = format!("v={}", BASE64.encode(wrong));
        assert!(scram.handle_server_final(message.as_bytes()).is_err(), "bit {bit}");
    }
}

/// Every step in every state: only one is right, and every other one ends the exchange.
#[test]
fn steps_out_of_order() {
    type Make = fn() -> Scram;
    type Call = fn(&mut Scram) -> Result<()>;
    fn keys() -> Keys {
        started().handle_server_first(SERVER_FIRST.replace("4096", "1").as_bytes()).unwrap().run()
    }
    let states: [(&str, Make); 6] = [
        ("client first", || Scram::with_nonce(PASSWORD, NONCE.to_owned(), ChannelBinding::None)),
        ("server first", started),
        ("client final", || {
            let mut scram = started();
            scram.handle_server_first(SERVER_FIRST.replace("4096", "1").as_bytes()).unwrap();
            scram
        }),
        ("server final", || proven().0),
        ("verified", || {
            let (mut scram, signature) = proven();
            scram.handle_server_final(format!("v={signature}").as_bytes()).unwrap();
            scram
        }),
        ("failed", || {
            let mut scram = started();
            scram.handle_server_first(b"").unwrap_err();
            scram
        }),
    ];
    let calls: [Call; 4] = [
        |scram| scram.client_first().map(drop),
        |scram| scram.handle_server_first(SERVER_FIRST.as_bytes()).map(drop),
        |scram| scram.client_final(keys()).map(drop),
        |scram| scram.handle_server_final(format!("v={}", proven().1).as_bytes()),
    ];
    let mut right = 0;
    for (at, (name, make)) in states.iter().enumerate() {
        for (step, call) in calls.iter().enumerate() {
            let mut scram = make();
            let result = call(&mut scram);
            if step == at {
                assert_eq!(result, Ok(()), "{name}, call {step}");
                right += 1;
                continue;
            }
            assert_eq!(result, Err(OUT_OF_ORDER), "{name}, call {step}");
            assert!(!scram.is_verified(), "{name}, call {step}");
            for call in calls {
                assert_eq!(call(&mut scram), Err(OUT_OF_ORDER), "{name}, call {step}");
            }
        }
    }
    assert_eq!(right, 4);
}

#[test]
fn keys_of_another_salt_do_not_log_in() {
    let mut other = started();
    let keys =
        other.handle_server_first(SERVER_FIRST.replace("4096", "3").as_bytes()).unwrap().run();
    let server = server_for(PASSWORD, b"n,,");
    let mut scram = Scram::new(PASSWORD, [1; NONCE_LEN], ChannelBinding::None);
    let first = scram.client_first().unwrap();
    let answer = server.first(&first);
    scram.handle_server_first(answer.as_bytes()).unwrap();
    let last = scram.client_final(keys).unwrap();
    assert_eq!(server.last(&first, &answer, &last), Err("invalid-proof"));
}

#[test]
fn debug_shows_no_secret() {
    let sentinel = b"s3ntinel";
    let mut scram = Scram::new(sentinel, [0xab; NONCE_LEN], ChannelBinding::None);
    let mut seen = vec![format!("{scram:?}")];
    let first = scram.client_first().unwrap();
    seen.push(format!("{scram:?}"));
    let server = server_for(sentinel, b"n,,");
    let derivation = scram.handle_server_first(server.first(&first).as_bytes()).unwrap();
    seen.push(format!("{scram:?} {derivation:?}"));
    let keys = derivation.run();
    seen.push(format!("{keys:?}"));
    scram.client_final(keys).unwrap();
    seen.push(format!("{scram:?}"));
    assert_eq!(
        seen[0],
        "Scram { mechanism: \"SCRAM-SHA-256\", max_iterations: 1000000, next: \"client-first-message\", .. }"
    );
    let hex = "73336e74"; // "s3nt"
    let list = "115, 51, 110"; // the same in a derived Debug of bytes
    for text in seen {
        assert!(
            ![std::str::from_utf8(sentinel).unwrap(), hex, list].iter().any(|s| text.contains(s)),
            "{text}"
        );
        assert!(text.len() < 200, "{text}");
    }
}

fn bindings() -> impl Strategy<Value = (ChannelBinding, Vec<u8>)> {
    prop_oneof![
        Just((ChannelBinding::None, b"n,,".to_vec())),
        Just((ChannelBinding::NotOffered, b"y,,".to_vec())),
        proptest::collection::vec(any::<u8>(), 20..65).prop_map(|hash| {
            let input = [b"p=tls-server-end-point,,", &hash[..]].concat();
            (ChannelBinding::TlsServerEndPoint(hash), input)
        }),
    ]
}

proptest! {
    #[test]
    fn client_and_server_agree(
        password in proptest::collection::vec(any::<u8>(), 0..100),
        random: [u8; NONCE_LEN],
        nonce in "[!-+--~]{1,40}",
        salt in proptest::collection::vec(any::<u8>(), 1..100),
        iterations in 1_u32..50,
        (binding, input) in bindings(),
    ) {
        let hashed = saslprep(&password).to_vec();
        let server = Server { password: hashed, nonce, salt, iterations, binding: input };
        let mut scram = Scram::new(&password, random, binding);
        prop_assert_eq!(log_in(&mut scram, &server), Ok(()));
        prop_assert!(scram.is_verified());
    }

    #[test]
    fn another_password_never_logs_in(
        password in "[a-z]{0,8}",
        other in "[a-z]{0,8}",
        iterations in 1_u32..5,
    ) {
        prop_assume!(password != other);
        let server = Server { iterations, ..server_for(other.as_bytes(), b"n,,") };
        let mut scram = Scram::new(password.as_bytes(), [9; NONCE_LEN], ChannelBinding::None);
        prop_assert!(log_in(&mut scram, &server).is_err());
        prop_assert!(!scram.is_verified());
    }

    #[test]
    fn no_bytes_of_a_server_do_more_than_end_the_exchange(
        first in proptest::collection::vec(any::<u8>(), 0..80),
        last in proptest::collection::vec(any::<u8>(), 0..80),
        (at, byte) in (0..SERVER_FIRST.len(), any::<u8>()),
    ) {
        prop_assert!(started().handle_server_first(&first).is_err());
        prop_assert!(proven().0.handle_server_final(&last).is_err());
        // A message that is right but for one byte ends the exchange or is another right message.
        let mut message = SERVER_FIRST.as_bytes().to_vec();
        message[at] = byte;
        let mut scram = started();
        match scram.handle_server_first(&message) {
            Ok(derivation) => prop_assert!(derivation.iterations() <= DEFAULT_MAX_ITERATIONS),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Authentication),
        }
    }
}
