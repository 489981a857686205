use stellata::{BelongsTo, HasMany, Id, Model};

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
    name: String,
    #[model(has_many = Album::title)]
    albums: HasMany<Album>,
    #[model(has_many = Album::artist)]
    more: HasMany<Album>,
    #[model(has_many = Album::artist_id, order = titel)]
    sorted: HasMany<Album>,
}

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    title: String,
    artist_id: i64,
    #[model(belongs_to = artist_id)]
    by_number: BelongsTo<Artist>,
    #[model(belongs_to = id, references = name)]
    by_name: BelongsTo<Artist>,
    #[model(belongs_to = (artist_id, title))]
    by_both: BelongsTo<Artist>,
}

fn main() {}
