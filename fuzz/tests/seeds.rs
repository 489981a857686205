//! The inputs of the corpus for single messages and values: one for each reader, in the order of the readers.
//!
//! Those for whole conversations are written by the tests of `protocol`.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stellata_protocol::message::{
    Authentication, BackendKey, NegotiateProtocolVersion, Notification, ParameterStatus,
    ServerError, Target, write_bind, write_describe, write_execute, write_parameter_description,
    write_parse, write_row_description, write_startup,
};
use stellata_protocol::{Buffer, FieldDescription, Format, Json, Oid, Parameter, Params, Result};
use uuid::Uuid;

/// As in the tests of `protocol`.
const WRITE: &str = "STELLATA_WRITE_CORPUS";

fn keep(name: &str, input: &[u8]) {
    stellata_fuzz::run(input);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/wire").join(name);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, input).expect("the corpus can be written");
    } else {
        let kept = std::fs::read(path).unwrap_or_default();
        assert!(kept == input, "corpus/wire/{name} is another: run the test with {WRITE}=1");
    }
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
    let negotiation =
        NegotiateProtocolVersion { version: 0x0003_0000, unknown_options: vec!["_pq_.a"] };
    let setting = ParameterStatus { name: "TimeZone", value: "UTC" };
    let seeds = [
        body(&|out| Authentication::Sasl { mechanisms }.write(out), 5),
        body(&|out| ServerError::write(out, b'E', &error), 5),
        body(&|out| notification.write(out), 5),
        body(&|out| setting.write(out), 5),
        b"I".to_vec(),
        b"INSERT 0 5\0".to_vec(),
        body(&|out| BackendKey::new(7, [1, 2, 3, 4]).write(out), 5),
        body(&|out| write_row_description(out, &[field.clone(), field.clone()]), 5),
        body(&|out| write_parameter_description(out, &[Oid::INT4, Oid::TEXT]), 5),
        body(&|out| write_startup(out, 0x0003_0000, [("user", "me"), ("database", "d")]), 4),
        body(&|out| write_parse(out, "s", "select $1", &[Oid::INT4]), 5),
        body(&|out| write_bind(out, "", "s", &params, Format::Binary), 5),
        body(&|out| write_execute(out, "p", 7), 5),
        body(&|out| write_describe(out, Target::Portal("p")), 5),
        body(&|out| negotiation.write(out), 5),
        b"1\0\0\0\x042\0\0\0\x04Z\0\0\0\x05I".to_vec(),
        [b"\0\x03", params.as_slice(), b"\xff\xff\xff\xff"].concat(),
        b"+server,s=c2FsdA==,i=4".to_vec(),
        b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec(),
        "pa\u{00ad}ss\u{2168}\u{00a0}".into(),
    ];
    for (kind, seed) in (0_u8..).zip(&seeds) {
        keep(&format!("message-{kind:02}"), &[&[2, kind][..], seed].concat());
    }
}

#[test]
fn values() {
    let instant: DateTime<Utc> = "2024-02-29T23:59:59.123456Z".parse().expect("an instant");
    let moment: NaiveDateTime = instant.naive_utc();
    let (date, time): (NaiveDate, NaiveTime) = (moment.date(), moment.time());
    let number: Decimal = "-12345.6789000".parse().expect("a number");
    let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef);
    let value: Value = json!({"a": [1, 2.5, null, "x"], "b": {"c": true}});
    let text = "grüße".to_owned();
    let seeds: Vec<Box<dyn Parameter>> = vec![
        Box::new(true),
        Box::new(-1_i8),
        Box::new(-2_i16),
        Box::new(-3_i32),
        Box::new(-4_i64),
        Box::new(5_u32),
        Box::new(1.5_f32),
        Box::new(f64::NAN),
        Box::new(text.clone()),
        Box::new(text.clone()),
        Box::new(text.clone()),
        Box::new(text.clone()),
        Box::new(text.clone()),
        Box::new(vec![0_u8, 255]),
        Box::new(vec![0_u8, 255]),
        Box::new([1_u8, 2, 3]),
        Box::new(vec![0_u8, 255]),
        Box::new(vec![0_u8, 255]),
        Box::new(vec![0_u8, 255]),
        Box::new(uuid),
        Box::new(date),
        Box::new(time),
        Box::new(moment),
        Box::new(instant),
        Box::new(instant.fixed_offset()),
        Box::new(number),
        Box::new(value.clone()),
        Box::new(Json(0.1_f64)),
        Box::new(Json(vec![Some(1_i64), None])),
        Box::new(Json(json!({"a": "b"}))),
        Box::new(Some(7_i32)),
        Box::new(vec![true, false]),
        Box::new(vec![1_i8]),
        Box::new(vec![1_i16, 2]),
        Box::new(vec![1_i32, 2]),
        Box::new(vec![1_i64, 2]),
        Box::new(vec![1_u32, 2]),
        Box::new(vec![1.5_f32]),
        Box::new(vec![1.5_f64]),
        Box::new(vec![text.clone(), String::new()]),
        Box::new(vec![text.clone()]),
        Box::new(vec![vec![1_u8], vec![]]),
        Box::new(vec![[1_u8, 2, 3]]),
        Box::new(vec![Some(text), None]),
        Box::new(vec![uuid]),
        Box::new(vec![date]),
        Box::new(vec![Some(time), None]),
        Box::new(vec![moment]),
        Box::new(vec![instant]),
        Box::new(vec![number]),
        Box::new(vec![value]),
        Box::new(vec![Json(2.5_f64)]),
    ];
    for (kind, seed) in (0_u8..).zip(&seeds) {
        let mut params = Params::new();
        seed.append_to(&mut params).expect("a seed can be written");
        // Any number above those in the harness's list stands for the type's own.
        let head = [3, kind, u8::MAX];
        keep(&format!("value-{kind:02}"), &[&head, &params.as_slice()[4..]].concat());
    }
}
