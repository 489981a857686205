use stellata::{PgComposite, PgDomain, PgEnum};

#[derive(PgEnum)]
#[pg(nmae = "mood", rename_all = "snake-case")]
enum Mood {
    Sad,
    Happy(i32),
    #[pg(rename = "sad")]
    VerySad,
    #[pg(rename = "")]
    Nothing,
    #[pg(rename = "a label of more than the sixty-three bytes that PostgreSQL will keep of it")]
    Long,
}

#[derive(PgEnum)]
enum Empty {}

#[derive(PgEnum)]
struct NoEnum {
    a: i32,
}

#[derive(PgComposite)]
struct Pair(i32, i32);

#[derive(PgComposite)]
enum NoStruct {
    A,
}

#[derive(PgComposite)]
struct Twice {
    #[pg(rename = "b")]
    a: i32,
    b: i32,
    #[pg(sqltype = "varchar")]
    c: String,
}

#[derive(PgComposite)]
struct Generic<T> {
    a: T,
}

#[derive(PgDomain)]
struct Two(i32, i32);

#[derive(PgDomain)]
#[pg(transparent, name = "email")]
struct Email(String);

fn main() {}
