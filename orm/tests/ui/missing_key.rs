use stellata::{Id, Model};

#[derive(Model)]
struct Album {
    id: Id<Album>,
    title: String,
}

#[derive(Model)]
struct Pair {
    #[model(key)]
    left: i64,
    #[model(key)]
    right: i64,
}

#[derive(Model)]
struct Maybe {
    #[model(key)]
    id: Option<i64>,
}

// What is made of a model with mistakes still serves: nothing below is reported.
fn uses(album: &Album) {
    let _ = stellata::new!(Album { title: "x" });
    let _ = Album::fields::<Album>(stellata::Path::default()).title.eq("x");
    let _ = album.key();
}

fn main() {}
