use stellata::prelude::*;

#[derive(Model)]
#[model(unique(artist_id, title))]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    plays: i64,
    artist_id: Id<Artist>,
    #[model(belongs_to = artist_id)]
    artist: BelongsTo<Artist>,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
    #[model(unique)]
    name: String,
    #[model(has_many = Album::artist_id)]
    albums: HasMany<Album>,
}

fn values() {
    let _ = Album::query().update(|a| a.plays.set("many"));
    let _ = Album::query().update(|a| a.title.set(5));
    let _ = Album::query().update(|a| a.plays.set(None));
    let _ = Album::query().update(|a| a.plays);
    let _ = Album::query().update(|a| a.titel.set("x"));
}

fn upserts() {
    let new = || new!(Album { title: "Drunk", plays: 1, artist_id: 1 });
    let _ = Album::upsert(new()).on(|key| key.plays);
    let _ = Album::upsert(new()).on(|key| key.artist_id_title).update(|a, new| a.plays.set(new.title));
    let _ = Album::upsert(new!(Artist { name: "x" }));
    let _ = Album::upsert(new()).update_all();
}

fn main() {}
