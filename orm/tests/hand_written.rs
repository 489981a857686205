//! What the derive writes, written by hand once: the reference for it, and proof that nothing in it needs a macro.

use stellata::{
    Action, BelongsTo, Column, ColumnDef, ForeignKeyDef, HasMany, Id, Key, Many, Model, NewRow,
    One, Path, RelationDef, RelationKind, Slot, Table, UniqueDef,
};
use stellata_protocol::{ColumnError, Columns, Error, ErrorKind, Expect, Oid, Params, PgType};

#[derive(Debug, Clone)]
pub(crate) struct Artist {
    pub(crate) id: Id<Artist>,
    pub(crate) name: String,
    pub(crate) albums: HasMany<Album>,
}

#[derive(Debug, Clone)]
pub(crate) struct Album {
    pub(crate) id: Id<Album>,
    pub(crate) title: String,
    pub(crate) plays: i64,
    pub(crate) artist_id: Id<Artist>,
    pub(crate) artist: BelongsTo<Artist>,
}

static ARTIST: Table = Table {
    model: "Artist",
    schema: None,
    name: "artist",
    columns: &[
        ColumnDef {
            field: "id",
            name: "id",
            sql_type: "int8",
            oid: <Id<Artist> as PgType>::TYPE.oid,
            nullable: false,
            default_sql: None,
            identity: true,
        },
        ColumnDef {
            field: "name",
            name: "name",
            sql_type: "text",
            oid: <String as PgType>::TYPE.oid,
            nullable: false,
            default_sql: None,
            identity: false,
        },
    ],
    key: &[0],
    uniques: &[UniqueDef { name: None, columns: &[1] }],
    indexes: &[],
    relations: &[RelationDef {
        name: "albums",
        kind: RelationKind::HasMany,
        target: || &ALBUM,
        columns: || &[0],
        target_columns: || &[3],
        order: || &[],
        constraint: None,
    }],
};

static ALBUM: Table = Table {
    model: "Album",
    schema: None,
    name: "album",
    columns: &[
        ColumnDef {
            field: "id",
            name: "id",
            sql_type: "int8",
            oid: <Id<Album> as PgType>::TYPE.oid,
            nullable: false,
            default_sql: None,
            identity: true,
        },
        ColumnDef {
            field: "title",
            name: "title",
            sql_type: "text",
            oid: <String as PgType>::TYPE.oid,
            nullable: false,
            default_sql: None,
            identity: false,
        },
        ColumnDef {
            field: "plays",
            name: "plays",
            sql_type: "int8",
            oid: <i64 as PgType>::TYPE.oid,
            nullable: false,
            default_sql: Some("0"),
            identity: false,
        },
        ColumnDef {
            field: "artist_id",
            name: "artist_id",
            sql_type: "int8",
            oid: <Id<Artist> as PgType>::TYPE.oid,
            nullable: false,
            default_sql: None,
            identity: false,
        },
    ],
    key: &[0],
    uniques: &[UniqueDef { name: None, columns: &[3, 1] }],
    indexes: &[],
    relations: &[RelationDef {
        name: "artist",
        kind: RelationKind::BelongsTo,
        target: || &ARTIST,
        columns: || &[3],
        target_columns: || &[0],
        order: || &[],
        constraint: Some(ForeignKeyDef {
            on_delete: Action::NoAction,
            on_update: Action::NoAction,
        }),
    }],
};

pub(crate) struct ArtistFields<R> {
    pub(crate) id: Column<R, Id<Artist>>,
    pub(crate) name: Column<R, String>,
    __path: Path,
}

impl<R> Clone for ArtistFields<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ArtistFields<R> {}

impl<R> ArtistFields<R> {
    pub(crate) fn albums(&self) -> Many<R, Album> {
        Many::new(self.__path, &ARTIST, 0)
    }
}

