/// A track of an album.
struct Track {
    id: Id<Track>,
    title: String,
    position: i32,
    plays: i64,
    rating: Option<f64>,
    label: String,
    genre: String,
    album_id: Id<Album>,
    album: BelongsTo<Album>,
    verses: HasMany<Verse>,
}

/// What a query can name of `Track`: a handle for each column, a method for each relation.
#[allow(dead_code, missing_debug_implementations)]
struct TrackFields<R> {
    /// The column `id`.
    id: ::stellata::Column<R, Id<Track>>,
    /// The column `title`.
    title: ::stellata::Column<R, String>,
    /// The column `position`.
    position: ::stellata::Column<R, i32>,
    /// The column `plays`.
    plays: ::stellata::Column<R, i64>,
    /// The column `rating`.
    rating: ::stellata::Column<R, Option<f64>>,
    /// The column `label`.
    label: ::stellata::Column<R, String>,
    /// The column `genre`.
    genre: ::stellata::Column<R, String>,
    /// The column `album_id`.
    album_id: ::stellata::Column<R, Id<Album>>,
    __path: ::stellata::Path,
}
/// The unique keys of `Track`: what an upsert can be decided by.
#[derive(::core::clone::Clone, ::core::marker::Copy)]
#[allow(dead_code, missing_debug_implementations)]
struct TrackUnique {
    /// The unique key over `id`.
    id: ::stellata::UniqueKey<Track>,
    /// The unique key over `album_id`, `position`.
    album_id_position: ::stellata::UniqueKey<Track>,
}
#[automatically_derived]
impl ::core::default::Default for TrackUnique {
    fn default() -> Self {
        Self {
            id: ::stellata::UniqueKey::new(&[0]),
            album_id_position: ::stellata::UniqueKey::new(&[7, 2]),
        }
    }
}
/// A row of `Track` that is to be inserted. Made by `new!(Track { .. })`.
#[derive(::core::default::Default)]
#[allow(dead_code, missing_debug_implementations)]
struct NewTrack {
    /// The column `id`.
    id: ::stellata::Field<Id<Track>>,
    /// The column `title`.
    title: ::stellata::Field<String>,
    /// The column `position`.
    position: ::stellata::Field<i32>,
    /// The column `plays`.
    plays: ::stellata::Field<i64>,
    /// The column `rating`.
    rating: ::stellata::Field<Option<f64>>,
    /// The column `label`.
    label: ::stellata::Field<String>,
    /// The column `genre`.
    genre: ::stellata::Field<String>,
    /// The column `album_id`.
    album_id: ::stellata::Field<Id<Album>>,
}
const _: () = {
    use ::stellata::__private as __orm;
    static TABLE: __orm::Table = __orm::Table {
        model: "Track",
        database: ::core::option::Option::None,
        schema: ::core::option::Option::None,
        name: "tracks",
        columns: &[
            <Id<Track> as __orm::Cell>::COLUMN.field("id").identity(),
            <String as __orm::Cell>::COLUMN.field("title"),
            <i32 as __orm::Cell>::COLUMN.field("position"),
            <i64 as __orm::Cell>::COLUMN.field("plays"),
            <Option<f64> as __orm::Cell>::COLUMN.field("rating"),
            <String as __orm::Cell>::COLUMN
                .field("label")
                .sql_type("varchar(20)", __orm::Oid::VARCHAR),
            <String as __orm::Cell>::COLUMN.field("genre").default_sql("'unknown'"),
            <Id<Album> as __orm::Cell>::COLUMN.field("album_id"),
        ],
        key: &[0],
        uniques: &[__orm::unique(&[7, 2])],
        indexes: &[__orm::index(&[7])],
        relations: &[
            __orm::RelationDef {
                name: "album",
                kind: __orm::RelationKind::BelongsTo,
                target: __orm::table::<Album>,
                columns: || &[7],
                target_columns: __orm::key::<Id<Album>, Album>,
                order: || &[],
                constraint: __orm::foreign_key(
                    __orm::Action::Cascade,
                    __orm::Action::NoAction,
                ),
            },
            __orm::RelationDef {
                name: "verses",
                kind: __orm::RelationKind::HasMany,
                target: __orm::table::<Verse>,
                columns: || &[0],
                target_columns: || {
                    let other = __orm::fields::<Verse>();
                    __orm::referred::<Id<Track>, _>(other.track_id);
                    const { &[__orm::index_of::<Verse>("track_id")] }
                },
                order: || {
                    let other = __orm::fields::<Verse>();
                    let _ = other.position;
                    const { &[(__orm::index_of::<Verse>("position"), false)] }
                },
                constraint: ::core::option::Option::None,
            },
        ],
    };
    #[allow(dead_code)]
    impl<R> TrackFields<R> {
        /// The relation `album`.
        fn album(&self) -> __orm::One<R, Album> {
            __orm::One::new(self.__path, &TABLE, 0)
        }
        /// The relation `verses`.
        fn verses(&self) -> __orm::Many<R, Verse> {
            __orm::Many::new(self.__path, &TABLE, 1)
        }
    }
    #[automatically_derived]
    impl<R> ::core::clone::Clone for TrackFields<R> {
        fn clone(&self) -> Self {
            *self
        }
    }
    #[automatically_derived]
    impl<R> ::core::marker::Copy for TrackFields<R> {}
    #[automatically_derived]
    impl __orm::Model for Track {
        const TABLE: &'static __orm::Table = &TABLE;
        const REQUIRED: &'static [&'static str] = &[
            "title",
            "position",
            "plays",
            "label",
            "album_id",
        ];
        type Fields<R> = TrackFields<R>;
        type Unique = TrackUnique;
        type New = NewTrack;
        type Key = Id<Track>;
        fn fields<R>(path: __orm::Path) -> TrackFields<R> {
            TrackFields {
                id: __orm::Column::new(path, 0, TABLE.columns[0].oid),
                title: __orm::Column::new(path, 1, TABLE.columns[1].oid),
                position: __orm::Column::new(path, 2, TABLE.columns[2].oid),
                plays: __orm::Column::new(path, 3, TABLE.columns[3].oid),
                rating: __orm::Column::new(path, 4, TABLE.columns[4].oid),
                label: __orm::Column::new(path, 5, TABLE.columns[5].oid),
                genre: __orm::Column::new(path, 6, TABLE.columns[6].oid),
                album_id: __orm::Column::new(path, 7, TABLE.columns[7].oid),
                __path: path,
            }
        }
        fn key(&self) -> Self::Key {
            ::core::clone::Clone::clone(&self.id)
        }
        fn expect(columns: &mut __orm::Expect<'_>) -> __orm::Read<()> {
            <Id<Track> as __orm::Cell>::expect(columns)?;
            <String as __orm::Cell>::expect(columns)?;
            <i32 as __orm::Cell>::expect(columns)?;
            <i64 as __orm::Cell>::expect(columns)?;
            <Option<f64> as __orm::Cell>::expect(columns)?;
            <String as __orm::Cell>::expect(columns)?;
            <String as __orm::Cell>::expect(columns)?;
            <Id<Album> as __orm::Cell>::expect(columns)?;
            ::core::result::Result::Ok(())
        }
        fn from_columns(columns: &mut __orm::Columns<'_>) -> __orm::Read<Self> {
            ::core::result::Result::Ok(Self {
                id: <Id<Track> as __orm::Cell>::read(columns)?,
                title: <String as __orm::Cell>::read(columns)?,
                position: <i32 as __orm::Cell>::read(columns)?,
                plays: <i64 as __orm::Cell>::read(columns)?,
                rating: <Option<f64> as __orm::Cell>::read(columns)?,
                label: <String as __orm::Cell>::read(columns)?,
                genre: <String as __orm::Cell>::read(columns)?,
                album_id: <Id<Album> as __orm::Cell>::read(columns)?,
                album: __orm::BelongsTo::not_loaded(&TABLE, 0),
                verses: __orm::HasMany::not_loaded(&TABLE, 1),
            })
        }
        fn write_column(&self, column: u16, out: &mut __orm::Buffer) -> __orm::Written {
            match column {
                0 => <Id<Track> as __orm::Cell>::write(&self.id, &TABLE, 0, out),
                1 => <String as __orm::Cell>::write(&self.title, &TABLE, 1, out),
                2 => <i32 as __orm::Cell>::write(&self.position, &TABLE, 2, out),
                3 => <i64 as __orm::Cell>::write(&self.plays, &TABLE, 3, out),
                4 => <Option<f64> as __orm::Cell>::write(&self.rating, &TABLE, 4, out),
                5 => <String as __orm::Cell>::write(&self.label, &TABLE, 5, out),
                6 => <String as __orm::Cell>::write(&self.genre, &TABLE, 6, out),
                7 => <Id<Album> as __orm::Cell>::write(&self.album_id, &TABLE, 7, out),
                _ => __orm::no_column(),
            }
        }
        fn relation_mut(&mut self, relation: u8) -> __orm::Found<'_> {
            match relation {
                0 => ::core::option::Option::Some(&mut self.album),
                1 => ::core::option::Option::Some(&mut self.verses),
                _ => ::core::option::Option::None,
            }
        }
    }
    #[automatically_derived]
    impl __orm::Key<Track> for Id<Track> {
        fn push(&self, out: &mut __orm::Params) -> __orm::Written {
            <Id<Track> as __orm::Cell>::push(self, &TABLE, 0, out)
        }
    }
    #[automatically_derived]
    impl<'r> __orm::FromRow<'r> for Track {
        fn expect(columns: &mut __orm::Expect<'_>) -> __orm::Read<()> {
            <Self as __orm::Model>::expect(columns)?;
            columns.end()
        }
        fn from_row(columns: &mut __orm::Columns<'r>) -> __orm::Read<Self> {
            <Self as __orm::Model>::from_columns(columns)
        }
    }
    #[automatically_derived]
    impl __orm::NewRow for NewTrack {
        type Model = Track;
        #[inline]
        fn mask(&self, word: usize) -> u64 {
            match word {
                0 => {
                    __orm::bit(&self.id, 0) | __orm::bit(&self.title, 1)
                        | __orm::bit(&self.position, 2) | __orm::bit(&self.plays, 3)
                        | __orm::bit(&self.rating, 4) | __orm::bit(&self.label, 5)
                        | __orm::bit(&self.genre, 6) | __orm::bit(&self.album_id, 7)
                }
                _ => 0,
            }
        }
        fn write_column(
            rows: &[Self],
            column: u16,
            oid: __orm::Oid,
            out: &mut __orm::Buffer,
        ) -> __orm::Written {
            match column {
                0 => <Id<Track> as __orm::Cell>::put(rows, |row| &row.id, oid, out),
                1 => <String as __orm::Cell>::put(rows, |row| &row.title, oid, out),
                2 => <i32 as __orm::Cell>::put(rows, |row| &row.position, oid, out),
                3 => <i64 as __orm::Cell>::put(rows, |row| &row.plays, oid, out),
                4 => <Option<f64> as __orm::Cell>::put(rows, |row| &row.rating, oid, out),
                5 => <String as __orm::Cell>::put(rows, |row| &row.label, oid, out),
                6 => <String as __orm::Cell>::put(rows, |row| &row.genre, oid, out),
                7 => <Id<Album> as __orm::Cell>::put(rows, |row| &row.album_id, oid, out),
                _ => __orm::no_column(),
            }
        }
    }
};
