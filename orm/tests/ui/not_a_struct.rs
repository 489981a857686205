use stellata::Model;

#[derive(Model)]
enum Colour {
    Red,
}

#[derive(Model)]
struct Pair(i64, i64);

#[derive(Model)]
struct Wrapper<T> {
    #[model(key)]
    id: T,
}

fn main() {}
