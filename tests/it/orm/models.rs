//! The models of these tests: mutual and self references, a composite key, names that need quotes, dangling keys.

use stellata::prelude::*;
use stellata_testkit::Database;

#[derive(Model, Debug, Clone)]
pub(super) struct Label {
    #[model(key, identity)]
    pub(super) id: Id<Label>,
    pub(super) name: String,
    #[model(has_many = Artist::label_id)]
    pub(super) artists: HasMany<Artist>,
}

#[derive(Model, Debug, Clone)]
pub(super) struct Artist {
    #[model(key, identity)]
    pub(super) id: Id<Artist>,
    #[model(unique)]
    pub(super) name: String,
    pub(super) label_id: Option<Id<Label>>,
    #[model(belongs_to = label_id)]
    pub(super) label: BelongsTo<Label>,
    #[model(has_many = Album::artist_id, order = title)]
    pub(super) albums: HasMany<Album>,
}

#[derive(Model, Debug, Clone)]
#[model(table = "albums", unique(artist_id, title))]
pub(super) struct Album {
    #[model(key, identity)]
    pub(super) id: Id<Album>,
    #[model(sql_type = "varchar(80)")]
    pub(super) title: String,
    pub(super) released: Option<i32>,
    #[model(default_sql = "0", column = "how \"often\"")]
    pub(super) plays: i64,
    #[model(default_sql = "false")]
    pub(super) live: bool,
    pub(super) artist_id: Id<Artist>,
    #[model(belongs_to = artist_id)]
    pub(super) artist: BelongsTo<Artist>,
    #[model(has_many = Track::album_id)]
    pub(super) tracks: HasMany<Track>,
    #[model(has_one = Review::album_id)]
    pub(super) review: HasOne<Review>,
}

#[derive(Model, Debug, Clone)]
#[model(table = "order", key(album_id, position))]
pub(super) struct Track {
    pub(super) album_id: Id<Album>,
    pub(super) position: i16,
    pub(super) title: String,
    #[model(belongs_to = album_id)]
    pub(super) album: BelongsTo<Album>,
    #[model(has_many = (Play::album_id, Play::position))]
    pub(super) heard: HasMany<Play>,
}

#[derive(Model, Debug, Clone)]
pub(super) struct Play {
    #[model(key, identity)]
    pub(super) id: Id<Play>,
    pub(super) album_id: Id<Album>,
    pub(super) position: Option<i16>,
    #[model(belongs_to = (album_id, position), no_constraint)]
    pub(super) track: BelongsTo<Track>,
}

#[derive(Model, Debug, Clone)]
pub(super) struct Review {
    #[model(key)]
    pub(super) album_id: Id<Album>,
    pub(super) stars: i32,
    #[model(belongs_to = album_id, on_delete = cascade)]
    pub(super) album: BelongsTo<Album>,
}

#[derive(Model, Debug, Clone)]
pub(super) struct Folder {
    #[model(key, sql_type = "char(4)")]
    pub(super) code: String,
    #[model(sql_type = "char(4)")]
    pub(super) parent: Option<String>,
    #[model(belongs_to = parent, no_constraint)]
    pub(super) up: BelongsTo<Folder>,
    #[model(has_many = Self::parent, order = code.desc())]
    pub(super) inside: HasMany<Folder>,
}

/// The tables, empty.
pub(super) async fn empty(database: &Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    let schema = Schema::new().model::<Label>().model::<Folder>();
    db.create_all(&schema).await.unwrap();
    db
}

/// Two labels, three artists (one without a label), five albums, some tracks.
pub(super) async fn filled(database: &Database) -> Db {
    let db = empty(database).await;
    let labels =
        Label::insert_many(["Brainfeeder", "Stones Throw"].map(|name| new!(Label { name })))
            .all(&db)
            .await
            .unwrap();
    let artists = Artist::insert_many([
        new!(Artist { name: "Thundercat", label_id: labels[0].id }),
        new!(Artist { name: "Madlib", label_id: labels[1].id }),
        new!(Artist { name: "Nobody", label_id: None }),
    ])
    .all(&db)
    .await
    .unwrap();
    let albums = Album::insert_many([
        new!(Album { title: "Drunk", released: 2017, plays: 500, artist_id: artists[0].id }),
        new!(Album { title: "Apocalypse", released: 2013, plays: 300, artist_id: artists[0].id }),
        new!(Album { title: "Shades of Blue", released: 2003, artist_id: artists[1].id }),
        new!(Album { title: "100% Live_\\o/", live: true, plays: 7, artist_id: artists[1].id }),
        new!(Album { title: "1000 Live", live: true, plays: 8, artist_id: artists[1].id }),
    ])
    .all(&db)
    .await
    .unwrap();
    let tracks =
        [(0, 1, "Rabbot Ho"), (0, 2, "Captain Stupido"), (0, 3, "Uh Uh"), (2, 1, "Slim's Return")];
    Track::insert_many(tracks.map(|(album, position, title)| {
        new!(Track { album_id: albums[album].id, position, title })
    }))
    .exec(&db)
    .await
    .unwrap();
    Play::insert_many(
        [(0, Some(1)), (0, Some(1)), (0, Some(3)), (1, Some(9)), (2, None)]
            .map(|(album, position)| new!(Play { album_id: albums[album].id, position })),
    )
    .exec(&db)
    .await
    .unwrap();
    new!(Review { album_id: albums[0].id, stars: 5 }).insert(&db).await.unwrap();
    db
}
