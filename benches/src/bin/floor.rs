//! What the least costs that a program can do, beside what the client does: `floor <url> [rows] [rounds]` copies rows in, by the
//! client, and by a loop that writes the same bytes, which are there already, in pieces of 64 KB to a plain socket. It prints the
//! time that each has kept a processor busy, kernel included, per million rows, and the ratio. To be run by hand, on Linux, on a
//! machine that has nothing else to do; the server needs the tables of `stellata_benches::schema::COPIED`, and trusts.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use stellata_benches::client as workload;
use stellata_client::{Config, Connection};
use stellata_protocol::copy::BinaryCopyWriter;
use stellata_protocol::{Oid, TimestampTz};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [url] => run(url, 1_000_000, 5),
        [url, rows, rounds] => match (rows.parse(), rounds.parse()) {
            (Ok(rows), Ok(rounds)) => run(url, rows, rounds),
            _ => Err("rows and rounds are numbers".into()),
        },
        _ => Err("usage: floor <url> [<rows> <rounds>]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, rows: i32, rounds: u32) -> Outcome {
    let config = Config::parse(&format!("{url}?sslmode=disable"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pieces = pieces(rows)?;
    let (mut least, mut floor) = (Duration::MAX, Duration::MAX);
    runtime.block_on(async {
        let mut connection = Connection::connect(&config).await?;
        for _ in 0..rounds {
            connection.simple("truncate copies").await?;
            let before = busy()?;
            workload::copy_in(&mut connection, rows).await?;
            least = least.min(busy()?.saturating_sub(before));
            connection.simple("truncate copies").await?;
            floor = floor.min(plain(url, &pieces).await?);
        }
        connection.simple("truncate copies").await?;
        Outcome::Ok(())
    })?;
    let millions = f64::from(rows) / 1e6;
    let (least, floor) = (least.as_secs_f64() * 1e3, floor.as_secs_f64() * 1e3);
    println!("the client  {:.1} ms per million rows", least / millions);
    println!("the floor   {:.1} ms per million rows", floor / millions);
    println!("ratio       {:.2}", least / floor);
    Ok(())
}

/// The messages that copy the rows of the workload.
fn pieces(rows: i32) -> Outcome<Vec<Vec<u8>>> {
    let types = [Oid::INT4, Oid::TEXT, Oid::TEXT, Oid::TIMESTAMPTZ];
    let mut writer = BinaryCopyWriter::new(types)?;
    let mut pieces = Vec::new();
    for id in 0..rows {
        let color = (id % 2 == 0).then_some("brown");
        let created_at = TimestampTz::from_unix_microseconds(i64::from(id))?;
        writer.row(&(id, "user 12345", color, created_at))?;
        if writer.is_full() {
            pieces.push(writer.message()?.to_vec());
            writer.clear();
        }
    }
    writer.finish()?;
    pieces.push(writer.message()?.to_vec());
    Ok(pieces)
}

/// Copies by a plain socket; returns how long that kept a processor busy, from the command to the answer.
async fn plain(url: &str, pieces: &[Vec<u8>]) -> Outcome<Duration> {
    let (user, rest) = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('@'))
        .ok_or("a url with a user")?;
    let (address, database) = rest.split_once('/').ok_or("a url with a database")?;
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut startup = vec![0, 3, 0, 0];
    for word in ["user", user, "database", database, ""] {
        startup.extend_from_slice(word.as_bytes());
        startup.push(0);
    }
    stream.write_u32(u32::try_from(startup.len() + 4)?).await?;
    stream.write_all(&startup).await?;
    read_to(&mut stream, b'Z').await?;
    let before = busy()?;
    let command = b"copy copies (id, name, hair_color, created_at) from stdin (format binary)\0";
    stream.write_all(&message(b'Q', command)?).await?;
    read_to(&mut stream, b'G').await?;
    for piece in pieces {
        stream.write_all(piece).await?;
    }
    stream.write_all(&message(b'c', b"")?).await?;
    read_to(&mut stream, b'Z').await?;
    let busy = busy()?.saturating_sub(before);
    stream.write_all(&message(b'X', b"")?).await?;
    Ok(busy)
}

fn message(tag: u8, body: &[u8]) -> Outcome<Vec<u8>> {
    let mut message = vec![tag];
    message.extend_from_slice(&u32::try_from(body.len() + 4)?.to_be_bytes());
    message.extend_from_slice(body);
    Ok(message)
}

/// Reads messages up to one of this type.
async fn read_to(stream: &mut TcpStream, wanted: u8) -> Outcome {
    loop {
        let tag = stream.read_u8().await?;
        let length = stream.read_u32().await?;
        let mut body = vec![0; usize::try_from(length)?.saturating_sub(4)];
        stream.read_exact(&mut body).await?;
        match tag {
            b'E' => return Err(String::from_utf8_lossy(&body).into()),
            tag if tag == wanted => return Ok(()),
            _ => {}
        }
    }
}

/// How long this thread has kept a processor busy.
fn busy() -> Outcome<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().ok_or("the kernel counts no times")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
