//! What a derived model is: its table as data, its handles, its new rows. The models here are each other's neighbours in
//! every way that relations can go: mutual, to themselves, two to one model, over several columns, across modules.

#![deny(missing_docs)]
#![deny(unused, clippy::all)]

use stellata::{
    BelongsTo, Cond, Field, HasMany, HasOne, Id, Model, NewRow, Path, RelationKind, Schema, Table,
    new,
};
use stellata_protocol::{Buffer, Oid, Params};

/// A musician or a band.
#[derive(Model, Debug, Clone)]
#[model(table = "music.artists")]
pub struct Artist {
    /// The key.
    #[model(key, identity)]
    pub id: Id<Artist>,
    /// As printed on the cover.
    #[model(unique)]
    pub name: String,
    /// Where the first concert was.
    #[model(has_many = Album::artist_id, order = (released.desc(), title))]
    pub albums: HasMany<Album>,
    #[model(has_one = biography::Biography::artist_id)]
    biography: HasOne<biography::Biography>,
}

/// A record.
#[derive(Model, Debug, Clone)]
#[model(table = "music.albums", unique(artist_id, title), index(released, title, name = "by_date"))]
pub struct Album {
    /// The key.
    #[model(key, identity)]
    pub id: Id<Self>,
    /// The title.
    pub title: String,
    /// The year.
    pub released: Option<i32>,
    /// The price.
    #[model(sql_type = "varchar(20)", default_sql = "'free'")]
    pub price: String,
    /// Drawn by the client.
    #[model(default = next_token(), column = "Token \"x\"")]
    pub token: i64,
    /// Whose it is.
    #[model(index)]
    pub artist_id: Id<Artist>,
    /// A keyword.
    pub r#type: Option<String>,
    /// Whose it is.
    #[model(belongs_to = artist_id, on_delete = cascade)]
    pub artist: BelongsTo<Artist>,
}

mod biography {
    use stellata::{BelongsTo, Id, Model};

    use super::Artist;

    #[derive(Model, Debug, Clone)]
    pub(crate) struct Biography {
        #[model(key)]
        pub(crate) artist_id: Id<Artist>,
        text: Option<String>,
        pub(crate) pages: i32,
        #[model(belongs_to = artist_id)]
        artist: BelongsTo<Artist>,
    }

    pub(crate) fn private_columns_are_named_here(fields: BiographyFields<Biography>) {
        let _ = fields.text.eq("x") & fields.artist().name.eq("y");
    }
}

/// A place in a tree.
#[derive(Model, Debug, Clone)]
struct Node {
    #[model(key)]
    path: String,
    parent_path: Option<String>,
    #[model(belongs_to = parent_path, on_delete = set_null, on_update = cascade)]
    parent: BelongsTo<Self>,
    #[model(has_many = Self::parent_path, order = path)]
    children: HasMany<Node>,
}

#[derive(Model, Debug, Clone)]
struct Airport {
    #[model(key, sql_type = "char(3)")]
    code: String,
    #[model(has_many = Flight::origin)]
    departures: HasMany<Flight>,
    #[model(has_many = Flight::destination)]
    arrivals: HasMany<Flight>,
}

#[derive(Model, Debug, Clone)]
#[model(key(origin, hour))]
struct Weather {
    origin: String,
    hour: i64,
    wind: Option<f64>,
    #[model(has_many = (Flight::origin, Flight::hour))]
    flights: HasMany<Flight>,
}

#[derive(Model, Debug, Clone)]
struct Flight {
    #[model(key, identity)]
    id: Id<Flight>,
    origin: String,
    destination: String,
    hour: Option<i64>,
    #[model(belongs_to = origin)]
    from: BelongsTo<Airport>,
    #[model(belongs_to = destination, no_constraint)]
    to: BelongsTo<Airport>,
    #[model(belongs_to = (origin, hour), no_constraint)]
    weather: BelongsTo<Weather>,
}

#[derive(Model, Debug, Clone)]
struct Coupon {
    #[model(key)]
    id: i64,
    artist_name: Option<String>,
    #[model(belongs_to = artist_name, references = name)]
    artist: BelongsTo<Artist>,
}