pub(crate) struct AlbumFields<R> {
    pub(crate) id: Column<R, Id<Album>>,
    pub(crate) title: Column<R, String>,
    pub(crate) plays: Column<R, i64>,
    pub(crate) artist_id: Column<R, Id<Artist>>,
    __path: Path,
}

impl<R> Clone for AlbumFields<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for AlbumFields<R> {}

impl<R> AlbumFields<R> {
    pub(crate) fn artist(&self) -> One<R, Artist> {
        One::new(self.__path, &ALBUM, 0)
    }
}

/// Stands for `stellata::Field`.
#[derive(Debug, Clone, Default)]
pub(crate) enum Field<T> {
    #[default]
    Unset,
    Set(T),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct NewArtist {
    pub(crate) id: Field<Id<Artist>>,
    pub(crate) name: Field<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct NewAlbum {
    pub(crate) id: Field<Id<Album>>,
    pub(crate) title: Field<String>,
    pub(crate) plays: Field<i64>,
    pub(crate) artist_id: Field<Id<Artist>>,
}

/// Stands for the struct of unique keys.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoUnique;

fn no_column() -> stellata_protocol::Result<()> {
    Err(Error::new(ErrorKind::Usage, "no such column"))
}

impl Model for Artist {
    const TABLE: &'static Table = &ARTIST;
    const REQUIRED: &'static [&'static str] = &["name"];
    type Fields<R> = ArtistFields<R>;
    type Unique = NoUnique;
    type New = NewArtist;
    type Key = Id<Self>;

    fn fields<R>(path: Path) -> ArtistFields<R> {
        ArtistFields {
            id: Column::new(path, 0, ARTIST.columns[0].oid),
            name: Column::new(path, 1, ARTIST.columns[1].oid),
            __path: path,
        }
    }

    fn key(&self) -> Id<Self> {
        self.id
    }

    fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
        columns.column::<Id<Self>>()?;
        columns.column::<String>()?;
        Ok(())
    }

    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            id: columns.next()?,
            name: columns.next()?,
            albums: HasMany::not_loaded(&ARTIST, 0),
        })
    }

    fn push_column(&self, column: u16, params: &mut Params) -> stellata_protocol::Result<()> {
        match column {
            0 => params.push_as(ARTIST.columns[0].oid, &self.id),
            1 => params.push_as(ARTIST.columns[1].oid, &self.name),
            _ => no_column(),
        }
    }

    fn relation_mut(&mut self, relation: u8) -> Option<&mut dyn Slot> {
        match relation {
            0 => Some(&mut self.albums),
            _ => None,
        }
    }
}

impl Key<Artist> for Id<Artist> {
    fn push(&self, params: &mut Params) -> stellata_protocol::Result<()> {
        params.push_as(ARTIST.columns[0].oid, self)
    }
}

impl NewRow for NewArtist {
    type Model = Artist;

    fn is_set(&self, column: u16) -> bool {
        match column {
            0 => matches!(self.id, Field::Set(_)),
            1 => matches!(self.name, Field::Set(_)),
            _ => false,
        }
    }

    fn push_column(&self, column: u16, params: &mut Params) -> stellata_protocol::Result<()> {
        match (column, &self.id, &self.name) {
            (0, Field::Set(id), _) => params.push_as(ARTIST.columns[0].oid, id),
            (1, _, Field::Set(name)) => params.push_as(ARTIST.columns[1].oid, name),
            _ => no_column(),
        }
    }
}

