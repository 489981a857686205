//! Futures that are polled a few times and dropped.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Polls a future `polls` times at the most, each time it wakes, and drops it. Returns what it came to, if it did.
pub(crate) async fn poll_and_drop<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let output = {
        let mut future = pin!(future);
        let mut left = polls;
        poll_fn(|cx| {
            if left > 0 {
                left -= 1;
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(output));
                }
            }
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    };
    if output.is_none() {
        // Whoever calls this in a loop lets the rest of the world go on.
        tokio::task::yield_now().await;
    }
    output
}

/// The same with a moment between the polls, whether something wakes the future or not: one that may wait for ever is
/// dropped as well.
pub(crate) async fn poll_in_turns<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Some(output) = poll_and_drop(1, future.as_mut()).await {
            return Some(output);
        }
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    None
}
