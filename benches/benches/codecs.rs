//! Each family of codecs: a value written with its length, and read again.

use std::hint::black_box;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use rust_decimal::Decimal;
use serde_json::json;
use stellata_protocol::{Buffer, Decode, Encode};
use uuid::Uuid;

/// Writes and reads one value; the reading has to give it back.
fn both_ways<T>(criterion: &mut Criterion, name: &str, value: &T)
where
    T: Encode + for<'r> Decode<'r> + PartialEq + std::fmt::Debug,
{
    let oid = T::TYPE.oid;
    let mut written = Buffer::new();
    let _ = value.encode(oid, &mut written).unwrap();
    assert_eq!(&T::decode(oid, written.as_slice()).unwrap(), value, "{name}");
    let mut group = criterion.benchmark_group(name);
    let mut out = Buffer::with_capacity(64 * 1024);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            let _ = black_box(value).encode_sized(oid, &mut out).unwrap();
            black_box(out.len())
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| T::decode(oid, black_box(written.as_slice())).unwrap());
    });
    group.finish();
}

fn codecs(criterion: &mut Criterion) {
    both_ways(criterion, "bool", &true);
    both_ways(criterion, "int2", &12_345_i16);
    both_ways(criterion, "int4", &1_234_567_i32);
    both_ways(criterion, "int8", &1_234_567_890_123_i64);
    both_ways(criterion, "float4", &12.5_f32);
    both_ways(criterion, "float8", &1234.5_f64);
    both_ways(criterion, "text of 10 bytes", &"hair color".to_owned());
    both_ways(criterion, "text of 10 KB", &"x".repeat(10 * 1024));
    both_ways(criterion, "bytea of 10 KB", &vec![7_u8; 10 * 1024]);
    both_ways(criterion, "uuid", &Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
    let date = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    let time = NaiveTime::from_hms_micro_opt(13, 14, 15, 123_456).unwrap();
    both_ways(criterion, "date", &date);
    both_ways(criterion, "time", &time);
    both_ways(criterion, "timestamp", &date.and_time(time));
    both_ways::<DateTime<Utc>>(criterion, "timestamptz", &date.and_time(time).and_utc());
    both_ways(criterion, "numeric", &Decimal::new(12_345_678_901_234, 4));
    both_ways(criterion, "jsonb", &json!({ "id": 7, "tags": ["a", "b"], "at": { "x": 1.5 } }));
    both_ways(criterion, "int4[] of 100", &(0..100).collect::<Vec<i32>>());
    let words: Vec<_> = (0..100).map(|n| (n % 2 == 0).then(|| format!("word {n}"))).collect();
    both_ways(criterion, "text[] of 100, half NULL", &words);
    both_ways(criterion, "nullable", &Some(7_i32));
}

criterion_group!(all, codecs);
criterion_main!(all);
