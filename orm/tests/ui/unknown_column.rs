use stellata::{BelongsTo, Id, Model};

#[derive(Model)]
#[model(unique(artist_id, titel), index(released))]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    artist_id: Id<Artist>,
    #[model(belongs_to = artistid)]
    artist: BelongsTo<Artist>,
}

#[derive(Model)]
#[model(key(id, album), unique(name, name))]
struct Artist {
    id: Id<Artist>,
    name: String,
    album_id: Id<Album>,
    #[model(belongs_to = album_id)]
    album: BelongsTo<Album>,
}

fn main() {}
