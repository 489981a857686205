//! What a server may ask for, held against what the caller allows: `require_auth` and `channel_binding`.

use stellata_protocol::auth::{AuthMethod, ChannelBindingPolicy, RequireAuth};
use stellata_protocol::message::Authentication;
use stellata_protocol::{Buffer, Conversation, ErrorKind, Event, Login};

use crate::caller::{CERTIFICATE, NONCE, PASSWORD, USER};

const PLAIN: &[u8] = b"SCRAM-SHA-256\0\0";
const PLUS: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const TOKEN: &[u8] = b"OAUTHBEARER\0\0";

/// All that a server may ask for first, and the method that it is.
const REQUESTS: [(Authentication<'_>, Option<AuthMethod>); 12] = [
    (Authentication::Ok, Some(AuthMethod::None)),
    (Authentication::CleartextPassword, Some(AuthMethod::Password)),
    (Authentication::Md5Password { salt: *b"salt" }, Some(AuthMethod::Md5)),
    (Authentication::Gss, Some(AuthMethod::Gss)),
    (Authentication::Sspi, Some(AuthMethod::Sspi)),
    (Authentication::Sasl { mechanisms: PLAIN }, Some(AuthMethod::ScramSha256)),
    (Authentication::Sasl { mechanisms: PLUS }, Some(AuthMethod::ScramSha256)),
    (Authentication::Sasl { mechanisms: TOKEN }, Some(AuthMethod::OAuth)),
    (Authentication::KerberosV5, None),
    (Authentication::Other { code: 1 }, None),
    (Authentication::Other { code: 6 }, None),
    (Authentication::Other { code: -5 }, None),
];

/// A login that has all that any method needs.
fn able() -> Login {
    Login::new(USER, NONCE).password(PASSWORD).allow_cleartext(true).has_token(true)
}

/// What comes of a request in a login, and how many bytes are sent in answer.
fn ask(login: Login, request: Authentication<'_>) -> (Result<Option<Event>, &'static str>, usize) {
    let mut conversation = Conversation::start(login).unwrap();
    conversation.wrote(conversation.output().len());
    let mut message = Buffer::new();
    request.write(&mut message).unwrap();
    conversation.receive(message.as_slice());
    let came = conversation.advance().map(|answer| answer.map(|answer| answer.event));
    let came = came.map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        error.message()
    });
    (came, conversation.output().len())
}

/// Whether a request is answered, with the password's proof, a token's event, or by going on.
#[track_caller]
fn is_taken(login: Login, request: Authentication<'_>) -> bool {
    let (came, sent) = ask(login, request);
    match came {
        Err(_) => {
            assert_eq!(sent, 0, "{request:?} is refused, and answered all the same");
            false
        }
        Ok(event) => {
            let asks_for_token = request == Authentication::Sasl { mechanisms: TOKEN };
            assert_eq!(event, asks_for_token.then_some(Event::BearerToken), "{request:?}");
            let is_silent = asks_for_token || request == Authentication::Ok;
            assert_eq!(sent == 0, is_silent, "{request:?} has {sent} bytes in answer");
            true
        }
    }
}

