//! In which order each mode tries, by what a server sees.

use std::time::Duration;

use stellata_client::{Connection, ErrorKind, SqlState, SslMode, SslNegotiation, TlsSettings};

use super::stage::{Answer, Login, Part, Stage};
use super::{GOOD, config, trusting};

/// Connects in a mode to a server that plays a part; tells the outcome and what the server saw.
async fn outcome(mode: SslMode, part: Part) -> (String, String) {
    let stage = Stage::start(part).await;
    let config = config(stage.port, trusting(mode)).with_connect_timeout(Duration::from_secs(30));
    let outcome = match Connection::connect(&config).await {
        Ok(mut connection) => {
            assert_eq!(connection.query::<(i32,)>("select 7", ()).await.unwrap(), [(7,)]);
            if connection.is_encrypted() { "encrypted" } else { "plain" }.to_owned()
        }
        Err(error) => match error.sqlstate() {
            Some(code) => format!("{:?} {code}", error.kind()),
            None => format!("{:?}", error.kind()),
        },
    };
    (outcome, stage.trace())
}

#[test]
fn each_mode_tries_in_its_own_order() {
    use Login::{Full, NoRule, Trust};
    use SslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
    const STRONG: [SslMode; 3] = [Require, VerifyCa, VerifyFull];
    stellata_testkit::run(async {
        let part = |answer, plain, encrypted| Part { answer, plain, encrypted, ..Part::new(&GOOD) };
        let (yes, no) = (Answer::Yes, Answer::No);
        let both = "asked, encrypted";
        let mut cases = vec![
            (Disable, part(yes, Trust, Trust), "plain", "plain"),
            (Disable, part(yes, NoRule, Trust), "Authentication 28000", "plain"),
            (Allow, part(yes, Trust, Trust), "plain", "plain"),
            (Allow, part(yes, NoRule, Trust), "encrypted", "plain | asked, encrypted"),
            (Allow, part(no, NoRule, Trust), "Authentication 28000", "plain | asked, left"),
            (Allow, part(yes, NoRule, NoRule), "Authentication 28000", "plain | asked, encrypted"),
            // Not who logs in is refused, so that another kind of connection would not help.
            (Allow, part(yes, Full, Trust), "Server 53300", "plain"),
            (Prefer, part(yes, Trust, Trust), "encrypted", both),
            (Prefer, part(no, Trust, Trust), "plain", "asked, plain"),
            (Prefer, part(no, NoRule, Trust), "Authentication 28000", "asked, plain"),
            (Prefer, part(yes, Trust, NoRule), "plain", "asked, encrypted | plain"),
            (Prefer, part(yes, NoRule, NoRule), "Authentication 28000", "asked, encrypted | plain"),
            (Prefer, part(yes, Trust, Full), "Server 53300", both),
        ];
        for mode in STRONG {
            cases.push((mode, part(yes, Trust, Trust), "encrypted", both));
            cases.push((mode, part(no, Trust, Trust), "Tls", "asked, left"));
            cases.push((mode, part(yes, Trust, NoRule), "Authentication 28000", both));
            cases.push((mode, part(yes, Trust, Full), "Server 53300", both));
        }
        for (mode, part, want, trace) in cases {
            let case = format!("{mode} {:?} {:?} {:?}", part.answer, part.plain, part.encrypted);
            let (got, seen) = outcome(mode, part).await;
            // The server may note an end that comes last after we look.
            let seen = if trace.starts_with(&seen) { trace } else { &seen };
            assert_eq!((&*got, seen), (want, trace), "{case}");
        }
    });
}

