//! Those who use models, and what they are told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stellata::prelude::*;
use stellata::{Error, ErrorKind};
use stellata_pool::{Pool, PoolOptions};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{Cut, Happening, World};

const MAX: usize = 4;
const CALLERS: u64 = 10;
const ROUNDS: u64 = 8;
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
const CLEAN_LIMIT: Duration = Duration::from_secs(1);

#[derive(Model, Debug, Clone)]
#[model(table = "notes")]
struct Note {
    #[model(key)]
    id: i64,
    value: i64,
}

/// What a note of this number holds.
fn value_of(id: i64) -> i64 {
    id.wrapping_mul(0x5DEE_CE66) ^ 0x2A
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    found: u64,
    missing: u64,
    added: u64,
    refused: u64,
    committed: u64,
    rolled_back: u64,
    unknown: u64,
    lost: u64,
    given_up: u64,
}

impl Tally {
    fn all(&mut self) -> [&mut u64; 9] {
        [
            &mut self.found,
            &mut self.missing,
            &mut self.added,
            &mut self.refused,
            &mut self.committed,
            &mut self.rolled_back,
            &mut self.unknown,
            &mut self.lost,
            &mut self.given_up,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (own, more) in self.all().into_iter().zip(other.all()) {
            *own += *more;
        }
    }

    pub(crate) fn has_everything(mut self) -> bool {
        self.all().iter().all(|count| **count > 0)
    }
}

/// What the callers know of the notes.
#[derive(Default)]
struct Known {
    /// The next number of a note.
    next: i64,
    /// They were said to be there.
    there: BTreeSet<i64>,
    /// They were said not to be there.
    absent: BTreeSet<i64>,
    /// Both are there, or none.
    pairs: Vec<(i64, i64)>,
    tally: Tally,
}

impl Known {
    fn new_id(&mut self) -> i64 {
        self.next += 1;
        self.next
    }
}

struct Caller {
    number: u64,
    db: Db,
    world: Arc<World>,
    known: Rc<RefCell<Known>>,
}

impl Caller {
    async fn go_on(self) {
        for _ in 0..ROUNDS {
            let pause = self.world.numbers().millis(400);
            sleep(pause).await;
            let (what, patience) = {
                let numbers = self.world.numbers();
                (numbers.below(6), numbers.millis(12_000))
            };
            let work = async {
                match what {
                    0..3 => self.look_up().await,
                    3 => self.add().await,
                    4 => self.add_two().await,
                    _ => self.add_one_twice().await,
                }
            };
            let start = Instant::now();
            match timeout(patience, work).await {
                Ok(()) => self.world.note("done", self.number),
                Err(_) => {
                    assert!(start.elapsed() <= patience + Duration::from_millis(1));
                    self.known.borrow_mut().tally.given_up += 1;
                    self.world.note("given up", self.number);
                }
            }
        }
    }

    async fn look_up(&self) {
        let id = {
            let known = self.known.borrow();
            let next = u64::try_from(known.next).unwrap_or_default();
            self.world.numbers().below(next + 2) as i64
        };
        let (is_there, is_absent) = {
            let known = self.known.borrow();
            (known.there.contains(&id), known.absent.contains(&id))
        };
        let found = Note::query().filter(|note| note.id.eq(id)).one(&self.db).await;
        let tally = &mut self.known.borrow_mut().tally;
        match found {
            Ok(note) => {
                // The answer to this question, and no other's.
                assert_eq!((note.id, note.value), (id, value_of(id)));
                assert!(!is_absent, "{id} was said not to be there, and is");
                tally.found += 1;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                assert!(!is_there, "{id} was said to be there, and is not");
                tally.missing += 1;
            }
            Err(error) => lost(&error, tally),
        }
    }

