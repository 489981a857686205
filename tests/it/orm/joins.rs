//! What is loaded along, held against what SQL joins say, over rows that are drawn at random.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use stellata::prelude::*;
use stellata::{Config, PoolOptions};
use stellata_testkit::{Database, Proxy, with_database};

/// Refers to itself, to nothing, and to what is not there; its other relations go by its key, and by two columns that are
/// none and may be NULL on the other side.
#[derive(Model, Debug, Clone)]
struct Node {
    #[model(key)]
    id: i64,
    x: i32,
    y: i32,
    parent: Option<i64>,
    #[model(belongs_to = parent, no_constraint)]
    up: BelongsTo<Node>,
    #[model(has_many = Self::parent, order = id)]
    down: HasMany<Node>,
    #[model(has_many = (Item::x, Item::y), references = (x, y), order = id.desc())]
    items: HasMany<Item>,
    #[model(has_one = Note::node_id)]
    note: HasOne<Note>,
}

#[derive(Model, Debug, Clone)]
struct Item {
    #[model(key)]
    id: i64,
    x: i32,
    y: Option<i32>,
    node_id: Option<i64>,
    #[model(belongs_to = node_id, no_constraint)]
    node: BelongsTo<Node>,
}

#[derive(Model, Debug, Clone)]
struct Note {
    #[model(key)]
    id: i64,
    #[model(unique)]
    node_id: i64,
    #[model(belongs_to = node_id, no_constraint)]
    node: BelongsTo<Node>,
}

type Rows = (
    Vec<(i32, i32, Option<i64>)>,
    Vec<(i32, Option<i32>, Option<i64>)>,
    std::collections::BTreeSet<i64>,
);

/// Few different values, so that many meet.
fn rows() -> impl Strategy<Value = Rows> {
    let some = |most: i64| prop::option::weighted(0.9, 0..most);
    let few = || prop::option::weighted(0.8, 0..3);
    (
        prop::collection::vec((0..3, 0..3, some(25)), 0..30),
        prop::collection::vec((0..3, few(), some(25)), 0..30),
        prop::collection::btree_set(0..30_i64, 0..20),
    )
}

async fn write(db: &Db, (nodes, items, notes): Rows) {
    Node::query().delete().all_rows().exec(db).await.unwrap();
    Item::query().delete().all_rows().exec(db).await.unwrap();
    Note::query().delete().all_rows().exec(db).await.unwrap();
    let nodes = (0..).zip(nodes).map(|(id, (x, y, parent))| new!(Node { id, x, y, parent }));
    Node::insert_many(nodes).exec(db).await.unwrap();
    let items = (0..).zip(items).map(|(id, (x, y, node_id))| new!(Item { id, x, y, node_id }));
    Item::insert_many(items).exec(db).await.unwrap();
    let notes = (0..).zip(notes).map(|(id, node_id)| new!(Note { id, node_id }));
    Note::insert_many(notes).exec(db).await.unwrap();
}

/// The ids along each way of the graph that leads to a row, in the order in which it is walked.
#[derive(Debug, PartialEq)]
struct Ways {
    up_down: Vec<Vec<i64>>,
    down_items: Vec<Vec<i64>>,
    items_node_note: Vec<Vec<i64>>,
    note_node: Vec<Vec<i64>>,
    first_items: Vec<Vec<i64>>,
}

const UP_DOWN: &str = "select a.id, u.id, d.id from node a join node u on u.id = a.parent \
    join node d on d.parent = u.id order by 1, 2, 3";
const DOWN_ITEMS: &str = "select a.id, d.id, i.id from node a join node d on d.parent = a.id \
    join item i on i.x = d.x and i.y = d.y order by 1, 2, 3 desc";
const ITEMS_NODE_NOTE: &str = "select a.id, i.id, n.id, o.id from node a join item i on i.x = a.x and i.y = a.y \
    join node n on n.id = i.node_id join note o on o.node_id = n.id order by 1, 2 desc";
