//! Keys: of several columns, made by the client, made by the server.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::with_database;

#[derive(Model, Debug, Clone, PartialEq)]
struct Device {
    #[model(key, default = Uuid::now_v7())]
    id: Uuid,
    #[model(default = Uuid::new_v4())]
    token: Uuid,
    #[model(default_sql = "gen_random_uuid()")]
    secret: Uuid,
    name: String,
}

#[derive(Model, Debug, Clone)]
struct Session {
    #[model(key, default_sql = "gen_random_uuid()")]
    id: Id<Session, Uuid>,
    device_id: Uuid,
    #[model(belongs_to = device_id)]
    device: BelongsTo<Device>,
}

#[test]
fn keys_are_made_by_the_client_or_by_the_server() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Session>()).await.unwrap();
        let new = new!(Device { name: "lamp" });
        let known = *new.id.get().unwrap();
        let lamp = new.insert(&db).await.unwrap();
        assert_eq!(lamp.id, known, "the client knows the key before the row is there");
        assert_eq!((lamp.id.get_version_num(), lamp.token.get_version_num()), (7, 4));
        assert_eq!(lamp.secret.get_version_num(), 4);
        let names = ["a", "b", "c"];
        let many =
            Device::insert_many(names.map(|name| new!(Device { name }))).all(&db).await.unwrap();
        assert!(many.windows(2).all(|pair| pair[0].id < pair[1].id), "v7 keys rise with time");
        let mut secrets: Vec<Uuid> = many.iter().map(|device| device.secret).collect();
        secrets.dedup();
        assert_eq!(secrets.len(), 3);
        let given = new!(Device { id: Uuid::from_u128(5), name: "x" }).insert(&db).await.unwrap();
        assert_eq!(given.id, Uuid::from_u128(5));

        let session = new!(Session { device_id: lamp.id }).insert(&db).await.unwrap();
        assert_eq!(session.id.as_inner().get_version_num(), 4);
        let found = Session::query().filter(|s| s.id.eq(session.id)).include(|s| s.device());
        assert_eq!(found.one(&db).await.unwrap().device.get().unwrap(), &lamp);
        let mut again = Session::get(session.id, &db).await.unwrap();
        again.update(|s| s.device_id.set(given.id), &db).await.unwrap();
        assert_eq!(again.id, session.id);
    });
}

#[derive(Model, Debug, Clone)]
#[model(key(hall, row, number))]
struct Seat {
    hall: String,
    row: i16,
    number: i32,
    price: i32,
    #[model(has_many = (Ticket::hall, Ticket::row, Ticket::number), order = day)]
    tickets: HasMany<Ticket>,
}

#[derive(Model, Debug, Clone)]
#[model(key(day, hall, row, number))]
struct Ticket {
    day: NaiveDate,
    hall: String,
    row: i16,
    number: i32,
    guest: String,
    #[model(belongs_to = (hall, row, number), on_update = cascade)]
    seat: BelongsTo<Seat>,
}

#[test]
fn a_key_of_several_columns_serves_every_operation() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Seat>()).await.unwrap();
        let seats = (1..=2_i16).flat_map(|row| (1..=3).map(move |number| (row, number)));
        let seats = seats.map(|(row, number)| new!(Seat { hall: "A", row, number, price: 10 }));
        Seat::insert_many(seats).exec(&db).await.unwrap();
        let key = |row: i16, number: i32| ("A".to_owned(), row, number);

        let mut seat = Seat::get(key(1, 2), &db).await.unwrap();
        assert_eq!(seat.key(), key(1, 2));
        assert!(Seat::find(key(2, 1), &db).await.unwrap().is_some());
        assert!(Seat::find(key(2, 4), &db).await.unwrap().is_none());
        seat.price = 12;
        seat.save(&db).await.unwrap();
        seat.update(|s| s.price.set(s.price + 1), &db).await.unwrap();
        seat.reload(&db).await.unwrap();
        assert_eq!(seat.price, 13);
        assert_eq!(
            Seat::query().filter(|s| s.price.ne(10)).count(&db).await.unwrap(),
            1,
            "only this row"
        );
        let dearer = Seat::upsert(new!(Seat { hall: "A", row: 1, number: 2, price: 20 }))
            .on(|key| key.hall_row_number)
            .update(|old, new| old.price.set(old.price + new.price));
        let dearer = dearer.one(&db).await.unwrap();
        assert!(!dearer.inserted && dearer.row.price == 33);

        let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        let tickets = [(2, 2, "Ada"), (1, 2, "Bob"), (1, 3, "Cy")];
        Ticket::insert_many(tickets.map(|(on, number, guest)| {
            new!(Ticket { day: day(on), hall: "A", row: 1_i16, number, guest })
        }))
        .exec(&db)
        .await
        .unwrap();
        let seats = Seat::query()
            .order_by(|s| (s.row, s.number))
            .include(|s| s.tickets().include(|t| t.seat()))
            .all(&db)
            .await
            .unwrap();
        let guests: Vec<Vec<&str>> = seats
            .iter()
            .map(|s| s.tickets.get().unwrap().iter().map(|t| t.guest.as_str()).collect())
            .collect();
        assert_eq!(guests, [vec![], vec!["Bob", "Ada"], vec!["Cy"], vec![], vec![], vec![]]);
        assert_eq!(seats[1].tickets.get().unwrap()[0].seat.get().unwrap().price, 33);
        let taken = Seat::query().filter(|s| s.tickets().any(|t| t.seat().price.gt(30)));
        assert_eq!(taken.one(&db).await.unwrap().key(), key(1, 2));

        let held = seats[1].delete(&db).await.unwrap_err();
        assert_eq!(held.kind(), ErrorKind::ForeignKey);
        assert!(held.fields().eq(["hall", "row", "number"]), "{held}");
        let moved = Seat::query().filter(|s| s.row.eq(1)).update(|s| s.row.set(9)).exec(&db).await;
        assert_eq!(moved.unwrap(), 3);
        assert_eq!(Ticket::query().filter(|t| t.row.eq(9)).count(&db).await.unwrap(), 3);
        seats[3].delete(&db).await.unwrap();
        assert_eq!(seats[3].delete(&db).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(seats[0].delete(&db).await.unwrap_err().kind(), ErrorKind::NotFound, "it moved");
        assert_eq!(Seat::query().count(&db).await.unwrap(), 5);
    });
}
