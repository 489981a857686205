//! Every Rust type that a value can be read into. A value that was read can be written, but where the server takes none, and
//! what was written is read as a value that is written alike.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stellata_protocol::replication::{Lsn, Xid};
use stellata_protocol::types::bits::{Bits, BitsRef};
use stellata_protocol::types::geometry::{Circle, Line, Path, Point, Polygon, Rectangle, Segment};
use stellata_protocol::types::network::{Cidr, Inet, MacAddr, MacAddr8};
use stellata_protocol::types::system::{
    Char, Cid, Int2Vector, JsonPath, OidVector, Snapshot, Tid, Xid8, Xml,
};
use stellata_protocol::types::text_search::{Lexeme, Term, TsQuery, TsVector, Weight};
use stellata_protocol::{
    Array, ArrayElement, ArrayRef, Buffer, Citext, CompositeReader, Cube, Date, Decode, Dimension,
    Encode, ErrorKind, HalfVector, Hstore, Interval, IsNull, Json, Lquery, Ltree, Ltxtquery, Money,
    Multirange, Numeric, Oid, OrInfinity, PgType, Range, Raw, RawBuf, Record, Result, SparseVector,
    Time, TimeTz, Timestamp, TimestampTz, Type, Vector,
};
use uuid::Uuid;

/// The types that are tried besides each Rust type's own.
const OTHERS: [Oid; 15] = [
    Oid::TEXT,
    Oid::VARCHAR,
    Oid::BPCHAR,
    Oid::NAME,
    Oid::UNKNOWN,
    Oid::JSON,
    Oid::VARCHAR_ARRAY,
    Oid::NAME_ARRAY,
    Oid::JSON_ARRAY,
    // The first number that a database gives away itself.
    Oid(16_384),
    Oid::CIDR,
    Oid::INET,
    Oid::BIT,
    Oid::REGCLASS,
    Oid::TXID_SNAPSHOT,
];

/// Types with an empty value that servers send, and refuse.
const EMPTY_IS_REFUSED: [Oid; 3] = [Oid::TSQUERY, Oid::INT2VECTOR, Oid::OIDVECTOR];

