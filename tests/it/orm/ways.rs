//! Several relations to one model, several ways to one table, and targets that are missing.

use stellata::ErrorKind;
use stellata::prelude::*;
use stellata_testkit::{Database, with_database};

#[derive(Model, Debug, Clone)]
struct Team {
    #[model(key)]
    id: i64,
    name: String,
    #[model(has_many = Game::home_id, order = id)]
    at_home: HasMany<Game>,
    #[model(has_many = Game::guest_id, order = id.desc())]
    away: HasMany<Game>,
    #[model(has_many = Team::rival_id, order = name)]
    rivals: HasMany<Team>,
    rival_id: Option<i64>,
    #[model(belongs_to = rival_id)]
    rival: BelongsTo<Team>,
    #[model(has_one = Coach::team_id)]
    coach: HasOne<Coach>,
}

#[derive(Model, Debug, Clone)]
struct Game {
    #[model(key)]
    id: i64,
    home_id: i64,
    guest_id: i64,
    /// Where it is not played at home.
    place_id: Option<i64>,
    #[model(belongs_to = home_id)]
    home: BelongsTo<Team>,
    #[model(belongs_to = guest_id)]
    guest: BelongsTo<Team>,
    #[model(belongs_to = place_id)]
    place: BelongsTo<Team>,
}

#[derive(Model, Debug, Clone)]
struct Coach {
    #[model(key)]
    id: i64,
    #[model(unique)]
    team_id: Option<i64>,
    #[model(belongs_to = team_id)]
    team: BelongsTo<Team>,
}

async fn league(database: &Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Game>()).await.unwrap();
    Team::insert_many([
        new!(Team { id: 1, name: "Red", rival_id: None }),
        new!(Team { id: 2, name: "Blue", rival_id: 1 }),
        new!(Team { id: 3, name: "Green", rival_id: 1 }),
    ])
    .exec(&db)
    .await
    .unwrap();
    Game::insert_many([
        new!(Game { id: 1, home_id: 1, guest_id: 2, place_id: None }),
        new!(Game { id: 2, home_id: 2, guest_id: 1, place_id: 3 }),
        new!(Game { id: 3, home_id: 1, guest_id: 3, place_id: 1 }),
    ])
    .exec(&db)
    .await
    .unwrap();
    Coach::insert_many([new!(Coach { id: 1, team_id: 2 }), new!(Coach { id: 2, team_id: None })])
        .exec(&db)
        .await
        .unwrap();
    db
}

fn name(team: &BelongsTo<Team>) -> Option<&str> {
    team.find().unwrap().map(|team| team.name.as_str())
}

#[test]
fn to_one_and_to_many_with_and_without_null() {
    with_database(async |database| {
        let db = league(database).await;
        let games = Game::query().order_by(|g| g.id).include(|g| (g.home(), g.place()));
        let games = games.all(&db).await.unwrap();
        let homes: Vec<_> = games.iter().map(|game| name(&game.home)).collect();
        assert_eq!(homes, [Some("Red"), Some("Blue"), Some("Red")]);
        let places: Vec<_> = games.iter().map(|game| name(&game.place)).collect();
        assert_eq!(places, [None, Some("Green"), Some("Red")]);
        let teams = Team::query().order_by(|t| t.id).include(|t| (t.at_home(), t.coach()));
        let teams = teams.all(&db).await.unwrap();
        let coaches: Vec<_> =
            teams.iter().map(|t| t.coach.find().unwrap().map(|coach| coach.id)).collect();
        assert_eq!(coaches, [None, Some(1), None]);
        let counts: Vec<_> = teams.iter().map(|t| t.at_home.get().unwrap().len()).collect();
        assert_eq!(counts, [2, 1, 0]);
        let coaches =
            Coach::query().order_by(|c| c.id).include(|c| c.team()).all(&db).await.unwrap();
        assert_eq!((name(&coaches[0].team), name(&coaches[1].team)), (Some("Blue"), None));
    });
}

#[test]
fn two_relations_to_one_model_and_two_ways_to_one_table_stay_apart() {
    with_database(async |database| {
        let db = league(database).await;
        // Three ways from a game to the teams, and one step further on two of them.
        let found = Game::query().filter(|g| {
            g.home().name.eq("Red") & g.guest().rival().name.eq("Red") & g.place().rival().is_none()
        });
        let ids: Vec<i64> = found
            .order_by(|g| (g.guest().name.desc(), g.id))
            .all(&db)
            .await
            .unwrap()
            .iter()
            .map(|g| g.id)
            .collect();
        assert_eq!(ids, [3, 1]);
        let swapped = Game::query()
            .filter(|g| g.guest().at_home().any(|h| h.guest_id.eq(g.home_id)))
            .order_by(|g| g.id)
            .all(&db)
            .await
            .unwrap();
        assert_eq!(swapped.iter().map(|g| g.id).collect::<Vec<_>>(), [1, 2]);

        let games = Game::query()
            .order_by(|g| g.id)
            .include(|g| {
                (
                    g.home().include(|t| (t.at_home(), t.away())),
                    g.guest().include(|t| (t.rival(), t.rivals())),
                    g.place(),
                )
            })
            .all(&db)
            .await
            .unwrap();
        let names: Vec<_> =
            games.iter().map(|g| (name(&g.home), name(&g.guest), name(&g.place))).collect();
        assert_eq!(
            names,
            [
                (Some("Red"), Some("Blue"), None),
                (Some("Blue"), Some("Red"), Some("Green")),
                (Some("Red"), Some("Green"), Some("Red")),
            ]
        );
        let ids =
            |games: &HasMany<Game>| games.get().unwrap().iter().map(|g| g.id).collect::<Vec<_>>();
        let red = games[0].home.get().unwrap();
        assert_eq!((ids(&red.at_home), ids(&red.away)), (vec![1, 3], vec![2]));
        assert_eq!(name(&games[0].guest.get().unwrap().rival), Some("Red"));
        let rivals = games[1].guest.get().unwrap().rivals.get().unwrap();
        assert_eq!(rivals.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["Blue", "Green"]);
    });
}

