use stellata::{Id, Model};

#[derive(Model)]
#[model(unique(a_b, c), unique(a, b_c), unique(c, a_b), index(a), index(a), unique())]
struct Clash {
    #[model(key, key, unique)]
    id: Id<Clash>,
    a: i64,
    b_c: i64,
    a_b: i64,
    c: i64,
    #[model(identity, default_sql = "1", default = 2)]
    d: i64,
    #[model(sql_type = " ", on_delete = cascade, default = )]
    e: i64,
}

fn main() {}
