//! A server whose answers have bits flipped, bytes added and bytes taken away: the caller gets a value or an error, in time.
//!
//! What the bytes mean is held against them in `tests/mutated`, below the client; here the client itself is to survive.
//! `STELLATA_LONG=1` tries more, `STELLATA_SEED` draws others.

use std::time::Duration;

use stellata_client::Connection;
use stellata_testkit::{Direction, Pipe, Recording, with_database};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::conversations::all;
use super::prefixes::{config, record};
use super::workflow::Workflow;

const USUAL: u64 = 3_000;
const LONG: u64 = 200_000;

/// How long the server waits for what the client does not send. Time stands still but for this.
const PATIENCE: Duration = Duration::from_secs(600);

/// Random numbers: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(number).unwrap() % limit.max(1)
    }
}

/// The pieces of a session, each with its direction.
type Pieces = Vec<(Direction, Vec<u8>)>;

/// Changes the server's bytes at one to three places.
fn mutate(recording: &Recording, random: &mut Random) -> Pieces {
    let mut pieces: Pieces =
        recording.pieces().map(|(direction, bytes)| (direction, bytes.to_vec())).collect();
    let servers: Vec<usize> =
        (0..pieces.len()).filter(|at| pieces[*at].0 == Direction::ToClient).collect();
    for _ in 0..=random.below(3) {
        let piece = &mut pieces[servers[random.below(servers.len())]].1;
        let at = random.below(piece.len());
        match (random.below(3), piece.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(_)) => drop(piece.remove(at)),
            _ => piece.insert(at, u8::try_from(random.below(256)).unwrap()),
        }
    }
    pieces
}

/// Plays the server's side; goes when the client does not send what it sent before.
async fn play(mut stream: Pipe, pieces: &Pieces) {
    let mut asked = vec![0; 64 * 1024];
    for (direction, bytes) in pieces {
        let went = match direction {
            Direction::ToServer => {
                let read = stream.read_exact(&mut asked[..bytes.len()]);
                matches!(timeout(PATIENCE, read).await, Ok(Ok(_)))
            }
            Direction::ToClient => {
                let written = stream.write_all(bytes);
                matches!(timeout(PATIENCE, written).await, Ok(Ok(())))
            }
        };
        if !went {
            return;
        }
    }
}

/// What comes of the workflow.
async fn replay(url: &str, workflow: Workflow, pieces: &Pieces) -> Option<String> {
    let (client, server) = Pipe::pair(64 * 1024);
    let config = config(url);
    let asking = async {
        let mut connection = Connection::over(client, &config).await.ok()?;
        let value = workflow(&mut connection).await.ok();
        // It knows that it is closed, or can be asked whether it lives.
        let _ = connection.is_alive();
        value
    };
    let (value, ()) = timeout(10 * PATIENCE, async { tokio::join!(asking, play(server, pieces)) })
        .await
        .expect("the workflow hangs");
    value
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Replays by the numbers that the seed draws; returns how many gave a value, and how many the recorded one.
fn replay_all(url: &str, recorded: &[String], recordings: &[Recording]) -> (u64, u64, u64) {
    let count = if std::env::var_os("STELLATA_LONG").is_some() { LONG } else { USUAL };
    let seed = number("STELLATA_SEED").unwrap_or(1);
    let (mut values, mut right) = (0, 0);
    for number in 0..count {
        let mut random = Random((seed << 32 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let at = random.below(all().len());
        let (name, workflow) = all()[at];
        let pieces = mutate(&recordings[at], &mut random);
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(replay(url, workflow, &pieces))
        }));
        let Ok(value) = value else { panic!("{name}: mutation {number} of seed {seed}") };
        values += u64::from(value.is_some());
        right += u64::from(value.as_ref() == Some(&recorded[at]));
    }
    (count, values, right)
}

#[test]
fn a_server_whose_answers_are_garbled() {
    // The server is there for the recordings alone: more replays take longer than a test may that has a database.
    let (url, recorded, recordings) = with_database(async |database| record(database).await);
    let (count, values, right) = replay_all(&url, &recorded, &recordings);
    println!("mutated: {count} replays through the client, {values} values, {right} as recorded");
}
