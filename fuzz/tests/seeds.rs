//! The inputs of the corpus: one for each message and each type, and what real servers have sent.
//!
//! The scripts of whole conversations are written by the tests of `protocol`.

mod recorded;

use std::path::{Path, PathBuf};

use stellata_fuzz::Target;
use stellata_protocol::message::{
    Authentication, BackendKey, CopyResponse, NegotiateProtocolVersion, Notification,
    ParameterStatus, ServerError, write_bind, write_data_row, write_execute, write_function_call,
    write_parameter_description, write_parse, write_row_description, write_sasl_initial_response,
    write_ssl_request, write_startup,
};
use stellata_protocol::{Buffer, FieldDescription, Format, Oid, Params, Result};

/// As in the tests of `protocol`.
const WRITE: &str = "STELLATA_WRITE_CORPUS";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Keeps an input, or sees that it is there.
fn keep(name: &str, input: &[u8]) {
    stellata_fuzz::run(input);
    let path = root().join("fuzz/corpus/wire").join(name);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, input).expect("the corpus can be written");
    } else {
        let kept = std::fs::read(path).unwrap_or_default();
        assert!(kept == input, "corpus/wire/{name} is another: run the test with {WRITE}=1");
    }
}

fn target(name: &str) -> Target {
    let found = stellata_fuzz::targets().into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
}

/// An input of a target.
fn keep_for(target_name: &str, name: &str, input: &[u8]) {
    let target = target(target_name);
    let input = [&*target.head, input].concat();
    target.run(&input);
    keep(name, &input);
}

#[test]
fn messages() {
    let field = FieldDescription {
        name: "n".into(),
        table_oid: Oid(1259),
        column_number: 1,
        type_oid: Oid::INT4,
        type_size: 4,
        type_modifier: -1,
        format: Format::Binary,
    };
    let mut params = Params::new();
    params.push(&7_i32).expect("a number can be written");
    params.push_null(Oid::TEXT);
    let notification = Notification { process_id: 7, channel: "a".into(), payload: "b".into() };
    let body = |write: &dyn Fn(&mut Buffer) -> Result<()>, head: usize| {
        let mut out = Buffer::new();
        write(&mut out).expect("a seed can be written");
        out.as_slice()[head..].to_vec()
    };
    let mechanisms = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
    let error = [(b'S', "ERROR"), (b'C', "23505"), (b'M', "no"), (b'P', "7"), (b'Y', "new")];
    let negotiation = NegotiateProtocolVersion { version: 0x0003_0000, options: vec!["_pq_.a"] };
    let response =
        CopyResponse { format: Format::Binary, columns: vec![Format::Binary, Format::Binary] };
    let setting = ParameterStatus { name: "TimeZone", value: "UTC" };
    let challenge = br#"{"status":"invalid_token","scope":"a b","openid-configuration":"https://a/.well-known/openid-configuration"}"#;
    let seeds: [(&str, Vec<u8>); 36] = [
        ("authentication", body(&|out| Authentication::Sasl { mechanisms }.write(out), 5)),
        ("error", body(&|out| ServerError::write(out, b'E', &error), 5)),
        ("notification", body(&|out| notification.write(out), 5)),
        ("parameter-status", body(&|out| setting.write(out), 5)),
        ("ready", b"I".to_vec()),
        ("complete", b"INSERT 0 5\0".to_vec()),
        ("key", body(&|out| BackendKey::new(7, &[1, 2, 3, 4])?.write(out), 5)),
        ("row-description", {
            body(&|out| write_row_description(out, &[field.clone(), field.clone()]), 5)
        }),
        ("parameter-description", {
            body(&|out| write_parameter_description(out, &[Oid::INT4, Oid::TEXT]), 5)
        }),
        ("startup", {
            body(&|out| write_startup(out, 0x0003_0000, [("user", "me"), ("database", "d")]), 4)
        }),
        ("parse", body(&|out| write_parse(out, "s", "select $1", &[Oid::INT4]), 5)),
        ("bind", body(&|out| write_bind(out, "", "s", &params, Format::Binary), 5)),
        ("execute", body(&|out| write_execute(out, "p", 7), 5)),
        ("target", b"Pp\0".to_vec()),
        ("negotiation", body(&|out| negotiation.write(out), 5)),
        ("frames", b"1\0\0\0\x042\0\0\0\x04Z\0\0\0\x05I".to_vec()),
        ("row", [b"\0\x03", params.as_slice(), b"\xff\xff\xff\xff"].concat()),
        ("scram-first", b"+server,s=c2FsdA==,i=4".to_vec()),
        ("scram-final", b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec()),
        ("saslprep", "pa\u{00ad}ss\u{2168}\u{00a0}".into()),
        ("key-3.2", body(&|out| BackendKey::new(7, &[9; 32])?.write(out), 5)),
        ("function-call", {
            body(&|out| write_function_call(out, Oid(1598), &params, Format::Binary), 5)
        }),
        ("function-result", b"\0\0\0\x01x".to_vec()),
        ("copy-response", body(&|out| response.write(out, b'H'), 5)),
        ("first-message", body(&|out| write_ssl_request(out), 4)),
        ("trace", b"Q\0\0\0\x0dselect 1\0S\0\0\0\x04".to_vec()),
        ("query", b"select 1\0".to_vec()),
        ("password", b"md5ff\0".to_vec()),
        ("sasl-initial-response", {
            body(&|out| write_sasl_initial_response(out, "SCRAM-SHA-256", b"n,,n=,r=a"), 5)
        }),
        ("sasl-response", b"c=biws,r=ab,p=AA==".to_vec()),
        ("gss-response", b"\x60\x01".to_vec()),
        ("copy-fail", b"enough\0".to_vec()),
        ("data-row", body(&|out| write_data_row(out, &[Some(b"7"), None, Some(b"")]), 5)),
        ("encryption", body(&|out| ServerError::write(out, b'E', &error), 0)),
        ("end-point", certificate()),
        ("token-challenge", challenge.to_vec()),
    ];
    for (name, seed) in &seeds {
        let name = format!("message-{name}");
        keep_for(&name, &name, seed);
    }
    let readers = stellata_fuzz::targets();
    let readers = readers.iter().filter(|target| target.name.starts_with("message-"));
    assert_eq!(readers.count(), seeds.len(), "a message has no seed");
}

