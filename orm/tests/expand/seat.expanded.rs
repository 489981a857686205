/// A seat in a room.
struct Seat {
    room: Id<Room>,
    number: i16,
    label: String,
    neighbour: Option<i16>,
    next_to: BelongsTo<Self>,
}

/// What a query can name of `Seat`: a handle for each column, a method for each relation.
#[allow(dead_code, missing_debug_implementations)]
struct SeatFields<R> {
    /// The column `room`.
    room: ::stellata::Column<R, Id<Room>>,
    /// The column `number`.
    number: ::stellata::Column<R, i16>,
    /// The column `label`.
    label: ::stellata::Column<R, String>,
    /// The column `neighbour`.
    neighbour: ::stellata::Column<R, Option<i16>>,
    __path: ::stellata::Path,
}
/// The unique keys of `Seat`: what an upsert can be decided by.
#[derive(::core::clone::Clone, ::core::marker::Copy)]
#[allow(dead_code, missing_debug_implementations)]
struct SeatUnique {
    /// The unique key over `room`, `number`.
    room_number: ::stellata::UniqueKey<Seat>,
}
#[automatically_derived]
impl ::core::default::Default for SeatUnique {
    fn default() -> Self {
        Self {
            room_number: ::stellata::UniqueKey::new(&[0, 1]),
        }
    }
}
/// A row of `Seat` that is to be inserted. Made by `new!(Seat { .. })`.
#[allow(dead_code, missing_debug_implementations)]
struct NewSeat {
    /// The column `room`.
    room: ::stellata::Field<Id<Room>>,
    /// The column `number`.
    number: ::stellata::Field<i16>,
    /// The column `label`.
    label: ::stellata::Field<String>,
    /// The column `neighbour`.
    neighbour: ::stellata::Field<Option<i16>>,
}
#[automatically_derived]
impl ::core::default::Default for NewSeat {
    fn default() -> Self {
        Self {
            room: ::stellata::Field::Unset,
            number: ::stellata::Field::Unset,
            label: ::stellata::IntoField::into_field(next_label()),
            neighbour: ::stellata::Field::Unset,
        }
    }
}
const _: () = {
    use ::stellata::__private as __orm;
    static TABLE: __orm::Table = __orm::Table {
        model: "Seat",
        database: ::core::option::Option::None,
        schema: ::core::option::Option::None,
        name: "seat",
        columns: &[
            <Id<Room> as __orm::Cell>::COLUMN.field("room"),
            <i16 as __orm::Cell>::COLUMN.field("number"),
            <String as __orm::Cell>::COLUMN.field("label"),
            <Option<i16> as __orm::Cell>::COLUMN.field("neighbour"),
        ],
        key: &[0, 1],
        uniques: &[],
        indexes: &[],
        relations: &[
            __orm::RelationDef {
                name: "next_to",
                kind: __orm::RelationKind::BelongsTo,
                target: __orm::table::<Seat>,
                columns: || &[0, 3],
                target_columns: __orm::keys::<(Id<Room>, Option<i16>), Seat>,
                order: || &[],
                constraint: ::core::option::Option::None,
            },
        ],
    };
    #[allow(dead_code)]
    impl<R> SeatFields<R> {
        /// The relation `next_to`.
        fn next_to(&self) -> __orm::One<R, Seat> {
            __orm::One::new(self.__path, &TABLE, 0)
        }
    }
    #[automatically_derived]
    impl<R> ::core::clone::Clone for SeatFields<R> {
        fn clone(&self) -> Self {
            *self
        }
    }
    #[automatically_derived]
    impl<R> ::core::marker::Copy for SeatFields<R> {}
    #[automatically_derived]
    impl __orm::Model for Seat {
        const TABLE: &'static __orm::Table = &TABLE;
        const REQUIRED: &'static [&'static str] = &["room", "number"];
        type Fields<R> = SeatFields<R>;
        type Unique = SeatUnique;
        type New = NewSeat;
        type Key = (Id<Room>, i16);
        fn fields<R>(path: __orm::Path) -> SeatFields<R> {
            SeatFields {
                room: __orm::Column::new(path, 0, TABLE.columns[0].oid),
                number: __orm::Column::new(path, 1, TABLE.columns[1].oid),
                label: __orm::Column::new(path, 2, TABLE.columns[2].oid),
                neighbour: __orm::Column::new(path, 3, TABLE.columns[3].oid),
                __path: path,
            }
        }
        fn key(&self) -> Self::Key {
            (
                ::core::clone::Clone::clone(&self.room),
                ::core::clone::Clone::clone(&self.number),
            )
        }
        fn expect(columns: &mut __orm::Expect<'_>) -> __orm::Read<()> {
            <Id<Room> as __orm::Cell>::expect(columns)?;
            <i16 as __orm::Cell>::expect(columns)?;
            <String as __orm::Cell>::expect(columns)?;
            <Option<i16> as __orm::Cell>::expect(columns)?;
            ::core::result::Result::Ok(())
        }
        fn from_columns(columns: &mut __orm::Columns<'_>) -> __orm::Read<Self> {
            ::core::result::Result::Ok(Self {
                room: <Id<Room> as __orm::Cell>::read(columns)?,
                number: <i16 as __orm::Cell>::read(columns)?,
                label: <String as __orm::Cell>::read(columns)?,
                neighbour: <Option<i16> as __orm::Cell>::read(columns)?,
                next_to: __orm::BelongsTo::not_loaded(&TABLE, 0),
            })
        }
        fn write_column(&self, column: u16, out: &mut __orm::Buffer) -> __orm::Written {
            match column {
                0 => <Id<Room> as __orm::Cell>::write(&self.room, &TABLE, 0, out),
                1 => <i16 as __orm::Cell>::write(&self.number, &TABLE, 1, out),
                2 => <String as __orm::Cell>::write(&self.label, &TABLE, 2, out),
                3 => <Option<i16> as __orm::Cell>::write(&self.neighbour, &TABLE, 3, out),
                _ => __orm::no_column(),
            }
        }
        fn relation_mut(&mut self, relation: u8) -> __orm::Found<'_> {
            match relation {
                0 => ::core::option::Option::Some(&mut self.next_to),
                _ => ::core::option::Option::None,
            }
        }
    }
    #[automatically_derived]
    impl __orm::Key<Seat> for (Id<Room>, i16) {
        fn push(&self, out: &mut __orm::Params) -> __orm::Written {
            <Id<Room> as __orm::Cell>::push(&self.0, &TABLE, 0, out)?;
            <i16 as __orm::Cell>::push(&self.1, &TABLE, 1, out)?;
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    impl<'r> __orm::FromRow<'r> for Seat {
        fn expect(columns: &mut __orm::Expect<'_>) -> __orm::Read<()> {
            <Self as __orm::Model>::expect(columns)?;
            columns.end()
        }
        fn from_row(columns: &mut __orm::Columns<'r>) -> __orm::Read<Self> {
            <Self as __orm::Model>::from_columns(columns)
        }
    }
    #[automatically_derived]
    impl __orm::NewRow for NewSeat {
        type Model = Seat;
        #[inline]
        fn mask(&self, word: usize) -> u64 {
            match word {
                0 => {
                    __orm::bit(&self.room, 0) | __orm::bit(&self.number, 1)
                        | __orm::bit(&self.label, 2) | __orm::bit(&self.neighbour, 3)
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
                0 => <Id<Room> as __orm::Cell>::put(rows, |row| &row.room, oid, out),
                1 => <i16 as __orm::Cell>::put(rows, |row| &row.number, oid, out),
                2 => <String as __orm::Cell>::put(rows, |row| &row.label, oid, out),
                3 => {
                    <Option<
                        i16,
                    > as __orm::Cell>::put(rows, |row| &row.neighbour, oid, out)
                }
                _ => __orm::no_column(),
            }
        }
    }
};
