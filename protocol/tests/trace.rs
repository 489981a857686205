//! The lines of a trace, message by message. What libpq prints of whole sessions is compared in `tests/it/recorded`.

use stellata_protocol::message::{
    Target, write_bind, write_close, write_copy_data, write_copy_done, write_copy_fail,
    write_describe, write_execute, write_flush, write_function_call, write_gssenc_request,
    write_parse, write_query, write_ssl_request, write_startup, write_sync, write_terminate,
};
use stellata_protocol::trace::Tracer;
use stellata_protocol::{Buffer, Format, Oid, Params, Result};

fn written(write: impl FnOnce(&mut Buffer) -> Result<()>) -> Vec<u8> {
    let mut out = Buffer::new();
    write(&mut out).unwrap();
    out.as_slice().to_vec()
}

fn startup() -> Vec<u8> {
    written(|out| write_startup(out, 0x0003_0000, [("user", "me")]))
}

/// The lines of what a client sends behind its start-up message.
fn frontend(sent: &[u8]) -> Vec<String> {
    let (mut tracer, mut lines) = (Tracer::new(), String::new());
    tracer.frontend(&startup(), &mut lines);
    lines.clear();
    tracer.frontend(sent, &mut lines);
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn every_request_has_its_line() {
    let mut params = Params::new();
    params.push(&7_i32).unwrap();
    params.push_null(Oid::TEXT);
    let sent = written(|out| {
        write_parse(out, "s", "select $1", &[Oid::INT4])?;
        write_bind(out, "p", "s", &params, Format::Binary)?;
        write_describe(out, Target::Portal("p"))?;
        write_execute(out, "p", 3)?;
        write_close(out, Target::Statement("s"))?;
        write_flush(out);
        write_sync(out);
        write_query(out, "select '\t'")?;
        write_function_call(out, Oid(1598), &params, Format::Text)?;
        write_copy_data(out, b"1\n")?;
        write_copy_done(out);
        write_copy_fail(out, "no")?;
        write_terminate(out);
        Ok(())
    });
    let wanted = [
        "F\t22\tParse\t \"s\" \"select $1\" 1 23",
        "F\t30\tBind\t \"p\" \"s\" 1 1 2 4 '\\x00\\x00\\x00\\x07' -1 1 1",
        "F\t7\tDescribe\t P \"p\"",
        "F\t10\tExecute\t \"p\" 3",
        "F\t7\tClose\t S \"s\"",
        "F\t4\tFlush",
        "F\t4\tSync",
        "F\t15\tQuery\t \"select '\\x09'\"",
        "F\t28\tFunctionCall\t 1598 1 1 2 4 '\\x00\\x00\\x00\\x07' -1 0",
        "F\t6\tCopyData\t '1\\x0a'",
        "F\t4\tCopyDone",
        "F\t7\tCopyFail\t \"no\"",
        "F\t4\tTerminate",
    ];
    assert_eq!(frontend(&sent), wanted);
    assert!(frontend(b"!\0\0\0\x04")[0].contains("Unknown"));
    assert!(frontend(b"Q\0\0\0\x03")[0].contains("no message of this protocol"));
}

#[test]
fn requests_for_encryption_are_answered_by_a_letter() {
    for (request, name) in [
        (written(write_ssl_request), "SSLRequest"),
        (written(write_gssenc_request), "GSSENCRequest"),
    ] {
        let (mut tracer, mut lines) = (Tracer::new(), String::new());
        tracer.frontend(&request, &mut lines);
        assert!(lines.contains(name), "{lines}");
        tracer.backend(b"N", &mut lines);
        tracer.frontend(&startup(), &mut lines);
        assert!(lines.contains("StartupMessage"), "{lines}");

        // What is encrypted is not looked at.
        let (mut tracer, mut lines) = (Tracer::new(), String::new());
        tracer.frontend(&request, &mut lines);
        tracer.backend(b"S", &mut lines);
        lines.clear();
        tracer.frontend(&startup(), &mut lines);
        tracer.backend(b"Z\0\0\0\x05I", &mut lines);
        assert_eq!(lines, "");
    }
}

#[test]
fn secrets_are_shown_when_asked_for() {
    let (mut tracer, mut lines) = (Tracer::new().with_secrets(), String::new());
    tracer.backend(b"K\0\0\0\x0c\0\0\0\x07abcd", &mut lines);
    assert_eq!(lines, "B\t12\tBackendKeyData\t 7 'abcd'\n");
    for (code, name) in [
        (0, "AuthenticationOk"),
        (3, "AuthenticationCleartextPassword"),
        (7, "AuthenticationGSS"),
        (8, "AuthenticationGSSContinue"),
        (9, "AuthenticationSSPI"),
    ] {
        lines.clear();
        tracer.backend(&[b'R', 0, 0, 0, 8, 0, 0, 0, code], &mut lines);
        assert!(lines.starts_with(&format!("B\t8\t{name}")), "{lines}");
    }
}
