use stellata::{Id, Model};

#[derive(Model)]
#[model(table = "a.b.c", unique(title), key(id))]
struct Album {
    #[model(key, column = "title")]
    id: Id<Album>,
    #[model(unique)]
    title: String,
    #[model(column = "")]
    year: i32,
    #[model(column = "a name that is much longer than the sixty-three bytes that PostgreSQL keeps")]
    month: i32,
}

fn main() {}