/// One line for each type: the type, and a value of it to begin with; or `=>` and the bytes of one, where no server takes
/// values of the type. `#[cfg(..)]` may stand in front.
macro_rules! readers {
    ($($(#[$only:meta])* $rust:ty $(= $example:expr)? $(=> $bytes:expr)?;)*) => {
        &[$($(#[$only])* Reader {
            name: stringify!($rust),
            decode: |choice, raw| {
                let _read = <$rust as Decode>::decode(oid::<$rust>(choice), raw);
            },
            read: readers!(@read $rust $(, $example)?),
            seed: readers!(@seed $rust $(, $example)? $(=> $bytes)?),
        }),*]
    };
    (@read $rust:ty, $example:expr) => {
        |choice, raw| {
            let oid = oid::<$rust>(choice);
            let Ok(value) = <$rust as Decode>::decode(oid, raw) else { return };
            let Some(first) = written(oid, &value) else { return };
            let again = <$rust as Decode>::decode(oid, first.as_slice());
            let again = again.unwrap_or_else(|error| {
                panic!("{raw:x?} as {oid:?}: what was written can't be read: {error:?}")
            });
            assert_eq!(written(oid, &again), Some(first.clone()), "a value changes on its way");
        }
    };
    (@read $rust:ty) => {
        |choice, raw| {
            let _read = <$rust as Decode>::decode(oid::<$rust>(choice), raw);
        }
    };
    (@seed $rust:ty, $example:expr) => {
        || {
            let value: $rust = $example;
            written(<$rust as PgType>::TYPE.oid, &value).expect("an example can be written")
        }
    };
    (@seed $rust:ty => $bytes:expr) => { || $bytes };
}

/// What reads and writes values of one Rust type.
pub(crate) struct Reader {
    /// The type.
    pub(crate) name: &'static str,
    /// Reads bytes as the PostgreSQL type that the number chooses, and does no more.
    pub(crate) decode: fn(u8, &[u8]),
    /// The same; what was read is written, and that is read and written again.
    pub(crate) read: fn(u8, &[u8]),
    /// The bytes of a value.
    pub(crate) seed: fn() -> Vec<u8>,
}

/// Every type that can be read. A new one comes last, so that what was found for the others stays theirs; and
/// `cargo test` in `fuzz/` with `STELLATA_WRITE_CORPUS=1` keeps its example in the corpus. The tests of `protocol` read the
/// same list: a type of a feature that is off unless asked for has its `#[cfg(feature = "..")]` in front.
pub(crate) const READERS: &[Reader] = readers! {
    bool = true;
    i8 = -1;
    i16 = -2;
    i32 = -3;
    i64 = -4;
    u32 = 5;
    f32 = 1.5;
    f64 = f64::NAN;
    &str = "grüße";
    String = "grüße".into();
    Box<str> = "grüße".into();
    Arc<str> = "grüße".into();
    Cow<'_, str> = "grüße".into();
    &[u8] = &[0, 255];
    Vec<u8> = vec![0, 255];
    [u8; 3] = [1, 2, 3];
    Box<[u8]> = [0, 255].into();
    Arc<[u8]> = [0, 255].into();
    Cow<'_, [u8]> = vec![0, 255].into();
    Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef);
    NaiveDate = moment().date();
    NaiveTime = moment().time();
    NaiveDateTime = moment();
    DateTime<Utc> = moment().and_utc();
    DateTime<FixedOffset> = moment().and_utc().fixed_offset();
    Decimal = Decimal::new(-123_456_789_000, 7);
    Value = json!({"a": [1, 2.5, null, "x"], "b": {"c": true}});
    Json<f64> = Json(0.1);
    Json<Vec<Option<i64>>> = Json(vec![Some(1), None]);
    Json<BTreeMap<String, String>> = Json([("a".into(), "b".into())].into());
    Option<i32> = Some(7);
    Vec<bool> = vec![true, false];
    Vec<i8> = vec![1];
    Vec<i16> = vec![1, 2];
    Vec<i32> = vec![1, 2];
    Vec<i64> = vec![1, 2];
    Vec<u32> = vec![1, 2];
    Vec<f32> = vec![1.5];
    Vec<f64> = vec![1.5];
    Vec<&str> = vec!["grüße", ""];
    Vec<String> = vec!["grüße".into()];
    Vec<&[u8]> = vec![&[1], &[]];
    Vec<[u8; 3]> = vec![[1, 2, 3]];
    Vec<Option<String>> = vec![Some("grüße".into()), None];
    Vec<Uuid> = vec![Uuid::from_u128(7)];
    Vec<NaiveDate> = vec![moment().date()];
    Vec<Option<NaiveTime>> = vec![Some(moment().time()), None];
    Vec<NaiveDateTime> = vec![moment()];
    Vec<DateTime<Utc>> = vec![moment().and_utc()];
    Vec<Decimal> = vec![Decimal::new(-1_234_567, 3)];
    Vec<Value> = vec![json!({"a": [null]})];
    Vec<Json<f64>> = vec![Json(2.5)];
    Array<Option<i32>> = square();
    Array<String> = Array::from(vec!["grüße".to_owned()]);
    Range<i32> = Range::from(1..10);
    Range<String> = Range::from("a".to_owned()..="b".to_owned());
    Multirange<i64> = [Range::from(1..3), Range::from(7..)].into_iter().collect();
    Vec<Range<i32>> = vec![Range::from(..), Range::empty()];
    Hstore = [("a", Some("b")), ("c", None)].into_iter().collect();
    Ltree = Ltree::from("a.b");
    Cube = Cube::point(vec![1.0, -2.5]);
    Vector = Vector::from([1.0, -2.5]);
    SparseVector = SparseVector::new(5, vec![(0, 1.0), (2, 2.0)]).expect("places in order");
    RawBuf = RawBuf { oid: Oid::UNSPECIFIED, bytes: vec![0, 255] };
    char = 'ü';
    Oid = Oid(1_259);
    Money = Money(-123_456);
    Numeric = "-1234567890.00001234".parse().expect("a number");
    Date = Date::new(2024, 2, 29).expect("a day");
    Time = Time::new(23, 59, 59, 123_456).expect("a time");
    TimeTz = TimeTz::new(Time::new(12, 0, 0, 1).expect("a time"), 19_800).expect("an offset");
    Timestamp = Timestamp::from_microseconds(-1).expect("a moment");
    TimestampTz = TimestampTz::from_unix_microseconds(1_709_251_199_123_456).expect("a moment");
    Interval = Interval { months: 14, days: -3, microseconds: 14_706_000_007 };
    OrInfinity<NaiveDate> = OrInfinity::Infinity;
    OrInfinity<DateTime<Utc>> = OrInfinity::At(moment().and_utc());
    OrInfinity<Interval> = OrInfinity::NegInfinity;
    SystemTime = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_251_199);
    Duration = Duration::from_millis(90_061_001);
    TimeDelta = TimeDelta::milliseconds(-90_061_001);
    Inet = "192.168.0.1/24".parse().expect("an address");
    Cidr = "2001:db8::/32".parse().expect("a network");
    IpAddr = Ipv4Addr::LOCALHOST.into();
    Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
    Ipv6Addr = Ipv6Addr::LOCALHOST;
    MacAddr = MacAddr([8, 0, 43, 1, 2, 3]);
    MacAddr8 = MacAddr8([8, 0, 43, 1, 2, 3, 4, 5]);
    Bits = "1011001110001".parse().expect("bits");
    BitsRef<'_> = BitsRef::new(&[0b1010_1000], 5).expect("bits");
    Point = Point::new(1.5, -2.5);
    Segment = Segment::new(Point::new(0.0, 1.0), Point::new(2.0, 3.0));
    Rectangle = Rectangle::new(Point::new(0.0, 1.0), Point::new(2.0, 3.0));
    Line = Line::new(1.0, -2.0, 3.0);
    Circle = Circle::new(Point::new(0.0, 1.0), 2.0);
    Path = Path { is_closed: true, points: vec![Point::new(0.0, 1.0), Point::new(2.0, 3.0)] };
    Polygon = Polygon { points: vec![Point::new(0.0, 1.0), Point::new(2.0, 3.0)] };
    TsVector = [Lexeme::new("cat").at(3), Lexeme::new("fat").weighted(2, Weight::A)].into_iter().collect();
    TsQuery = TsQuery::term("fat").and(TsQuery::from(Term::new("ca").prefix()).not().or(TsQuery::term("rat")));
    Xml = Xml::from("<a>b</a>");
    JsonPath = JsonPath::from("$.a[*] ? (@ > 1)");
    Char = Char(200);
    Xid = Xid(7);
    Xid8 = Xid8(1 << 40);
    Cid = Cid(3);
    Tid = Tid { block: 7, offset: 3 };
    Lsn = Lsn(0x0016_b374_d848);
    Snapshot = Snapshot::new(Xid8(10), Xid8(20), vec![Xid8(10), Xid8(14)]).expect("in order");
    Int2Vector = Int2Vector(vec![1, 2]);
    OidVector = OidVector(vec![Oid::INT4, Oid::TEXT]);
    () => Vec::new();
    Vec<Numeric> = vec!["0.5".parse().expect("a number"), Numeric::default()];
    Vec<Option<Inet>> = vec![Some("::1".parse().expect("an address")), None];
    Vec<Bits> = vec!["101".parse().expect("bits")];
    Vec<TsVector> = vec![[Lexeme::new("a")].into_iter().collect()];
    Vec<Polygon> = vec![Polygon { points: vec![Point::new(0.0, 1.0)] }];
    ArrayRef<'_, Option<i32>> => written(Oid::INT4_ARRAY, &square()).expect("an array");
    ArrayRef<'_, &str> => written(Oid::TEXT_ARRAY, &vec!["grüße"]).expect("an array");
    Lquery = Lquery::from("a.*{1,2}.b");
    Ltxtquery = Ltxtquery::from("a & !b");
    Citext = Citext::from("Grüße");
    Raw<'_> => vec![0, 255];
    Record<'_> => record();
    (i32, Option<&str>) => record();
    Range<Numeric> = Range::from("0.5".parse().expect("a number")..);
    Range<Date> = Range::from(Date::new(2024, 2, 29).expect("a day")..);
    Range<DateTime<Utc>> = Range::from(moment().and_utc()..);
    Multirange<Timestamp> = [Range::from(..Timestamp::from_microseconds(5).expect("a moment"))].into_iter().collect();
    #[cfg(feature = "bigdecimal")]
    bigdecimal::BigDecimal = "-1234567890.00001234".parse().expect("a number");
    #[cfg(feature = "ipnet")]
    ipnet::IpNet = "10.1.0.0/16".parse().expect("a network");
    #[cfg(feature = "time")]
    time::Date = time::Date::from_ordinal_date(2024, 60).expect("a day");
    #[cfg(feature = "time")]
    time::Time = time::Time::from_hms_micro(23, 59, 59, 123_456).expect("a time");
    #[cfg(feature = "time")]
    time::PrimitiveDateTime = in_2024().date().midnight();
    #[cfg(feature = "time")]
    time::OffsetDateTime = in_2024();
    #[cfg(feature = "time")]
    time::UtcDateTime = in_2024().to_utc();
    #[cfg(feature = "time")]
    time::Duration = time::Duration::milliseconds(-90_061_001);
    #[cfg(feature = "jiff")]
    jiff::civil::Date = jiff::civil::date(2024, 2, 29);
    #[cfg(feature = "jiff")]
    jiff::civil::Time = jiff::civil::time(23, 59, 59, 123_456_000);
    #[cfg(feature = "jiff")]
    jiff::civil::DateTime = jiff::civil::date(2024, 2, 29).at(23, 59, 59, 0);
    #[cfg(feature = "jiff")]
    jiff::Timestamp = jiff::Timestamp::from_microsecond(1_709_251_199_123_456).expect("a moment");
    #[cfg(feature = "jiff")]
    jiff::SignedDuration = jiff::SignedDuration::from_millis(-90_061_001);
    #[cfg(feature = "jiff")]
    jiff::Span = jiff::Span::new().months(14).days(3).seconds(4);
    #[cfg(feature = "geo")]
    geo_types::Coord<f64> = geo_types::Coord { x: 1.5, y: -2.5 };
    #[cfg(feature = "geo")]
    geo_types::Point<f64> = geo_types::Point::new(1.5, -2.5);
    #[cfg(feature = "geo")]
    geo_types::Line<f64> = geo_types::Line::new((0.0, 1.0), (2.0, 3.0));
    #[cfg(feature = "geo")]
    geo_types::Rect<f64> = geo_types::Rect::new((0.0, 1.0), (2.0, 3.0));
    #[cfg(feature = "geo")]
    geo_types::LineString<f64> = geo_types::LineString::from(vec![(0.0, 1.0), (2.0, 3.0)]);
    #[cfg(feature = "geo")]
    geo_types::Polygon<f64> = geo_types::Polygon::new(vec![(0.0, 1.0), (2.0, 3.0), (4.0, 1.0)].into(), vec![]);
    Vec<Vec<Option<i32>>> = vec![vec![Some(1), None], vec![Some(3), Some(4)]];
    Vec<Vec<Vec<String>>> = vec![vec![vec!["grüße".into()], vec![String::new()]]];
    Vec<Vec<Vec<Vec<i64>>>> = vec![vec![vec![vec![1, 2]]]];
    Vec<Hstore> => numbered(&vec![[("a", Some("b")), ("c", None)].into_iter().collect::<Hstore>()]);
    Vec<Vector> => numbered(&vec![Vector::from([1.0, -2.5])]);
    Vec<Multirange<i32>> = vec![[Range::from(1..3)].into_iter().collect()];
    HalfVector = HalfVector::from_bits(vec![0x3c00, 0xc100]);
    Node => node();
    Vec<Option<Node>> => nodes();
};

