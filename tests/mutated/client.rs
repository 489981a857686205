//! A server whose answers have bits flipped, bytes added and bytes taken away: the caller gets a value or an error, in time
//! and in little memory.
//!
//! What the bytes mean is held against them below the client, beside this; here the client itself is to survive.
//! `STELLATA_LONG=1` tries more; `STELLATA_SEED` draws others; `STELLATA_MUTATION` names the one that failed.

use std::time::{Duration, Instant};

use allocation_counter::measure;
use stellata_client::Connection;
use stellata_testkit::{Direction, Pipe, Recording, with_database};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::conversations::all;
use super::recording::{config, record};
use super::workflow::Workflow;
use super::{MEMORY, Numbers, Pieces, TIME, mutate};

const USUAL: u64 = 3_000;
const LONG: u64 = 200_000;

/// How long the server waits for what the client does not send. Time stands still but for this.
const PATIENCE: Duration = Duration::from_secs(600);

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

/// What came of all replays.
#[derive(Default)]
struct Tally {
    replays: u64,
    /// Those that gave a value, and those that gave the recorded one.
    values: u64,
    right: u64,
    /// The most bytes that one held, and the longest time that one took.
    memory: u64,
    time: Duration,
}

impl Tally {
    /// Replays by the numbers that the seed draws.
    fn of(url: &str, recorded: &[String], recordings: &[Recording]) -> Self {
        let numbers = Numbers::told(USUAL, LONG);
        let workflows = all();
        let mut tally = Self::default();
        for number in numbers.range() {
            let mut random = numbers.random(number);
            let at = random.below(workflows.len());
            let (name, workflow) = workflows[at];
            let pieces = mutate(&recordings[at], &mut random);
            let case = format!("{name}: mutation {number} of seed {}", numbers.seed);
            let play = || {
                let begun = Instant::now();
                let mut value = None;
                let held = measure(|| {
                    let mut runtime = Builder::new_current_thread();
                    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
                    value = runtime.block_on(replay(url, workflow, &pieces));
                });
                (value, held.bytes_max, begun.elapsed())
            };
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(play));
            let Ok((value, held, mut took)) = played else { panic!("{case} failed") };
            assert!(held <= MEMORY, "{case}: {held} bytes were held");
            // Once may be the machine's fault.
            for _ in 0..3 {
                if took > TIME {
                    took = play().2;
                }
            }
            assert!(took <= TIME, "{case}: it took {took:?}");
            tally.replays += 1;
            tally.values += u64::from(value.is_some());
            tally.right += u64::from(value.as_ref() == Some(&recorded[at]));
            tally.memory = tally.memory.max(held);
            tally.time = tally.time.max(took);
        }
        tally
    }
}

#[test]
fn a_server_whose_answers_are_garbled() {
    // The server is there for the recordings alone: more replays take longer than a test may that has a database.
    let (url, recorded, recordings) = with_database(async |database| record(database).await);
    let Tally { replays, values, right, memory, time } = Tally::of(&url, &recorded, &recordings);
    println!(
        "mutated: {replays} replays through the client, {values} values, {right} as recorded, \
         {} errors; {memory} bytes and {time:?} at most",
        replays - values
    );
}