/// A certificate, as it is signed most often.
fn certificate() -> Vec<u8> {
    let path = root().join("protocol/tests/data/certificates/signatures.txt");
    let certificates = std::fs::read_to_string(path).expect("the certificates are there");
    let line = certificates.lines().find(|line| line.starts_with("ecdsa-p256-sha256 "));
    let digits = line.and_then(|line| line.split(' ').nth(2)).expect("it is one of them");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Texts of types with parts, as COPY has them.
#[test]
fn texts() {
    for (name, kind, text) in [
        ("array", 0, "[0:1][1:2]={{\"a b\",NULL},{\\\"c,d}}"),
        ("numbers", 1, "{1,NULL,-3}"),
        ("composite", 2, "(7,\"a, \"\"b\"\"\")"),
        ("tree", 3, "(a,\"{\"\"(b,)\"\",NULL}\")"),
        ("hstore", 5, "\"a\"=>\"1\", \"b\"=>NULL"),
        ("range", 6, "[\"a,b\",)"),
        ("multirange", 7, "{[1,5),[7,9)}"),
        ("tsvector", 8, "'a':1A,2 'b'"),
        ("tsquery", 9, "'a' & !'b' <-> 'c'"),
        ("boxes", 10, "{(3,4),(1,2);(1,1),(0,0)}"),
        ("interval", 11, "1 year 2 mons -3 days +04:05:06.789"),
        ("numeric", 12, "-1234567890.00001234"),
        ("time", 13, "0044-03-15 12:34:56.789+00 BC"),
        ("address", 14, "10.1.0.0/16"),
    ] {
        let input = [&[kind], text.as_bytes()].concat();
        keep_for("copy-text", &format!("copy-text-{name}"), &input);
    }
}

#[test]
fn values() {
    for (name, input) in stellata_fuzz::examples() {
        target(&name).run(&input);
        keep(&name, &input);
    }
}

#[test]
fn targets_have_names_of_their_own() {
    let mut names: Vec<String> =
        stellata_fuzz::targets().into_iter().map(|target| target.name).collect();
    let count = names.len();
    println!("fuzz: {count} targets");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    // One byte chooses the message or the type.
    assert!(count < 256 + 32);
}
