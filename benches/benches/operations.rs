//! Whole operations against a real server, over TCP on one machine: wall time, most of which is the server's.
//!
//! For claims about speed use `cargo xtask budgets`: its counts repeat, these times do not.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stellata::prelude::*;
use stellata_benches::{client, model, schema};
use stellata_client::{Config, Connection};
use stellata_pool::{Pool, PoolOptions};
use stellata_testkit::{Database, Server};
use tokio::runtime::{Builder, Runtime};

/// A server with the tables of the workloads, and a runtime of one thread.
fn stage() -> (Database, Config, Runtime) {
    let database = Database::create(Server::shared().unwrap()).unwrap();
    for sql in [schema::CREATE, schema::FILL, schema::SETTLE] {
        database.run(sql).unwrap();
    }
    let config = Config::parse(&database.tcp_url()).unwrap();
    (database, config, Builder::new_current_thread().enable_all().build().unwrap())
}

fn operations(criterion: &mut Criterion) {
    let (_database, config, runtime) = stage();
    let mut connection = runtime.block_on(Connection::connect(&config)).unwrap();
    let mut group = criterion.benchmark_group("client");
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("W1 point lookup", |bencher| {
        bencher.iter(|| runtime.block_on(client::point(&mut connection, 7)).unwrap());
    });
    group.bench_function("W3 insert one", |bencher| {
        bencher.iter(|| {
            runtime.block_on(client::insert(&mut connection, "somebody", Some("brown"))).unwrap()
        });
    });
    let pool = Pool::new(config.clone(), PoolOptions::new().max(8));
    group.bench_function("W6a acquire and release", |bencher| {
        bencher.iter(|| runtime.block_on(pool.acquire()).unwrap());
    });
    group.sample_size(20);
    group.bench_function("W8 connect and query", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let mut connection = Connection::connect(&config).await.unwrap();
                client::point(&mut connection, 7).await.unwrap()
            })
        });
    });
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("W2 10 000 rows", |bencher| {
        bencher.iter(|| runtime.block_on(client::all(&mut connection)).unwrap());
    });
    group.throughput(Throughput::Elements(100));
    let many = [("somebody", Some("brown")); 100];
    group.bench_function("W3 insert 100", |bencher| {
        bencher.iter(|| runtime.block_on(client::insert_many(&mut connection, &many)).unwrap());
    });
    let ids: Vec<i32> = (1..=100).collect();
    let mut users = Vec::with_capacity(ids.len());
    group.bench_function("W5 100 lookups", |bencher| {
        bencher.iter(|| {
            users.clear();
            runtime.block_on(client::lookups(&mut connection, &ids, &mut users)).unwrap();
        });
    });
    group.finish();
}

fn models(criterion: &mut Criterion) {
    let (_database, config, runtime) = stage();
    let db = runtime.block_on(Db::connect_with(config, PoolOptions::new().max(8))).unwrap();
    let mut group = criterion.benchmark_group("model");
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("W1 get by key", |bencher| {
        bencher.iter(|| runtime.block_on(model::point(&db, 7)).unwrap());
    });
    group.bench_function("W1 filter and first", |bencher| {
        bencher.iter(|| runtime.block_on(model::filtered(&db, 7)).unwrap());
    });
    group.bench_function("W3 insert one", |bencher| {
        bencher.iter_batched(
            || model::new_user("somebody", Some("brown")),
            |user| runtime.block_on(user.insert(&db)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.sample_size(20);
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("W2 10 000 rows", |bencher| {
        bencher.iter(|| runtime.block_on(model::all(&db)).unwrap());
    });
    group.throughput(Throughput::Elements(100));
    group.bench_function("W3 insert 100", |bencher| {
        bencher.iter_batched(
            || (0..100).map(|_| model::new_user("somebody", Some("brown"))).collect(),
            |users| runtime.block_on(model::insert_many(&db, users)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("W4 100 users, 10 posts, 5 comments", |bencher| {
        bencher.iter(|| runtime.block_on(model::graph(&db, 100)).unwrap());
    });
    group.finish();
}

criterion_group!(all, operations, models);
criterion_main!(all);