/// A handshake that fails: only `prefer` goes on in plain.
#[test]
fn a_failed_handshake_ends_in_plain_only_where_that_may_be() {
    use SslMode::{Allow, Prefer, Require, VerifyCa, VerifyFull};
    const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";
    stellata_testkit::run(async {
        for instead in [ALERT, b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 100]] {
            for (mode, want, trace) in [
                (Allow, "Tls", "plain | asked, no handshake"),
                (Prefer, "plain", "asked, no handshake | plain"),
                (Require, "Tls", "asked, no handshake"),
                (VerifyCa, "Tls", "asked, no handshake"),
                (VerifyFull, "Tls", "asked, no handshake"),
            ] {
                let plain = if mode == Allow { Login::NoRule } else { Login::Trust };
                let part = Part { instead: Some(instead), plain, ..Part::new(&GOOD) };
                let (got, seen) = outcome(mode, part).await;
                assert_eq!(got, want, "{mode} {instead:?}");
                assert_eq!(seen.matches("plain").count(), trace.matches("plain").count(), "{seen}");
            }
        }
    });
}

/// The client sends nothing before it has the answer, and takes nothing that came with it into the session.
#[test]
fn cve_2021_23222_and_cve_2021_23214_nothing_unencrypted_gets_into_the_session() {
    use SslMode::{Prefer, Require, VerifyFull};
    stellata_testkit::run(async {
        const FORGED: &[u8] = b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
        for mode in [Prefer, Require, VerifyFull] {
            for bytes in [FORGED, b"NR\0\0\0\x08\0\0\0\0", b"SS", b"NN", b"S\x16\x03\x03"] {
                let part = Part { answer: Answer::Bytes(bytes), ..Part::new(&GOOD) };
                let (got, seen) = outcome(mode, part).await;
                assert_eq!(got, "Protocol", "{mode} {bytes:?}");
                assert!("asked, left".starts_with(&seen), "{mode} {bytes:?}: {seen}");
            }
        }
    });
}

#[test]
fn cve_2020_25694_another_connection_is_as_safe_as_the_first() {
    use SslMode::{Require, VerifyCa, VerifyFull};
    stellata_testkit::run(async {
        for mode in [Require, VerifyCa, VerifyFull] {
            let part = Part { later: Some(Answer::No), ..Part::new(&GOOD) };
            let stage = Stage::start(part).await;
            let config = config(stage.port, trusting(mode));
            assert!(Connection::connect(&config).await.unwrap().is_encrypted());
            for _ in 0..2 {
                let error = Connection::connect(&config).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Tls);
                assert_eq!(
                    error.to_string(),
                    format!(
                        "the server does not encrypt connections, which sslmode={mode} demands"
                    )
                );
            }
            assert_eq!(stage.trace().matches("plain").count(), 0);
        }
    });
}

#[test]
fn cve_2024_10977_an_error_before_tls_is_marked_and_escaped() {
    use SslMode::{Prefer, Require};
    stellata_testkit::run(async {
        for mode in [Prefer, Require] {
            let evil = Answer::Bytes(
                b"E\x1b[2J\x1b]0;owned\x07\r\nenter your password at evil.example\n\0",
            );
            let stage = Stage::start(Part { answer: evil, ..Part::new(&GOOD) }).await;
            let error = Connection::connect(&config(stage.port, trusting(mode))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert!(error.server().is_none() && error.sqlstate().is_none());
            for text in [format!("{error}"), format!("{error:?}"), format!("{error:#}")] {
                assert!(text.contains("Nothing proves that it comes from the server"), "{text}");
                assert!(text.contains("evil.example"), "{text}");
                assert!(!text.chars().any(|c| c.is_control()), "{text:?}");
            }
            // No way back to plain: the error may have been written to get there.
            assert_eq!(stage.trace().matches("plain").count(), 0);
        }
    });
}

#[test]
fn direct_tls_is_one_round_trip_less_and_needs_the_name_of_the_protocol() {
    stellata_testkit::run(async {
        let direct = |mode| trusting(mode).with_negotiation(SslNegotiation::Direct);
        let stage = Stage::start(Part::new(&GOOD)).await;
        let connection =
            Connection::connect(&config(stage.port, direct(SslMode::VerifyFull))).await.unwrap();
        assert!(connection.is_encrypted());
        assert_eq!(stage.trace(), "handshake unasked, encrypted");

        let mut server = super::stage::server_config(&GOOD);
        server.alpn_protocols.clear();
        let stage = Stage::start(Part { config: server.into(), ..Part::new(&GOOD) }).await;
        let error =
            Connection::connect(&config(stage.port, direct(SslMode::Require))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.to_string().contains("ALPN"), "{error}");

        // Who is asked first need not know the name.
        let tls = trusting(SslMode::Require);
        assert!(Connection::connect(&config(stage.port, tls)).await.unwrap().is_encrypted());

        for mode in [SslMode::Disable, SslMode::Allow, SslMode::Prefer] {
            let error = Connection::connect(&config(stage.port, direct(mode))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{mode}");
        }
    });
}

#[test]
fn a_server_that_knows_another_protocol_only_is_refused() {
    stellata_testkit::run(async {
        let mut server = super::stage::server_config(&GOOD);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stage = Stage::start(Part { config: server.into(), ..Part::new(&GOOD) }).await;
        for negotiation in [SslNegotiation::Postgres, SslNegotiation::Direct] {
            let tls = trusting(SslMode::Require).with_negotiation(negotiation);
            let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls);
        }
    });
}

#[test]
fn silence_meets_the_limit_wherever_it_falls() {
    stellata_testkit::run(async {
        let quiet = Part { answer: Answer::Silence, ..Part::new(&GOOD) };
        let in_handshake = Part { instead: Some(b""), ..Part::new(&GOOD) };
        for part in [quiet, in_handshake] {
            for mode in [SslMode::Prefer, SslMode::VerifyFull] {
                let stage = Stage::start(part.clone()).await;
                let config = config(stage.port, trusting(mode))
                    .with_connect_timeout(Duration::from_millis(100));
                let error = Connection::connect(&config).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout);
                assert_eq!(stage.trace().matches("plain").count(), 0);
            }
        }
    });
}