#[derive(Model, Debug, Clone)]
struct Letter {
    #[model(key)]
    id: i64,
    sender_id: i64,
    reader_id: Option<i64>,
    #[model(belongs_to = sender_id, no_constraint)]
    sender: BelongsTo<Team>,
    #[model(belongs_to = reader_id, no_constraint)]
    reader: BelongsTo<Team>,
}

#[test]
fn a_row_stays_when_what_it_refers_to_is_missing() {
    with_database(async |database| {
        let db = league(database).await;
        db.create_missing(&Schema::new().model::<Letter>()).await.unwrap();
        Letter::insert_many([
            new!(Letter { id: 1, sender_id: 1, reader_id: 2 }),
            new!(Letter { id: 2, sender_id: 1, reader_id: None }),
            new!(Letter { id: 3, sender_id: 1, reader_id: 77 }),
            new!(Letter { id: 4, sender_id: 88, reader_id: 2 }),
        ])
        .exec(&db)
        .await
        .unwrap();
        let letters = Letter::query().order_by(|l| l.id).include(|l| (l.sender(), l.reader()));
        let letters = letters.all(&db).await.unwrap();
        assert_eq!(letters.len(), 4, "every row is there");
        let readers: Vec<_> = letters.iter().map(|letter| name(&letter.reader)).collect();
        assert_eq!(readers, [Some("Blue"), None, None, Some("Blue")]);
        assert_eq!(letters[2].reader_id, Some(77));
        assert_eq!(letters[0].sender.get().unwrap().name, "Red");
        let gone = letters[3].sender.get().unwrap_err();
        assert_eq!((gone.kind(), gone.model()), (ErrorKind::NotFound, Some("Team")));
        // Sorting and filtering by a column of it keeps the row, too.
        let sorted = Letter::query().order_by(|l| (l.reader().name, l.id)).all(&db).await.unwrap();
        assert_eq!(sorted.iter().map(|l| l.id).collect::<Vec<_>>(), [1, 4, 2, 3]);
        let nameless = Letter::query().filter(|l| l.reader().name.is_null() | l.sender().is_none());
        assert_eq!(nameless.count(&db).await.unwrap(), 3);
    });
}

#[derive(Model, Debug, Clone)]
struct Person {
    #[model(key)]
    id: i64,
    city: String,
    #[model(has_many = Shop::city, references = city, order = (rank.desc(), name))]
    shops: HasMany<Shop>,
}

#[derive(Model, Debug, Clone)]
struct Shop {
    #[model(key)]
    name: String,
    city: String,
    rank: i32,
    #[model(has_many = Person::city, references = city, order = id)]
    people: HasMany<Person>,
}

async fn town(database: &Database) -> Db {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Person>()).await.unwrap();
    let people = [(1, "Linz"), (2, "Linz"), (3, "Graz"), (4, "Wels")];
    Person::insert_many(people.map(|(id, city)| new!(Person { id, city })))
        .exec(&db)
        .await
        .unwrap();
    let shops = [("b", "Linz", 1), ("a", "Linz", 1), ("c", "Linz", 2), ("d", "Graz", 0)];
    Shop::insert_many(shops.map(|(name, city, rank)| new!(Shop { name, city, rank })))
        .exec(&db)
        .await
        .unwrap();
    db
}

#[test]
fn a_relation_has_an_order_that_the_query_may_replace() {
    with_database(async |database| {
        let db = town(database).await;
        let names = |person: &Person| -> Vec<String> {
            person.shops.get().unwrap().iter().map(|shop| shop.name.clone()).collect()
        };
        let one = Person::query().filter(|p| p.id.eq(1));
        let declared = one.clone().include(|p| p.shops()).one(&db).await.unwrap();
        assert_eq!(names(&declared), ["c", "a", "b"]);
        let first = one.clone().include(|p| p.shops().limit(2)).one(&db).await.unwrap();
        assert_eq!(names(&first), ["c", "a"]);
        let asked = one.include(|p| p.shops().order_by(|s| s.name.desc())).one(&db).await.unwrap();
        assert_eq!(names(&asked), ["c", "b", "a"]);
    });
}

#[test]
fn children_of_several_parents_appear_under_each() {
    with_database(async |database| {
        let db = town(database).await;
        let people =
            Person::query().order_by(|p| p.id).include(|p| p.shops()).all(&db).await.unwrap();
        let shops: Vec<Vec<&str>> = people
            .iter()
            .map(|p| p.shops.get().unwrap().iter().map(|s| s.name.as_str()).collect())
            .collect();
        assert_eq!(shops, [vec!["c", "a", "b"], vec!["c", "a", "b"], vec!["d"], vec![]]);
        // Each of them whole, with what is loaded along with it.
        let shops =
            Shop::query().order_by(|s| s.name).include(|s| s.people().include(|p| p.shops()));
        let mut shops = shops.all(&db).await.unwrap();
        for shop in &shops[..3] {
            let people = shop.people.get().unwrap();
            assert_eq!(people.iter().map(|p| p.id).collect::<Vec<_>>(), [1, 2]);
            assert!(people.iter().all(|p| p.shops.get().unwrap().len() == 3));
        }
        let graz = shops[3].people.take().unwrap();
        assert_eq!((graz.len(), graz[0].id), (1, 3));
        assert_eq!(shops[0].people.take().unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(shops[0].people.get().unwrap().len(), 2, "they stay where they are");
    });
}
