//! The golden files of the derive are ordinary Rust: compiled here as they stand, without a macro.

#![allow(
    unused,
    unused_qualifications,
    reason = "what is compiled here is the derive's text, not its use"
)]

use stellata::{BelongsTo, HasMany, Id, Model};

include!("expand/track.expanded.rs");
include!("expand/seat.expanded.rs");

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
}

#[derive(Model)]
struct Verse {
    #[model(key)]
    track_id: Id<Track>,
    position: i32,
}

#[derive(Model)]
struct Room {
    #[model(key, identity)]
    id: Id<Room>,
}

fn next_label() -> &'static str {
    "none"
}

#[test]
fn the_golden_files_compile_and_are_models() {
    assert_eq!(<Track as Model>::TABLE.name, "tracks");
    assert_eq!(<Seat as Model>::TABLE.key, [0, 1]);
}
