//! Messages: writing what a point lookup sends, reading what it gets back.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stellata_protocol::message::{
    CommandTag, FieldDescription, Format, Target, read_row_description, write_bind, write_data_row,
    write_describe, write_execute, write_parse, write_row_description, write_sync,
};
use stellata_protocol::{Buffer, Oid, Params, frame};

const NAME: &str = "s_0123456789abcdef0123456789abcdef";
const SQL: &str = "select id, name, hair_color, created_at from users where id = $1";
const LIMIT: usize = 1 << 20;

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let mut params = Params::new();
    params.push(&7_i32).unwrap();
    let mut out = Buffer::with_capacity(1024);
    group.bench_function("bind, execute, sync", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_bind(&mut out, "", NAME, black_box(&params), Format::Binary).unwrap();
            write_execute(&mut out, "", 0).unwrap();
            write_sync(&mut out);
            black_box(out.len())
        });
    });
    group.bench_function("parse, describe", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_parse(&mut out, NAME, black_box(SQL), &[Oid::INT4]).unwrap();
            write_describe(&mut out, Target::Statement(NAME)).unwrap();
            black_box(out.len())
        });
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let mut rows = Buffer::new();
    for _ in 0..1000 {
        write_data_row(&mut rows, &[Some(&[0, 0, 0, 7]), Some(b"somebody"), None]).unwrap();
    }
    group.throughput(Throughput::Elements(1000));
    group.bench_function("heads of 1000 rows", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(rows.as_slice());
            let mut count = 0;
            while let Some(found) = frame(rest, LIMIT).unwrap() {
                rest = &rest[found.size..];
                count += 1;
            }
            count
        });
    });
    group.throughput(Throughput::Elements(1));
    let mut description = Buffer::new();
    write_row_description(&mut description, &fields()).unwrap();
    group.bench_function("row description", |bencher| {
        bencher.iter(|| read_row_description(black_box(&description.as_slice()[5..])).unwrap());
    });
    group.bench_function("command tag", |bencher| {
        bencher.iter(|| CommandTag::read(black_box(b"INSERT 0 1234\0")).unwrap().rows());
    });
    group.finish();
}

fn fields() -> Vec<FieldDescription> {
    let columns = [("id", Oid::INT4, 4), ("name", Oid::TEXT, -1), ("hair_color", Oid::TEXT, -1)];
    columns
        .map(|(name, type_oid, type_size)| FieldDescription {
            name: name.into(),
            table_oid: Oid(16_400),
            column_number: 1,
            type_oid,
            type_size,
            type_modifier: -1,
            format: Format::Binary,
        })
        .into()
}

criterion_group!(messages, encode, decode);
criterion_main!(messages);
