use stellata::{Id, Model, new};

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    plays: i64,
    year: Option<i32>,
    artist_id: Id<Artist>,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
}

fn main() {
    let title = 5_i32;
    let _ = new!(Album { title, plays: "many", year: "2016", artist_id: Id::<Album>::new(1) });
}