/// A composite that holds an array of itself, as a hostile server may have it.
#[derive(Debug)]
#[allow(dead_code, reason = "it is read, and not looked at")]
struct Node {
    name: Option<String>,
    below: Vec<Node>,
}

impl PgType for Node {
    const TYPE: Type = Type { oid: Oid(20_000), array: Oid(20_001), name: "\"app\".\"node\"" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }
}

impl ArrayElement for Node {}

impl<'a> Decode<'a> for Node {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = CompositeReader::with(oid, raw, 2)?;
        let node = Self { name: reader.next()?, below: reader.next()? };
        reader.end()?;
        Ok(node)
    }
}

/// `(a,{"(,{})"})`.
fn node() -> Vec<u8> {
    let empty = [1, 20_001, 12, 0, 0, 20_000].map(u32::to_be_bytes).concat();
    let leaf = [&[2, 25, u32::MAX].map(u32::to_be_bytes).concat(), &empty[4..]].concat();
    let size = u32::try_from(leaf.len()).expect("a few bytes");
    let head = [1, 0, 20_000, 1, 1, size].map(u32::to_be_bytes).concat();
    let below = [head, leaf].concat();
    let size = u32::try_from(below.len()).expect("a few bytes");
    let name = [&[2, 25, 1].map(u32::to_be_bytes).concat()[..], b"a"].concat();
    [name, [20_001, size].map(u32::to_be_bytes).concat(), below].concat()
}

