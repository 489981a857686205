//! The conversation over a stream in memory: what a query costs when the socket and the server cost nothing.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stellata_benches::client::User;
use stellata_protocol::message::{CommandTag, TransactionStatus, write_data_row, write_empty};
use stellata_protocol::{
    Buffer, Columns, Conversation, Event, Format, FromRow, Login, Oid, Params,
};

const TYPES: [Oid; 4] = [Oid::INT4, Oid::TEXT, Oid::TEXT, Oid::TIMESTAMPTZ];

/// A session that is logged in, and all of whose requests are answered.
fn session() -> Conversation {
    let mut conversation = Conversation::start(Login::new("me", [7; 18])).unwrap();
    let start_up = conversation.output().len();
    conversation.wrote(start_up);
    conversation.receive(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    while conversation.advance().unwrap().is_some() {}
    conversation
}

/// A server's answer to Bind, Execute and Sync.
fn answer(rows: usize) -> Buffer {
    let mut answer = Buffer::new();
    write_empty(&mut answer, b'2');
    let values: [Option<&[u8]>; 4] =
        [Some(&[0, 0, 0, 7]), Some(b"somebody"), Some(b"brown"), Some(&[0, 2, 0, 0, 0, 0, 0, 0])];
    for _ in 0..rows {
        write_data_row(&mut answer, &values).unwrap();
    }
    CommandTag { text: &format!("SELECT {rows}") }.write(&mut answer).unwrap();
    TransactionStatus::Idle.write(&mut answer).unwrap();
    answer
}

/// Asks, takes the answer in, reads its rows; returns how many there were.
fn query(conversation: &mut Conversation, params: &Params, answer: &[u8]) -> usize {
    conversation.begin();
    conversation.bind("s_0123456789abcdef0123456789abcdef", params, Format::Binary).unwrap();
    conversation.execute(0).unwrap();
    conversation.sync().unwrap();
    let asked = conversation.output().len();
    conversation.wrote(asked);
    conversation.receive(answer);
    let mut users = 0;
    while let Some(answer) = conversation.advance().unwrap() {
        if answer.event == Event::DataRow {
            let mut columns = Columns::new(conversation.body(), &TYPES).unwrap();
            black_box(User::from_row(&mut columns).unwrap());
            users += 1;
        }
    }
    assert!(conversation.is_quiet());
    users
}

fn conversation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conversation");
    let mut params = Params::new();
    params.push(&7_i32).unwrap();
    for rows in [1, 1000] {
        let mut session = session();
        let answer = answer(rows);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("query of {rows} rows"), |bencher| {
            bencher.iter(|| {
                let users = query(&mut session, black_box(&params), answer.as_slice());
                assert_eq!(users, rows);
            });
        });
    }
    group.finish();
}

criterion_group!(all, conversation);
criterion_main!(all);
