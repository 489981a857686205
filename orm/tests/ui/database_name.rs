use stellata::{Id, Model};

#[derive(Model)]
#[model(database = "")]
struct Empty {
    #[model(key, identity)]
    id: Id<Empty>,
}

#[derive(Model)]
#[model(databse = "archive", database = archive)]
struct Misspelt {
    #[model(key, identity)]
    id: Id<Misspelt>,
    #[model(database = "archive")]
    name: String,
}

fn main() {}