/// The same in an array, with a NULL behind it.
fn nodes() -> Vec<u8> {
    let node = node();
    let size = u32::try_from(node.len()).expect("a few bytes");
    let head = [1, 1, 20_000, 2, 1, size].map(u32::to_be_bytes).concat();
    [&head[..], &node, &[0xff; 4]].concat()
}

/// An array over a type of the database's own, with a number in the place where 0 is written: a server knows it.
fn numbered<T: Encode>(values: &T) -> Vec<u8> {
    let mut bytes = written(Oid::UNSPECIFIED, values).expect("an example can be written");
    bytes[8..12].copy_from_slice(&20_000_u32.to_be_bytes());
    bytes
}

/// `'[-1:0][5:6]={{1,NULL},{3,4}}'`.
fn square() -> Array<Option<i32>> {
    let dimensions = [-1, 5].map(|lower| Dimension { length: 2, lower });
    Array::new(dimensions, vec![Some(1), None, Some(3), Some(4)]).expect("four elements")
}

/// `(7,a)`.
fn record() -> Vec<u8> {
    b"\0\0\0\x02\0\0\0\x17\0\0\0\x04\0\0\0\x07\0\0\0\x19\0\0\0\x01a".to_vec()
}

#[cfg(feature = "time")]
fn in_2024() -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(1_709_251_199).expect("a moment")
}

