//! Rows: a DataRow read from left to right, owned and borrowed.

use std::hint::black_box;

use chrono::{DateTime, Utc};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stellata_benches::client::User;
use stellata_protocol::message::write_data_row;
use stellata_protocol::{Buffer, Columns, FromRow, Oid};

const TYPES: [Oid; 4] = [Oid::INT4, Oid::TEXT, Oid::TEXT, Oid::TIMESTAMPTZ];

fn rows(criterion: &mut Criterion) {
    let mut message = Buffer::new();
    let values: [Option<&[u8]>; 4] =
        [Some(&[0, 0, 0, 7]), Some(b"somebody"), Some(b"brown"), Some(&[0, 2, 0, 0, 0, 0, 0, 0])];
    write_data_row(&mut message, &values).unwrap();
    let body = &message.as_slice()[5..];
    let mut group = criterion.benchmark_group("row of 4 columns");
    group.throughput(Throughput::Elements(1));
    group.bench_function("owned", |bencher| {
        bencher.iter(|| {
            let mut columns = Columns::new(black_box(body), &TYPES).unwrap();
            User::from_row(&mut columns).unwrap()
        });
    });
    group.bench_function("borrowed", |bencher| {
        bencher.iter(|| {
            let mut columns = Columns::new(black_box(body), &TYPES).unwrap();
            black_box(<(i32, &str, Option<&str>, DateTime<Utc>)>::from_row(&mut columns).unwrap());
        });
    });
    group.finish();
}

criterion_group!(all, rows);
criterion_main!(all);