    async fn add(&self) {
        let id = self.known.borrow_mut().new_id();
        let added = new!(Note { id, value: value_of(id) }).insert(&self.db).await;
        let mut known = self.known.borrow_mut();
        match added {
            Ok(note) => {
                assert_eq!((note.id, note.value), (id, value_of(id)));
                known.there.insert(id);
                known.tally.added += 1;
            }
            Err(error) => lost(&error, &mut known.tally),
        }
    }

    /// Two notes in one transaction.
    async fn add_two(&self) {
        let (one, two) = {
            let mut known = self.known.borrow_mut();
            let (one, two) = (known.new_id(), known.new_id());
            known.pairs.push((one, two));
            (one, two)
        };
        let outcome = self
            .db
            .transaction(async |tx| {
                new!(Note { id: one, value: value_of(one) }).insert(tx).await?;
                let seen = Note::query().filter(|note| note.id.eq(one)).one(tx).await?;
                assert_eq!(seen.value, value_of(one));
                new!(Note { id: two, value: value_of(two) }).insert(tx).await?;
                Ok::<_, Error>(())
            })
            .await;
        let mut known = self.known.borrow_mut();
        match outcome {
            Ok(()) => {
                known.there.extend([one, two]);
                known.tally.committed += 1;
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => known.tally.unknown += 1,
            Err(error) => {
                // Whatever it was, it came before COMMIT was sent.
                lost(&error, &mut known.tally);
                known.absent.extend([one, two]);
            }
        }
    }

    /// A note, and the same again, which fails.
    async fn add_one_twice(&self) {
        let id = self.known.borrow_mut().new_id();
        let ignores = self.world.numbers().percent(50);
        let outcome = self
            .db
            .transaction(async |tx| {
                new!(Note { id, value: value_of(id) }).insert(tx).await?;
                match new!(Note { id, value: value_of(id) }).insert(tx).await {
                    Err(error) if ignores && error.kind() == ErrorKind::Unique => Ok(()),
                    other => other.map(drop),
                }
            })
            .await;
        let mut known = self.known.borrow_mut();
        match outcome {
            Ok(()) => panic!("it can't have been committed"),
            Err(error) if error.kind() == ErrorKind::Unique => {
                assert!(!ignores);
                known.tally.refused += 1;
            }
            Err(error) if error.kind() == ErrorKind::RolledBack => {
                assert!(ignores);
                known.tally.rolled_back += 1;
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => known.tally.unknown += 1,
            Err(error) => lost(&error, &mut known.tally),
        }
        known.absent.insert(id);
    }
}

/// The only errors that a caller may see when nobody made a mistake.
fn lost(error: &Error, tally: &mut Tally) {
    let is_ended = error.sqlstate().is_some_and(|state| state.as_str() == "57P01");
    let expected = matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout);
    assert!(expected || is_ended, "{error:?}");
    tally.lost += 1;
}

/// What came of one seed.
pub(crate) struct Simulated {
    pub(crate) trace: Vec<Happening>,
    pub(crate) tally: Tally,
}

/// Lets callers use models while things go wrong; then holds what they were told against what is there.
pub(crate) fn simulate(seed: u64) -> Simulated {
    stellata_testkit::keep_journal();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let world = World::new(seed);
        let options = PoolOptions::new()
            .max(MAX)
            .acquire_timeout(ACQUIRE_LIMIT)
            .clean_timeout(CLEAN_LIMIT)
            .lifetime(Some(Duration::from_secs(4)))
            // With and without shared lanes.
            .lanes(seed as usize % 3)
            .seed(seed);
        let opened_in = Arc::clone(&world);
        let pool = Pool::opened_by(move || Arc::clone(&opened_in).connect(), options);
        let known = Rc::new(RefCell::new(Known::default()));
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                let caller = Caller {
                    number,
                    db: Db::from(pool.clone()),
                    world: Arc::clone(&world),
                    known: Rc::clone(&known),
                };
                tokio::task::spawn_local(caller.go_on())
            })
            .collect();
        for _ in 0..20 {
            let pause = world.numbers().millis(400);
            sleep(pause).await;
            let what = world.numbers().below(10);
            match what {
                0..4 => world.kill_one(),
                4 => {
                    world.go_away();
                    let pause = world.numbers().millis(3_000);
                    sleep(pause).await;
                    world.come_back();
                }
                _ => {}
            }
            let status = pool.status();
            assert!(status.lent + status.idle + status.opening <= MAX, "{status:?}");
        }
        for caller in callers {
            caller.await.unwrap();
        }
        world.calm_down();
        // What is still under way when its caller is gone may take as long as the longest delay, and as cleaning may.
        sleep(Duration::from_secs(6) + CLEAN_LIMIT * 3).await;
        all_is_back(&pool).await;
        let known = known.borrow();
        compare(&known, &world);
        Simulated { trace: world.take_trace(), tally: known.tally }
    })
}

