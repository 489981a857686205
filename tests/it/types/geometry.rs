//! `point`, `line`, `lseg`, `box`, `path`, `polygon`, `circle`, and how their numbers are printed.

use geo_types::{LineString, Polygon as Area, Rect};
use proptest::prelude::*;
use stellata_protocol::types::geometry::{Circle, Line, Path, Point, Polygon, Rectangle, Segment};
use stellata_testkit::Database;

use super::printed::{connect, draw, drawn, edges, refuses, written};

/// Numbers at every edge of `float8` and of how it is printed.
const NUMBERS: [&str; 48] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "-0.25",
    "100",
    "1e14",
    "999999999999999.9",
    "1e15",
    "1e16",
    "123456789012345678",
    "0.001",
    "0.0001",
    "0.00012345",
    "0.00001",
    "1.5e-5",
    "1e-7",
    "1e-10",
    "9007199254740991",
    "9007199254740992",
    "9007199254740994",
    "2251799813685248.25",
    "2251799813685249.75",
    "4503599627370496.5",
    "4503599627370497.5",
    "1e22",
    "1e23",
    "-1e23",
    "8e22",
    "1e100",
    "1e-100",
    "1e300",
    "1.7976931348623157e308",
    "-1.7976931348623157e308",
    "2.2250738585072014e-308",
    "2.225073858507201e-308",
    "5e-324",
    "-5e-324",
    "1.5e-323",
    "Infinity",
    "-Infinity",
    "NaN",
    "3.141592653589793",
    "0.30000000000000004",
    "33333333333333.332",
    "9.5367431640625e-07",
    "1.1754943508222875e-38",
];

/// Any number: any bits, decimals of few digits, powers of two, and what lies about the middle of two numbers.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => -1e6..1e6,
        2 => (-99_999..99_999_i64, -330..310_i32)
            .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().unwrap()),
        1 => (-1074..1024_i32).prop_map(|exponent| 2_f64.powi(exponent)),
        2 => (any::<u64>(), 0..24_i32).prop_map(|(digits, exponent)| {
            format!("{}e{exponent}", digits >> 8 & !0x3f).parse().unwrap()
        }),
        2 => (1_u64 << 51..1 << 54, 0..3_u8)
            .prop_map(|(whole, quarters)| whole as f64 / f64::from(1 << quarters)),
    ]
}

fn point() -> impl Strategy<Value = Point> {
    (number(), number()).prop_map(Point::from)
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    prop::collection::vec(point(), 1..6)
}

/// One text for each number, made of it and of another.
fn texts(text: impl Fn(&str, &str) -> String) -> Vec<String> {
    let others = NUMBERS.iter().rev();
    NUMBERS.iter().zip(others).map(|(number, other)| text(number, other)).collect()
}

fn lent(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[stellata_testkit::test]
async fn numbers_are_printed_as_the_server_prints_them(database: &Database) {
    let mut connection = connect(database).await;
    let texts = texts(|number, other| format!("({number},{other})"));
    edges::<Point>(&mut connection, "point", &lent(&texts)).await;
    written(&mut connection, "point", draw(point(), 10_000)).await;
    // Powers of two and of ten, and their neighbours: where the fewest digits are hardest to find.
    let twos = (-1074..1024).map(|exponent| 2_f64.powi(exponent));
    let tens = (-323..309).map(|exponent| format!("1e{exponent}").parse::<f64>().unwrap());
    let around = twos.chain(tens).map(|value| Point::new(value.next_down(), value.next_up()));
    written(&mut connection, "point", around.collect()).await;
}

#[stellata_testkit::test]
async fn straight_shapes_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let lines = texts(|number, other| format!("{{{number},2,{other}}}"));
    edges::<Line>(&mut connection, "line", &lent(&lines)).await;
    let segments = texts(|number, other| format!("[({number},1),({other},{number})]"));
    edges::<Segment>(&mut connection, "lseg", &lent(&segments)).await;
    let any_line = (number(), number(), number())
        .prop_map(|(a, b, c)| Line::new(a, b, c))
        .prop_filter("a direction", |line| !(line.a.abs() <= 1e-6 && line.b.abs() <= 1e-6));
    drawn(&mut connection, any_line).await;
    drawn(&mut connection, (point(), point()).prop_map(|(a, b)| Segment::new(a, b))).await;
    refuses(&mut connection, "line", "{1e-6,-1e-6,1}").await;
    let error = connection.query_one::<(String,)>("select $1::line", (Line::new(1e-6, 0.0, 1.0),));
    assert!(error.await.unwrap_err().to_string().contains("no direction"));
}

#[stellata_testkit::test]
async fn areas_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let boxes = texts(|number, other| format!("({number},1),({other},{number})"));
    edges::<Rectangle>(&mut connection, "box", &lent(&boxes)).await;
    let circles =
        texts(|number, other| format!("<({number},{other}),{}>", number.trim_start_matches('-')));
    edges::<Circle>(&mut connection, "circle", &lent(&circles)).await;
    drawn(&mut connection, (point(), point()).prop_map(|(a, b)| Rectangle::new(a, b))).await;
    let any_circle =
        (point(), number()).prop_map(|(center, radius)| Circle::new(center, radius.abs()));
    drawn(&mut connection, any_circle).await;
    refuses(&mut connection, "circle", "<(0,0),-1>").await;
}

#[stellata_testkit::test]
async fn chains_of_points_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let mut paths = texts(|number, other| format!("[({number},1),({other},{number})]"));
    paths.extend(texts(|number, other| format!("(({number},1),({other},{number}),(0,0))")));
    paths.extend(["[(1,2)]", "((1,2))", "((1,1),(1,1))"].map(str::to_owned));
    edges::<Path>(&mut connection, "path", &lent(&paths)).await;
    let mut polygons = texts(|number, other| format!("(({number},1),({other},{number}),(0,0))"));
    polygons.extend(["((1,2))", "((1,1),(1,1))", "((0,0),(1,1),(0,0))"].map(str::to_owned));
    edges::<Polygon>(&mut connection, "polygon", &lent(&polygons)).await;
    let any_path =
        (any::<bool>(), points()).prop_map(|(is_closed, points)| Path { is_closed, points });
    drawn(&mut connection, any_path).await;
    drawn(&mut connection, points().prop_map(|points| Polygon { points })).await;
}

#[stellata_testkit::test]
async fn shapes_of_geo_types_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let shapes = "select $1::polygon, npoints($1), $2::path, npoints($2), $3::box, height($3)";
    let ring = LineString::from(vec![(0.0, 0.0), (4.0, 0.0), (4.0, 3.0)]);
    let area = Area::new(ring.clone(), Vec::new());
    let rect = Rect::new((1.0, 2.0), (0.0, 5.0));
    let back: (Area<f64>, i32, LineString<f64>, i32, Rect<f64>, f64) =
        connection.query_one(shapes, (&area, &ring, rect)).await.unwrap();
    assert_eq!(back, (area, 3, ring, 3, rect, 3.0));
    let corners: (geo_types::Point<f64>, geo_types::Line<f64>) =
        connection.query_one("select '(1,2)'::point, '[(1,2),(3,4)]'::lseg", ()).await.unwrap();
    assert_eq!(corners.0, geo_types::Point::new(1.0, 2.0));
    assert_eq!(corners.1, geo_types::Line::new((1.0, 2.0), (3.0, 4.0)));
    let closed =
        connection.query_one::<(LineString<f64>,)>("select '((0,0),(1,1))'::path", ()).await;
    assert!(closed.unwrap_err().to_string().contains("closed"));
}
