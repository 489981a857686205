use stellata::{BelongsTo, HasMany, Id, Model};

#[derive(Model)]
struct Album {
    #[model(key, identity)]
    id: Id<Album>,
    artist_id: Id<Artist>,
    #[model(belongs_to = artist_id, on_delete = set_null)]
    a: BelongsTo<Artist>,
    #[model(belongs_to = artist_id, on_delete = set_default)]
    b: BelongsTo<Artist>,
    #[model(belongs_to = artist_id, no_constraint, on_update = cascade)]
    c: BelongsTo<Artist>,
    #[model(belongs_to = artist_id, on_delete = explode)]
    d: BelongsTo<Artist>,
    #[model(belongs_to = artist_id, references = (id, name))]
    e: BelongsTo<Artist>,
}

#[derive(Model)]
struct Artist {
    #[model(key, identity)]
    id: Id<Artist>,
    name: String,
    #[model(has_many = (Album::artist_id, Album::id), on_delete = cascade)]
    albums: HasMany<Album>,
}

fn main() {}