/// 2024-02-29 23:59:59.123456.
fn moment() -> NaiveDateTime {
    DateTime::from_timestamp_micros(1_709_251_199_123_456).expect("a time").naive_utc()
}

/// Reads a value as the type that the first byte chooses, in the form that the second does.
pub(crate) fn read(input: &[u8]) {
    let Some((&[kind, choice], raw)) = input.split_first_chunk() else { return };
    (READERS[usize::from(kind) % READERS.len()].read)(choice, raw);
}

/// The type's own number, or another that it accepts.
fn oid<T: PgType>(choice: u8) -> Oid {
    let other = OTHERS.get(usize::from(choice)).copied().filter(|other| T::accepts(*other));
    other.unwrap_or(T::TYPE.oid)
}

/// The value's bytes. `None` for an array over a type of the database's own, whose number an array can't tell; for a text
/// with a NUL, which no server stores: what nobody sends is not looked for when a text is read; and for the empty values
/// that no server takes.
fn written<T: Encode>(oid: Oid, value: &T) -> Option<Vec<u8>> {
    let mut out = Buffer::new();
    match value.encode(oid, &mut out) {
        Ok(IsNull::No) => Some(out.as_slice().to_vec()),
        Err(error) if error.kind() == ErrorKind::InvalidText => None,
        Err(_) if oid.is_user_defined() => None,
        Err(error) if error.kind() == ErrorKind::OutOfRange && EMPTY_IS_REFUSED.contains(&oid) => {
            None
        }
        other => panic!("what was read can't be written: {other:?}"),
    }
}
