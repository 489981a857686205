use stellata::{BelongsTo, HasMany, Id, Model};

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    artist_id: Id<Artist>,
    #[model(belongs_to = artist_id)]
    artist: Option<Artist>,
    #[model(has_many = Track::album_id)]
    tracks: Vec<Track>,
    #[model(has_one = Track::album_id)]
    first: HasMany<Track>,
    label: BelongsTo<Artist>,
    bonus: HasMany<Track>,
    #[model(has_many = Artist::id)]
    others: HasMany<Track>,
    #[model(has_many = album_id)]
    more: HasMany<Track>,
    #[model(belongs_to = Artist::id)]
    again: BelongsTo<Artist>,
    #[model(belongs_to = artist_id, unique, order = name)]
    third: BelongsTo<Artist>,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
}

#[derive(Model)]
struct Track {
    #[model(key, identity)]
    id: Id<Track>,
    album_id: Id<Album>,
}

fn main() {}
