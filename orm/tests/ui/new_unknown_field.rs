use stellata::{Id, Model, new};

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
}

fn main() {
    let _ = new!(Album { title: "Malibu", titel: "Malibu" });
    let _ = new!(Albun { title: "Malibu" });
    let _ = new!(String { title: "Malibu" });
}
