//! Those who wait are served in the order in which they came.

use std::sync::Arc;
use std::task::Poll;

use shuttle::thread;

use super::{SLOTS, Stage, THREADS, below, poll, try_orders};
use crate::lending::NEVER;

#[test]
fn nobody_is_served_before_those_who_came_earlier() {
    try_orders(2_000, || {
        let stage = Stage::filled(SLOTS);
        let lent: Vec<_> = (0..SLOTS).map(|_| stage.acquire().unwrap()).collect();
        let mut waits: Vec<_> = (0..THREADS).map(|_| Some(stage.lending.wait(NEVER))).collect();
        let givers: Vec<_> = lent
            .into_iter()
            .map(|lent| {
                let stage = Arc::clone(&stage);
                thread::spawn(move || stage.give(lent))
            })
            .collect();
        let mut served = 0;
        while waits.iter().any(Option::is_some) {
            if below(4) == 0 {
                // One of them goes away; what it may have been given goes to the next.
                waits[below(THREADS) as usize] = None;
            }
            // The last first: whoever has something by now, those before have had it longer; but for what a giver has in its
            // hand, who has taken the next out of the line and not told it yet.
            let (mut ready, mut passed) = (Vec::new(), 0);
            for at in (0..waits.len()).rev() {
                let Some(wait) = &mut waits[at] else { continue };
                match poll(wait) {
                    Poll::Ready(lent) => {
                        waits[at] = None;
                        ready.push(lent.unwrap());
                    }
                    Poll::Pending if ready.is_empty() => {}
                    Poll::Pending => passed += 1,
                }
            }
            assert!(passed < SLOTS, "{passed} wait though later ones were served");
            for lent in ready {
                stage.take(&lent);
                served += 1;
                stage.give(lent);
            }
            thread::yield_now();
        }
        for giver in givers {
            giver.join().unwrap();
        }
        assert!(served <= THREADS);
        stage.all_back(SLOTS as usize);
    });
}
