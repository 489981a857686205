use stellata::{Cond, Id, Model, Path};

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    plays: i64,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
    name: String,
}

fn filter(cond: impl FnOnce(AlbumFields<Album>) -> Cond<Album>) -> Cond<Album> {
    cond(Album::fields(Path::default()))
}

fn main() {
    let artist = Artist::fields::<Artist>(Path::default());
    filter(|a| a.titel.eq("Malibu"));
    filter(|a| a.title.eq(5_i64));
    filter(|a| a.plays.gt("many"));
    filter(|a| a.title.eq(artist.name));
    filter(|_| artist.name.eq("x"));
    filter(|a| a.id.eq(Id::<Artist>::new(1)));
    filter(|a| a.title == "Malibu");
}