const NOTE_NODE: &str = "select a.id, o.id, n.id from node a join note o on o.node_id = a.id \
    join node n on n.id = o.node_id order by 1";
const FIRST_ITEMS: &str = "select a.id, i.id from node a cross join lateral (select * from item i \
    where i.x = a.x and i.y = a.y and i.id > 1 order by i.id limit 2) i order by 1, 2";

fn joined(database: &Database) -> Ways {
    let ask = |sql: &str| -> Vec<Vec<i64>> {
        let number = |value: &Option<String>| value.as_ref().unwrap().parse().unwrap();
        let rows = database.run(sql).unwrap();
        rows.iter().map(|row| row.iter().map(number).collect()).collect()
    };
    Ways {
        up_down: ask(UP_DOWN),
        down_items: ask(DOWN_ITEMS),
        items_node_note: ask(ITEMS_NODE_NOTE),
        note_node: ask(NOTE_NODE),
        first_items: ask(FIRST_ITEMS),
    }
}

async fn loaded(db: &Db, proxy: &Proxy) -> Ways {
    proxy.reset_counts();
    let graph = Node::query().order_by(|a| a.id).include(|a| {
        (
            a.up().include(|u| u.down()),
            a.down().include(|d| d.items()),
            a.items().include(|i| i.node().include(|n| n.note())),
            a.note().include(|o| o.node()),
        )
    });
    let nodes = graph.all(db).await.unwrap();
    assert_eq!(proxy.counts().round_trips, 1, "{:?}", proxy.flights());
    let first = Node::query()
        .order_by(|a| a.id)
        .include(|a| a.items().filter(|i| i.id.gt(1)).order_by(|i| i.id).limit(2));
    let few = first.all(db).await.unwrap();
    let mut ways = Ways {
        up_down: Vec::new(),
        down_items: Vec::new(),
        items_node_note: Vec::new(),
        note_node: Vec::new(),
        first_items: Vec::new(),
    };
    for a in &nodes {
        if let Some(u) = a.up.find().unwrap() {
            let down = u.down.get().unwrap().iter();
            ways.up_down.extend(down.map(|d| vec![a.id, u.id, d.id]));
        }
        for d in a.down.get().unwrap() {
            let items = d.items.get().unwrap().iter();
            ways.down_items.extend(items.map(|i| vec![a.id, d.id, i.id]));
        }
        for i in a.items.get().unwrap() {
            let Some(n) = i.node.find().unwrap() else { continue };
            let note = n.note.find().unwrap();
            ways.items_node_note.extend(note.map(|o| vec![a.id, i.id, n.id, o.id]));
        }
        if let Some(o) = a.note.find().unwrap() {
            ways.note_node.push(vec![a.id, o.id, o.node.get().unwrap().id]);
        }
    }
    for a in &few {
        let items = a.items.get().unwrap().iter();
        ways.first_items.extend(items.map(|i| vec![a.id, i.id]));
    }
    ways
}

#[test]
fn a_graph_holds_exactly_what_joins_say_in_one_round_trip() {
    with_database(async |database| {
        let direct = Db::connect(&database.url()).await.unwrap();
        direct.create_all(&Schema::new().model::<Node>()).await.unwrap();
        let proxy = Proxy::start(database.tcp()).unwrap();
        let config = Config::parse(&proxy.url(database.name())).unwrap();
        let db = Db::connect_with(config, PoolOptions::new().max(1)).await.unwrap();
        let mut runner = TestRunner::deterministic();
        let mut pairs = 0;
        for case in 0..120 {
            let drawn = rows().new_tree(&mut runner).unwrap().current();
            write(&direct, drawn.clone()).await;
            let (said, found) = (joined(database), loaded(&db, &proxy).await);
            assert_eq!(found, said, "case {case}: {drawn:?}");
            pairs += said.up_down.len() + said.down_items.len() + said.items_node_note.len();
        }
        assert!(pairs > 1000, "only {pairs} pairs were compared");
        println!("{pairs} pairs in 120 graphs");
    });
}