/// Every set of methods of two words, with and without marks, against every request.
#[test]
fn require_auth_lets_through_what_it_names_and_answers_nothing_else() {
    let mut cases = 0;
    for first in AuthMethod::ALL {
        for second in AuthMethod::ALL {
            let pair = [first, second];
            for set in [RequireAuth::only(&pair), RequireAuth::all_but(&pair)] {
                for (request, method) in REQUESTS {
                    let is_spoken =
                        method.is_some_and(|m| !matches!(m, AuthMethod::Gss | AuthMethod::Sspi));
                    let wanted = is_spoken && method.is_some_and(|method| set.allows(method));
                    let login = able().require_auth(set);
                    assert_eq!(is_taken(login, request), wanted, "{set}: {request:?}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 7 * 7 * 2 * 12);
}

#[test]
fn what_is_refused_names_what_the_server_asked_for() {
    for (request, words) in [
        (Authentication::Ok, "without a proof"),
        (Authentication::CleartextPassword, "in clear text"),
        (Authentication::Md5Password { salt: [0; 4] }, "MD5"),
        (Authentication::Gss, "GSSAPI"),
        (Authentication::Sspi, "SSPI"),
        (Authentication::Sasl { mechanisms: TOKEN }, "OAuth token"),
    ] {
        let login = able().require_auth(RequireAuth::only(&[AuthMethod::ScramSha256]));
        let message = ask(login, request).0.unwrap_err();
        assert!(message.contains(words) && message.contains("require_auth"), "{message}");
    }
    let login = able().require_auth(RequireAuth::only(&[AuthMethod::OAuth]));
    let message = ask(login, Authentication::Sasl { mechanisms: PLAIN }).0.unwrap_err();
    assert!(message.contains("SCRAM-SHA-256"), "{message}");
}

#[test]
fn what_is_not_supported_is_named_with_what_is() {
    for (request, words) in [
        (Authentication::Gss, "GSSAPI"),
        (Authentication::Sspi, "SSPI"),
        (Authentication::KerberosV5, "Kerberos V5"),
        (Authentication::Other { code: 1 }, "Kerberos V4"),
        (Authentication::Other { code: 4 }, "crypt"),
        (Authentication::Other { code: 6 }, "credentials of a unix socket"),
        (Authentication::Other { code: 13 }, "not known"),
    ] {
        let message = ask(able(), request).0.unwrap_err();
        assert!(message.contains(words), "{message}");
        assert!(message.contains("scram-sha-256") && message.contains("pg_hba.conf"), "{message}");
    }
    let mechanisms = b"SCRAM-SHA-1\0GS2-KRB5\0scram-sha-256\0\0";
    let message = ask(able(), Authentication::Sasl { mechanisms }).0.unwrap_err();
    assert!(message.contains("SCRAM-SHA-256") && message.contains("OAUTHBEARER"), "{message}");
}

/// CVE-2025-49146: a driver let `channel_binding=require` pass with methods that can't be bound.
#[test]
fn cve_2025_49146_a_required_channel_binding_admits_nothing_that_is_not_bound() {
    for end_point in [None, Some(CERTIFICATE.to_vec())] {
        for (request, _) in REQUESTS {
            let is_bound =
                end_point.is_some() && request == Authentication::Sasl { mechanisms: PLUS };
            let login = able().channel_binding(ChannelBindingPolicy::Require, end_point.clone());
            assert_eq!(is_taken(login, request), is_bound, "{request:?}");
        }
    }
    // Nor does `require_auth` open what the binding closes.
    for (request, method) in REQUESTS {
        let Some(method) = method else { continue };
        if request == (Authentication::Sasl { mechanisms: PLUS }) {
            continue;
        }
        let login = able()
            .require_auth(RequireAuth::only(&[method]))
            .channel_binding(ChannelBindingPolicy::Require, Some(CERTIFICATE.to_vec()));
        assert!(!is_taken(login, request), "{request:?}");
    }
}

#[test]
fn disabled_and_preferred_binding_admit_all_that_is_spoken() {
    for policy in [ChannelBindingPolicy::Disable, ChannelBindingPolicy::Prefer] {
        for end_point in [None, Some(CERTIFICATE.to_vec())] {
            for (request, method) in REQUESTS {
                let is_spoken =
                    method.is_some_and(|m| !matches!(m, AuthMethod::Gss | AuthMethod::Sspi));
                let login = able().channel_binding(policy, end_point.clone());
                assert_eq!(is_taken(login, request), is_spoken, "{policy:?} {request:?}");
            }
        }
    }
}

/// The mechanism that the client's answer to a list names.
fn mechanism(login: Login, list: &[u8]) -> Result<String, ErrorKind> {
    let mut conversation = Conversation::start(login).unwrap();
    conversation.wrote(conversation.output().len());
    let mut message = Buffer::new();
    Authentication::Sasl { mechanisms: list }.write(&mut message).unwrap();
    conversation.receive(message.as_slice());
    match conversation.advance() {
        Err(error) => Err(error.kind()),
        Ok(Some(answer)) => Ok(format!("{:?}", answer.event)),
        Ok(None) => {
            let name = conversation.output()[5..].split(|byte| *byte == 0).next().unwrap();
            Ok(String::from_utf8(name.to_vec()).unwrap())
        }
    }
}

#[test]
fn a_list_of_mechanisms_may_be_long_double_strange_and_mixed() {
    let bound = || able().channel_binding(ChannelBindingPolicy::Prefer, Some(CERTIFICATE.to_vec()));
    let list = |names: &[&str]| [names.join("\0").as_bytes(), b"\0\0"].concat();
    let scram = Ok("SCRAM-SHA-256".to_owned());
    let plus = Ok("SCRAM-SHA-256-PLUS".to_owned());
    let token = Ok("BearerToken".to_owned());
    for (names, wanted, wanted_bound) in [
        (&["SCRAM-SHA-256"; 2][..], &scram, &scram),
        (&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], &scram, &plus),
        (&["X-NEW", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256", " SCRAM-SHA-256-PLUS"], &scram, &scram),
        // Where there is a password and a token, the password stays at home longer.
        (&["OAUTHBEARER", "SCRAM-SHA-256"], &scram, &scram),
        (&["OAUTHBEARER", "OAUTHBEARER", "PLAIN"], &token, &token),
    ] {
        assert_eq!(mechanism(able(), &list(names)), *wanted, "{names:?}");
        assert_eq!(mechanism(bound(), &list(names)), *wanted_bound, "{names:?}");
    }
    let mixed = list(&["SCRAM-SHA-256", "OAUTHBEARER"]);
    let without_password = Login::new(USER, NONCE).allow_cleartext(true).has_token(true);
    assert_eq!(mechanism(without_password, &mixed), token);
    let only_token = able().require_auth(RequireAuth::only(&[AuthMethod::OAuth]));
    assert_eq!(mechanism(only_token, &mixed), token);
    let no_token = able().has_token(false).require_auth(RequireAuth::only(&[AuthMethod::OAuth]));
    assert_eq!(mechanism(no_token, &mixed), Err(ErrorKind::Authentication));

    let mut names = vec!["X"; 63];
    names.push("SCRAM-SHA-256");
    assert_eq!(mechanism(able(), &list(&names)), scram);
    names.insert(0, "X");
    assert_eq!(mechanism(able(), &list(&names)), Err(ErrorKind::TooLarge));
    // A list of a megabyte of names is refused at the 65th.
    assert_eq!(mechanism(able(), &list(&vec!["X"; 500_000])), Err(ErrorKind::TooLarge));
}

#[test]
fn a_list_of_mechanisms_that_is_empty_or_has_no_end_is_refused() {
    for (list, kind) in [
        (&b""[..], ErrorKind::Truncated),
        (b"\0", ErrorKind::InvalidValue),
        (b"\0SCRAM-SHA-256\0\0", ErrorKind::TrailingBytes),
        (b"SCRAM-SHA-256", ErrorKind::Truncated),
        (b"SCRAM-SHA-256\0", ErrorKind::Truncated),
        (b"SCRAM-SHA-256\0\0\0", ErrorKind::TrailingBytes),
        (b"SCRAM-SHA-256\0\0x", ErrorKind::TrailingBytes),
        (b"SCRAM-SHA-256\0\xff\0\0", ErrorKind::InvalidText),
    ] {
        assert_eq!(mechanism(able(), list), Err(kind), "{}", list.escape_ascii());
    }
}
