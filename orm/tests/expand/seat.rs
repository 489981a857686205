/// A seat in a room.
#[derive(Model)]
#[model(key(room, number))]
struct Seat {
    room: Id<Room>,
    number: i16,
    #[model(default = next_label())]
    label: String,
    neighbour: Option<i16>,
    #[model(belongs_to = (room, neighbour), no_constraint)]
    next_to: BelongsTo<Self>,
}