impl Model for Album {
    const TABLE: &'static Table = &ALBUM;
    const REQUIRED: &'static [&'static str] = &["title", "artist_id"];
    type Fields<R> = AlbumFields<R>;
    type Unique = NoUnique;
    type New = NewAlbum;
    type Key = Id<Self>;

    fn fields<R>(path: Path) -> AlbumFields<R> {
        AlbumFields {
            id: Column::new(path, 0, ALBUM.columns[0].oid),
            title: Column::new(path, 1, ALBUM.columns[1].oid),
            plays: Column::new(path, 2, ALBUM.columns[2].oid),
            artist_id: Column::new(path, 3, ALBUM.columns[3].oid),
            __path: path,
        }
    }

    fn key(&self) -> Id<Self> {
        self.id
    }

    fn expect(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
        columns.column::<Id<Self>>()?;
        columns.column::<String>()?;
        columns.column::<i64>()?;
        columns.column::<Id<Artist>>()?;
        Ok(())
    }

    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, ColumnError> {
        Ok(Self {
            id: columns.next()?,
            title: columns.next()?,
            plays: columns.next()?,
            artist_id: columns.next()?,
            artist: BelongsTo::not_loaded(&ALBUM, 0),
        })
    }

    fn push_column(&self, column: u16, params: &mut Params) -> stellata_protocol::Result<()> {
        match column {
            0 => params.push_as(ALBUM.columns[0].oid, &self.id),
            1 => params.push_as(ALBUM.columns[1].oid, &self.title),
            2 => params.push_as(ALBUM.columns[2].oid, &self.plays),
            3 => params.push_as(ALBUM.columns[3].oid, &self.artist_id),
            _ => no_column(),
        }
    }

    fn relation_mut(&mut self, relation: u8) -> Option<&mut dyn Slot> {
        match relation {
            0 => Some(&mut self.artist),
            _ => None,
        }
    }
}

impl Key<Album> for Id<Album> {
    fn push(&self, params: &mut Params) -> stellata_protocol::Result<()> {
        params.push_as(ALBUM.columns[0].oid, self)
    }
}

impl NewRow for NewAlbum {
    type Model = Album;

    fn is_set(&self, column: u16) -> bool {
        match column {
            0 => matches!(self.id, Field::Set(_)),
            1 => matches!(self.title, Field::Set(_)),
            2 => matches!(self.plays, Field::Set(_)),
            3 => matches!(self.artist_id, Field::Set(_)),
            _ => false,
        }
    }

    fn push_column(&self, column: u16, params: &mut Params) -> stellata_protocol::Result<()> {
        match column {
            0 => push(&self.id, ALBUM.columns[0].oid, params),
            1 => push(&self.title, ALBUM.columns[1].oid, params),
            2 => push(&self.plays, ALBUM.columns[2].oid, params),
            3 => push(&self.artist_id, ALBUM.columns[3].oid, params),
            _ => no_column(),
        }
    }
}

fn push<T: stellata_protocol::Encode>(
    field: &Field<T>,
    oid: Oid,
    params: &mut Params,
) -> stellata_protocol::Result<()> {
    match field {
        Field::Set(value) => params.push_as(oid, value),
        Field::Unset => no_column(),
    }
}

#[test]
fn conditions_of_two_models_that_refer_to_each_other_compile() {
    fn album<C: Into<stellata::Cond<Album>>>(filter: impl FnOnce(AlbumFields<Album>) -> C) {
        let _ = filter;
    }
    album(|a| a.title.eq("x") & a.plays.gt(5) & a.id.eq(3) & a.artist_id.is_in([1, 2]));
    album(|a| a.artist().name.istartswith("and") | !a.title.contains("100%"));
    album(|a| a.artist().albums().any(|b| b.plays.gt(a.plays + 1) & b.artist().name.ne("y")));
    album(|a| a.artist().albums().count().ge(2));
    album(|a| (a.plays * 2 - 1).between(1, 10) & a.title.lower().eq(a.artist().name.lower()));
    album(|_| true);
}

#[test]
fn a_relation_that_was_not_loaded_is_an_error_that_names_it() {
    let artist =
        Artist { id: Id::new(1), name: "A".into(), albums: HasMany::not_loaded(&ARTIST, 0) };
    let error = artist.albums.get().unwrap_err();
    assert_eq!(error.kind(), stellata::ErrorKind::NotLoaded);
    assert!(error.to_string().starts_with("Artist.albums was not loaded"), "{error}");
}