/// A place without a prelude and with names that mean other things: the derive must not lean on any of them.
#[no_implicit_prelude]
mod bare {
    #[derive(::stellata::Model)]
    pub(super) struct Table {
        #[model(key, identity)]
        pub(super) id: ::stellata::Id<Table>,
        #[model(unique, default = ::std::string::String::new())]
        pub(super) result: ::std::string::String,
        parent: ::core::option::Option<::stellata::Id<Self>>,
        #[model(belongs_to = parent)]
        up: ::stellata::BelongsTo<Self>,
        #[model(has_many = Self::parent)]
        down: ::stellata::HasMany<Self>,
    }

    pub(super) fn new() -> NewTable {
        ::stellata::new!(Table { result: "x" })
    }

    #[allow(dead_code)]
    type Option = u8;
    #[allow(dead_code)]
    type Model = u8;
    #[allow(dead_code)]
    type Column = u8;
    #[allow(dead_code)]
    mod stellata {}
}

macro_rules! tree {
    ($name:ident, $table:literal, $key:ty, $up:ty, $column:ident) => {
        #[derive(Model)]
        #[model(table = $table, index($column))]
        struct $name {
            #[model(key)]
            id: $key,
            $column: Option<$key>,
            #[model(belongs_to = $column)]
            up: $up,
            #[model(has_many = $name::$column)]
            down: HasMany<$name>,
        }
    };
}

tree!(Branch, "branches", i32, BelongsTo<Branch>, above);

fn next_token() -> i64 {
    42
}

