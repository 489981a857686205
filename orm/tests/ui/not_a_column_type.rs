use stellata::{Id, Model};

struct Colour;

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    colour: Colour,
    #[model(default = "x")]
    plays: i64,
}

fn main() {}
