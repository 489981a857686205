/// A track of an album.
#[derive(Model)]
#[model(table = "tracks", unique(album_id, position))]
struct Track {
    #[model(key, identity)]
    id: Id<Track>,
    title: String,
    position: i32,
    plays: i64,
    rating: Option<f64>,
    #[model(sql_type = "varchar(20)")]
    label: String,
    #[model(default_sql = "'unknown'")]
    genre: String,
    #[model(index)]
    album_id: Id<Album>,
    #[model(belongs_to = album_id, on_delete = cascade)]
    album: BelongsTo<Album>,
    #[model(has_many = Verse::track_id, order = position)]
    verses: HasMany<Verse>,
}
