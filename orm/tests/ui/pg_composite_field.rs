use std::time::Instant;

use stellata::{PgComposite, Schema};

#[derive(PgComposite)]
struct Stay {
    since: Instant,
}

struct Plain;

fn main() {
    let _ = Schema::new().user_type::<Plain>();
}