/// A password goes over TLS as it is only where the server has shown who it is.
#[test]
fn a_password_in_clear_needs_a_verified_server() {
    stellata_testkit::run(async {
        let part =
            Part { encrypted: Login::Cleartext, plain: Login::Cleartext, ..Part::new(&GOOD) };
        let stage = Stage::start(part).await;
        let config = |mode| config(stage.port, trusting(mode)).with_password("secret");
        for mode in [SslMode::Prefer, SslMode::Require, SslMode::VerifyCa] {
            let error = Connection::connect(&config(mode)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{mode}");
            let allowed = config(mode).with_cleartext_password(true);
            assert!(Connection::connect(&allowed).await.unwrap().is_encrypted());
        }
        let verified = Connection::connect(&config(SslMode::VerifyFull)).await.unwrap();
        assert!(verified.is_encrypted());
        // What the client itself refused is not tried again in plain.
        assert_eq!(stage.trace().matches("plain").count(), 0);
    });
}

#[test]
fn cve_2025_49146_channel_binding_required_refuses_every_other_login() {
    use stellata_client::ChannelBindingPolicy;
    stellata_testkit::run(async {
        for login in [Login::Trust, Login::Cleartext, Login::Md5, Login::Unbound] {
            let part = Part { encrypted: login, plain: login, ..Part::new(&GOOD) };
            let stage = Stage::start(part).await;
            let tls =
                trusting(SslMode::VerifyFull).with_channel_binding(ChannelBindingPolicy::Require);
            let config = config(stage.port, tls).with_password("secret");
            let error = Connection::connect(&config).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{login:?}");
            assert!(error.to_string().contains("channel binding is required"), "{error}");
            assert_eq!(stage.trace(), "asked, encrypted");
        }
    });
}

#[test]
fn the_refusal_that_says_more_is_told() {
    stellata_testkit::run(async {
        // No rule for plain connections says nothing; that the certificate is bad does.
        let part = Part { plain: Login::NoRule, instead: Some(b"nonsense"), ..Part::new(&GOOD) };
        for mode in [SslMode::Allow, SslMode::Prefer] {
            let stage = Stage::start(part.clone()).await;
            let tls = TlsSettings::new(mode);
            let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{mode}: {error}");
        }
        let part = Part { plain: Login::NoRule, answer: Answer::No, ..Part::new(&GOOD) };
        let stage = Stage::start(part).await;
        let tls = TlsSettings::new(SslMode::Allow);
        let error = Connection::connect(&config(stage.port, tls)).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION));
    });
}
