use stellata::{Id, Model};

#[derive(Model)]
#[model(tabel = "albums", has_many = Track::album_id)]
struct Album {
    #[model(key, identty)]
    id: Id<Album>,
    #[model(table = "x")]
    title: String,
    #[model]
    year: i32,
    #[model(column "name", default_sql = 5)]
    name: String,
}

fn main() {}