/// Cuts the first session of a pool that may have one, and looks whether the pool has another one soon. Returns whether
/// anything was cut.
pub(crate) fn cut_and_go_on(cut: Cut) -> bool {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::with_cut(cut);
        let options = PoolOptions::new().max(1).acquire_timeout(ACQUIRE_LIMIT);
        let opened_in = Arc::clone(&world);
        let options = options.clean_timeout(CLEAN_LIMIT).seed(1);
        let pool = Pool::opened_by(move || Arc::clone(&opened_in).connect(), options);
        let db = Db::from(pool.clone());
        let mut failures = 0;
        for id in 1..=4 {
            // Against silence the caller has a limit of its own.
            let outcome = timeout(ACQUIRE_LIMIT, add_and_look_up(&db, id)).await;
            failures += u32::from(!matches!(outcome, Ok(Ok(()))));
        }
        assert!(failures <= 1, "{cut:?}: one session can fail but once");
        if !world.was_cut() {
            return false;
        }
        timeout(ACQUIRE_LIMIT, add_and_look_up(&db, 5)).await.unwrap().unwrap();
        let metrics = pool.metrics();
        assert_eq!(pool.status().waiting, 0);
        assert_eq!(metrics.timed_out, 0, "{cut:?}: {metrics:?}");
        assert_eq!(metrics.opened + metrics.failed_to_open, 2, "{cut:?}");
        assert!(world.is_well());
        true
    })
}

async fn add_and_look_up(db: &Db, id: i64) -> stellata::Result<()> {
    let note = new!(Note { id, value: value_of(id) });
    let seen = db
        .transaction(async |tx| {
            note.insert(tx).await?;
            Note::query().filter(|note| note.id.eq(id)).one(tx).await
        })
        .await?;
    assert_eq!((seen.id, seen.value), (id, value_of(id)));
    let again = Note::query().filter(|note| note.id.eq(id)).one(db).await?;
    assert_eq!(again.value, value_of(id));
    Ok(())
}

/// Nothing is lent, nobody waits, and all connections that there may be can be had.
async fn all_is_back(pool: &Pool) {
    let (status, metrics) = (pool.status(), pool.metrics());
    assert_eq!((status.lent, status.opening, status.waiting), (0, 0, 0), "{metrics:?}");
    let mut lent = Vec::new();
    for _ in 0..MAX {
        lent.push(timeout(Duration::from_secs(1), pool.acquire()).await.unwrap().unwrap());
    }
    assert!(pool.try_acquire().is_none());
}

/// Holds what callers were told against what is there.
fn compare(known: &Known, world: &World) {
    assert!(world.is_well());
    let notes = world.notes();
    for id in &known.there {
        assert!(notes.contains_key(id), "{id} was said to be there");
    }
    for id in &known.absent {
        assert!(!notes.contains_key(id), "{id} was said not to be there");
    }
    for (one, two) in &known.pairs {
        assert_eq!(notes.contains_key(one), notes.contains_key(two), "{one} and {two}");
    }
    for (id, value) in notes.iter() {
        assert_eq!(*value, value_of(*id));
    }
}