fn column(table: &'static Table, field: &str) -> &'static stellata::ColumnDef {
    table.column(field).expect("the column is there").1
}

#[test]
fn the_table_is_what_the_attributes_say() {
    let table = Album::TABLE;
    assert_eq!((table.model, table.schema, table.name), ("Album", Some("music"), "albums"));
    assert_eq!(Node::TABLE.name, "node");
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    assert_eq!(names, ["id", "title", "released", "price", "Token \"x\"", "artist_id", "type"]);
    assert_eq!(table.key, [0]);
    assert_eq!(table.uniques[0].columns, [5, 1]);
    assert_eq!(table.indexes[0].columns, [5]);
    assert_eq!((table.indexes[1].columns, table.indexes[1].name), (&[2, 1][..], Some("by_date")));
    assert!(column(table, "id").identity && !column(table, "title").identity);
    assert!(column(table, "released").nullable && !column(table, "title").nullable);
    assert_eq!(column(table, "price").default_sql, Some("'free'"));
    assert_eq!(column(table, "price").sql_type, "varchar(20)");
    assert_eq!(column(table, "price").oid, Oid::VARCHAR);
    assert_eq!(column(Airport::TABLE, "code").oid, Oid::UNSPECIFIED);
    assert_eq!(column(table, "type").sql_type, "text");
    assert_eq!(Weather::TABLE.key, [0, 1]);
    assert_eq!(Album::REQUIRED, ["title", "artist_id"]);
}

#[test]
fn relations_know_both_sides_of_their_key() {
    let relation = |table: &'static Table, name: &str| table.relation(name).expect("it is there");
    let albums = relation(Artist::TABLE, "albums");
    assert_eq!(albums.kind, RelationKind::HasMany);
    assert!(std::ptr::eq((albums.target)(), Album::TABLE));
    assert_eq!(((albums.columns)(), (albums.target_columns)()), (&[0][..], &[5][..]));
    assert_eq!((albums.order)(), [(2, true), (1, false)]);
    let weather = relation(Flight::TABLE, "weather");
    assert_eq!(((weather.columns)(), (weather.target_columns)()), (&[1, 3][..], &[0, 1][..]));
    assert!(weather.constraint.is_none());
    let flights = relation(Weather::TABLE, "flights");
    assert_eq!(((flights.columns)(), (flights.target_columns)()), (&[0, 1][..], &[1, 3][..]));
    let coupon = relation(Coupon::TABLE, "artist");
    assert_eq!((coupon.target_columns)(), [1]);
    let parent = relation(Node::TABLE, "parent");
    assert!(std::ptr::eq((parent.target)(), Node::TABLE));
}

fn is_set<N: NewRow>(new: &N, column: u16) -> bool {
    new.mask(0) >> column & 1 == 1
}

#[test]
fn a_new_row_holds_what_was_given_and_the_defaults_of_the_client() {
    let artist_id = 7;
    let new = new!(Album { title: "Malibu", artist_id, r#type: None });
    let set: Vec<bool> = (0..8).map(|column| is_set(&new, column)).collect();
    assert_eq!(set, [false, true, false, false, true, true, true, false]);
    assert_eq!(new.token, Field::Set(42));
    assert_eq!(new.artist_id, Field::Set(Id::new(7)));
    assert_eq!(new.r#type, Field::Set(None));
    let mut out = Buffer::new();
    let write = |column, oid, out: &mut Buffer| {
        NewRow::write_column(std::slice::from_ref(&new), column, oid, out)
    };
    write(5, Oid::INT8, &mut out).unwrap();
    assert_eq!(out.as_slice(), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7]);
    assert!(write(0, Oid::INT8, &mut out).is_err(), "not set");
    assert!(write(8, Oid::INT8, &mut out).is_err(), "no column");
    assert_eq!(out.len(), 12);
    let new = new!(Album {
        title: String::from("x"),
        artist_id: Id::new(1),
        token: Field::Unset,
        released: 2016
    });
    assert_eq!((new.token, new.released), (Field::Unset, Field::Set(Some(2016))));
    let new = new!(biography::Biography { artist_id: 1, pages: 3 });
    assert!(is_set(&new, 2) && !is_set(&new, 1));
}

#[test]
fn a_key_is_pushed_in_the_types_of_its_columns() {
    let mut params = Params::new();
    let weather =
        Weather { origin: "JFK".into(), hour: 5, wind: None, flights: HasMany::default() };
    stellata::Key::push(&weather.key(), &mut params).unwrap();
    assert_eq!(params.types(), [Oid::TEXT, Oid::INT8]);
    let mut out = Buffer::new();
    weather.write_column(2, &mut out).unwrap();
    assert_eq!(out.as_slice(), [255; 4], "NULL has the length -1");
    assert!(weather.write_column(3, &mut out).is_err());
}

#[test]
fn unique_keys_have_handles_by_the_names_of_their_fields() {
    let unique = <Album as Model>::Unique::default();
    assert!(format!("{:?}", unique.artist_id_title).contains("[5, 1]"));
    assert!(format!("{:?}", unique.id).contains("[0]"));
    let unique = <Weather as Model>::Unique::default();
    assert!(format!("{:?}", unique.origin_hour).contains("[0, 1]"));
}

#[test]
fn conditions_go_along_relations_of_every_kind() {
    fn on<M: Model>(cond: impl FnOnce(M::Fields<M>) -> Cond<M>) -> Cond<M> {
        cond(M::fields(Path::default()))
    }
    let _ =
        on::<Artist>(|a| a.albums().any(|b| b.title.eq(a.name)) & a.biography().artist_id.eq(3));
    let _ =
        on::<Node>(|n| n.parent().parent().path.eq("x") | n.children().none(|c| c.path.eq("y")));
    let _ = on::<Flight>(|f| f.from().code.ne(f.to().code) & f.weather().wind.gt(20.0));
    let _ = on::<Airport>(|a| a.arrivals().count().gt(a.departures().count()));
    let _ = on::<Album>(|a| a.r#type.is_null() & a.artist().biography().artist_id.ne(4));
    biography::private_columns_are_named_here(biography::Biography::fields(Path::default()));
}

#[test]
fn a_schema_of_all_of_them_is_made_in_an_order_that_can_be_run() {
    let schema = Schema::new().model::<Coupon>().model::<Flight>().model::<Node>();
    let models: Vec<&str> = schema.tables().iter().map(|table| table.model).collect();
    assert_eq!(
        models,
        ["Coupon", "Artist", "Album", "Biography", "Flight", "Airport", "Weather", "Node"]
    );
    assert!(schema.create_sql().is_ok());
}

#[test]
fn a_model_needs_nothing_of_the_place_it_stands_in() {
    let new = bare::new();
    assert!(is_set(&new, 1) && !is_set(&new, 0));
    assert_eq!(bare::Table::TABLE.name, "table");
    assert_eq!(bare::Table::TABLE.relations.len(), 2);
}

#[test]
fn a_model_can_be_made_by_a_macro() {
    assert_eq!(Branch::TABLE.name, "branches");
    assert_eq!((Branch::TABLE.relations[1].target_columns)(), [1]);
    assert!(is_set(&new!(Branch { id: 1, above: 2 }), 1));
}
