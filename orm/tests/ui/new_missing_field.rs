use stellata::{Id, Model, new};

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    artist_id: i64,
    year: Option<i32>,
}

fn main() {
    let _ = new!(Album { title: "Malibu" });
    let _ = new!(Album { year: 2016 });
    let _ = new!(Album {
        title: "Malibu",
        artist_id: 1,
        title: "Venice",
    });
}
