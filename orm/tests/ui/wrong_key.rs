use stellata::prelude::*;

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
}

#[derive(Model)]
#[model(key(album_id, position))]
struct Track {
    album_id: Id<Album>,
    position: i16,
}

async fn of_another_model(db: &Db, artist: Artist) {
    let _ = Album::get(artist.id, db).await;
    let _ = Track::find((artist.id, 1_i16), db).await;
    let _ = Track::query().filter(|t| t.album_id.is_in([artist.id]));
}

async fn without_a_part(db: &Db, album: Album) {
    let _ = new!(Track { album_id: album.id });
    let _ = Track::get(album.id, db).await;
    let _ = Track::get((album.id,), db).await;
}

fn main() {}
