use stellata::prelude::*;

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    artist_id: Id<Artist>,
    #[model(belongs_to = artist_id)]
    artist: BelongsTo<Artist>,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
    name: String,
    #[model(has_many = Album::artist_id)]
    albums: HasMany<Album>,
}

fn main() {
    let artist = Artist::fields::<Artist>(stellata::Path::default());
    let _ = Album::query().filter(|_| artist.name.eq("x"));
    let _ = Album::query().order_by(|_| artist.name);
    let _ = Album::query().order_by(|_| artist.name.desc());
    let _ = Album::query().order_by(|a| a.artist());
    let _ = Album::query().include(|_| artist.albums());
    let _ = Album::query().include(|a| a.title);
    let _ = Album::query().update(|_| artist.name.set("x"));
}
