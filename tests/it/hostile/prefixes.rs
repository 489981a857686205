//! A server that stops at any byte of its answers: the caller gets all of what was asked, or an error.

use std::time::Duration;

use stellata_client::Connection;
use stellata_testkit::{Direction, Pipe, Recording, with_database};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

use super::conversations::all;
use super::recording::{config, record};
use super::workflow::Workflow;

/// The most prefixes of one recording that are tried; of longer ones not all.
const MOST: usize = 1_500;

/// Plays the server's side up to `end` bytes: each piece comes when the client has sent what it had sent before it.
async fn play(mut stream: Pipe, recording: &Recording, mut end: usize) {
    let mut asked = vec![0; 64 * 1024];
    for (direction, bytes) in recording.pieces() {
        match direction {
            Direction::ToServer => {
                if stream.read_exact(&mut asked[..bytes.len()]).await.is_err() {
                    return;
                }
            }
            Direction::ToClient => {
                let piece = &bytes[..end.min(bytes.len())];
                if stream.write_all(piece).await.is_err() || piece.len() < bytes.len() {
                    return;
                }
                end -= piece.len();
            }
        }
    }
}

/// What comes of the workflow when the server stops after `end` bytes.
async fn replay(
    url: &str,
    workflow: Workflow,
    recording: &Recording,
    end: usize,
    chunk: usize,
) -> Option<String> {
    let (client, server) = Pipe::pair(64 * 1024);
    let config = config(url);
    let asking = async {
        let mut connection = Connection::over(client.chunks(chunk), &config).await.ok()?;
        workflow(&mut connection).await.ok()
    };
    // Time stands still but for this: it passes at once when nobody has anything left to do.
    let limit = Duration::from_secs(3600);
    tokio::select! {
        biased;
        value = asking => value,
        () = async {
            play(server, recording, end).await;
            tokio::time::sleep(limit).await;
        } => panic!("the workflow hangs after {end} bytes"),
    }
}

#[test]
fn a_server_that_stops_at_any_byte() {
    with_database(async |database| {
        let (url, recorded, recordings) = record(database).await;
        let replays = move || replay_all(&url, &recorded, &recordings);
        let replays = tokio::task::spawn_blocking(replays).await.unwrap();
        println!("prefixes: {replays} of {} workflows", all().len());
    });
}

/// Replays all prefixes on paused time; returns how many.
fn replay_all(url: &str, recorded: &[String], recordings: &[Recording]) -> usize {
    let mut count = 0;
    for ((name, workflow), (wanted, recording)) in
        all().into_iter().zip(recorded.iter().zip(recordings))
    {
        let length = recording.bytes(Direction::ToClient).len();
        let step = length.div_ceil(MOST);
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        count += runtime.block_on(async {
            let mut tried = 0;
            for end in (0..length).step_by(step) {
                let value = replay(url, workflow, recording, end, usize::MAX).await;
                // What the last bytes say may not matter to the workflow.
                assert!(value.is_none_or(|value| value == *wanted), "{name}, {end} of {length}");
                tried += 1;
            }
            for chunk in [1, 3, 7, usize::MAX] {
                let value = replay(url, workflow, recording, length, chunk).await;
                assert_eq!(value.as_ref(), Some(wanted), "{name} in pieces of {chunk}");
            }
            tried
        });
    }
    count
}
