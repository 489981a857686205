//! Dates, times and intervals.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use proptest::prelude::*;
use stellata_protocol::{Date, Interval, OrInfinity, Time, TimeTz, Timestamp, TimestampTz};
use stellata_testkit::Database;
use time::{OffsetDateTime, PrimitiveDateTime, UtcDateTime};

use super::agreement::{
    agree_on_texts, agree_on_values, connect, drawn, refused, stands_for, texts,
};

const FIRST_MICRO: i64 = -211_813_488_000_000_000;
const LAST_MICRO: i64 = 9_223_371_331_199_999_999;

/// Days at the ends of months in years at the ends of everything, up to a year.
fn days(last_year: i32) -> Vec<String> {
    let mut days = Vec::new();
    for year in [
        -4712, -4000, -401, -400, -399, -100, -4, -3, -1, 0, 1, 2, 4, 100, 400, 1582, 1600, 1700,
        1900, 1969, 1970, 1999, 2000, 2001, 2023, 2024, 2100, 9999, 10_000, 262_142, 294_276,
        294_277, 5_874_897,
    ] {
        for day in ["01-01", "02-28", "03-01", "12-31"] {
            if year <= last_year {
                days.push(if year > 0 {
                    format!("{year:04}-{day}")
                } else {
                    format!("{:04}-{day} BC", 1 - year)
                });
            }
        }
    }
    days.extend(texts([
        "2000-02-29",
        "2024-02-29",
        "0001-02-29 BC",
        "0005-02-29 BC",
        "4714-11-24 BC",
    ]));
    days
}

fn clocks() -> Vec<String> {
    let mut clocks = Vec::new();
    for hour in [0, 1, 9, 12, 13, 23] {
        for rest in [
            "00:00",
            "00:01",
            "59:59",
            "59:59.999999",
            "30:15.5",
            "00:00.000001",
            "01:02.030405",
            "10:20.300",
            "00:00.1",
            "07:08.09",
        ] {
            clocks.push(format!("{hour:02}:{rest}"));
        }
    }
    clocks
}

/// A clock behind each day, the era last.
fn timestamps(last_year: i32, offset: &str) -> Vec<String> {
    let clocks = clocks();
    days(last_year)
        .iter()
        .zip(clocks.iter().cycle())
        .map(|(day, clock)| match day.strip_suffix(" BC") {
            Some(day) => format!("{day} {clock}{offset} BC"),
            None => format!("{day} {clock}{offset}"),
        })
        .collect()
}

/// What the crates for times are asked for: edges, and drawn ones, as types of this project print them.
struct Usual {
    days: Vec<String>,
    clocks: Vec<String>,
    timestamps: Vec<String>,
    instants: Vec<String>,
}

impl Usual {
    fn new() -> Self {
        // From 0001-01-01 to a day before the end of 9999: jiff's instants leave room for offsets.
        let micros = drawn(300, -63_082_281_600_000_000..252_455_400_000_000_000_i64);
        let drawn: Vec<Timestamp> = micros
            .into_iter()
            .map(|micros| Timestamp::from_microseconds(micros).unwrap())
            .collect();
        let with = |mut edges: Vec<String>, drawn: Vec<String>| {
            edges.extend(drawn);
            edges.retain(|text| !text.starts_with("9999-12-31 "));
            usual(edges)
        };
        Self {
            days: with(days(9_999), texts(drawn.iter().map(|at| at.date()))),
            clocks: with(clocks(), texts(drawn.iter().map(|at| at.time().unwrap()))),
            timestamps: with(timestamps(9_999, ""), texts(&drawn)),
            instants: with(
                timestamps(9_999, "+00"),
                texts(drawn.iter().map(|at| TimestampTz::from_utc(*at))),
            ),
        }
    }
}

/// Those within the years that `time` and jiff hold and print as the server does.
fn usual(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().filter(|text| !text.ends_with("BC")).collect()
}

const INFINITIES: [&str; 2] = ["infinity", "-infinity"];

#[stellata_testkit::test]
async fn every_date_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let mut edges = days(i32::MAX);
    edges.extend(texts(INFINITIES));
    assert!(edges.len() >= 100);
    agree_on_texts::<Date>(&mut connection, &edges).await;
    let days = drawn(1_000, prop_oneof![-2_451_545..=2_145_031_948_i32, -800_000..800_000_i32]);
    let dates: Vec<Date> = days.into_iter().map(|days| Date::from_days(days).unwrap()).collect();
    agree_on_values(&mut connection, &dates).await;
    for text in
        ["4714-11-23 BC", "5874898-01-01", "2023-02-29", "1900-02-29", "2023-13-01", "0000-01-01"]
    {
        assert!(text.parse::<Date>().is_err());
        assert_eq!(refused(&mut connection, "date", text).await, "22008", "{text}");
    }
}

#[stellata_testkit::test]
async fn every_time_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let mut edges = clocks();
    edges.extend(texts(["24:00:00", "23:59:60", "12:34:56.9999995"]));
    assert!(edges.len() >= 60);
    agree_on_texts::<Time>(&mut connection, &edges).await;
    let times: Vec<Time> = drawn(600, 0..=86_400_000_000_i64)
        .into_iter()
        .map(|micros| Time::from_microseconds(micros).unwrap())
        .collect();
    agree_on_values(&mut connection, &times).await;
    for text in ["24:00:00.000001", "25:00:00", "12:60:00"] {
        assert!(text.parse::<Time>().is_err());
        assert_eq!(refused(&mut connection, "time", text).await, "22008", "{text}");
    }
}

#[stellata_testkit::test]
async fn every_timetz_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let offsets =
        ["+00", "-08", "+05:30", "-00:30", "+15:59:59", "-15:59:59", "+00:00:01", "-03:30:52"];
    let mut edges: Vec<String> = clocks()
        .iter()
        .zip(offsets.iter().cycle())
        .map(|(clock, offset)| format!("{clock}{offset}"))
        .collect();
    edges.extend(offsets.map(|offset| format!("24:00:00{offset}")));
    assert!(edges.len() >= 60);
    agree_on_texts::<TimeTz>(&mut connection, &edges).await;
    let mut times: Vec<TimeTz> = drawn(600, (0..=86_400_000_000_i64, -57_599..=57_599_i32))
        .into_iter()
        .map(|(micros, offset)| {
            TimeTz::new(Time::from_microseconds(micros).unwrap(), offset).unwrap()
        })
        .collect();
    agree_on_values(&mut connection, &times).await;
    // Some that are the same time in UTC.
    for offset in [-3_600, 0, 3_600, 7_200] {
        let micros = i64::from(36_000 + offset) * 1_000_000;
        times.push(TimeTz::new(Time::from_microseconds(micros).unwrap(), offset).unwrap());
    }
    let sorted: Vec<(TimeTz,)> =
        connection.query("select v from unnest($1) v order by v", (&times,)).await.unwrap();
    times.sort();
    assert!(sorted.into_iter().map(|(time,)| time).eq(times));
    assert_eq!(refused(&mut connection, "timetz", "00:00:00+16").await, "22009");
}

#[stellata_testkit::test]
async fn every_timestamp_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let mut edges = timestamps(294_276, "");
    edges.extend(texts(INFINITIES));
    edges.extend(texts([
        "294276-12-31 23:59:59.999999",
        "4714-11-24 00:00:00 BC",
        "4714-11-24 00:00:00.000001 BC",
        "1999-12-31 23:59:59.999999",
        "2016-12-31 23:59:60",
    ]));
    assert!(edges.len() >= 60);
    agree_on_texts::<Timestamp>(&mut connection, &edges).await;
    let timestamps: Vec<Timestamp> =
        micros().into_iter().map(|micros| Timestamp::from_microseconds(micros).unwrap()).collect();
    agree_on_values(&mut connection, &timestamps).await;
    for timestamp in &timestamps[..50] {
        let (date, time) = (timestamp.date(), timestamp.time());
        let split: (Date, Option<Time>) =
            connection.query_one("select $1::date, $1::time", (timestamp,)).await.unwrap();
        assert_eq!(split, (date, time));
    }
    for text in ["294277-01-01 00:00:00", "4714-11-23 23:59:59.999999 BC"] {
        assert!(text.parse::<Timestamp>().is_err());
        assert_eq!(refused(&mut connection, "timestamp", text).await, "22008", "{text}");
    }
}

fn micros() -> Vec<i64> {
    drawn(
        800,
        prop_oneof![FIRST_MICRO..=LAST_MICRO, -60_000_000_000_000_000..60_000_000_000_000_000_i64],
    )
}

#[stellata_testkit::test]
async fn every_timestamptz_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let mut edges = timestamps(294_276, "+00");
    edges.extend(timestamps(9_999, "-08:15"));
    edges.extend(texts(INFINITIES));
    assert!(edges.len() >= 60);
    agree_on_texts::<TimestampTz>(&mut connection, &edges).await;
    let instants: Vec<TimestampTz> = micros()
        .into_iter()
        .map(|micros| TimestampTz::from_utc(Timestamp::from_microseconds(micros).unwrap()))
        .collect();
    agree_on_values(&mut connection, &instants).await;
    // As sessions elsewhere print them; the offset is the zone's at that instant, with seconds before 1900.
    for zone in ["Asia/Kolkata", "America/St_Johns", "Europe/London", "Pacific/Kiritimati"] {
        connection.execute(&format!("set timezone = '{zone}'"), ()).await.unwrap();
        let rows: Vec<(String, TimestampTz)> =
            connection.query("select v::text, v from unnest($1) v", (&instants,)).await.unwrap();
        for (printed, instant) in rows {
            assert_eq!(printed.parse(), Ok(instant), "{printed} in {zone}");
        }
    }
}

fn interval_edges() -> Vec<String> {
    let months = [
        "",
        "1 mon",
        "-1 mon",
        "11 mons",
        "1 year",
        "-1 year",
        "2 years 3 mons",
        "-2 years -3 mons",
        "178956970 years 7 mons",
        "-178956970 years -8 mons",
    ];
    let days = ["", "1 day", "-1 day", "40 days", "2147483647 days", "-2147483648 days"];
    let clocks = [
        "",
        "00:00:01",
        "-00:00:01",
        "04:05:06.7",
        "-100:00:00.000001",
        "00:00:00.5",
        "1000000:59:59.999999",
    ];
    let mut edges = Vec::new();
    for month in months {
        for day in days {
            for clock in clocks {
                let text = [month, day, clock].join(" ");
                edges.push(if text.trim().is_empty() { "0".to_owned() } else { text });
            }
        }
    }
    edges
}

fn interval(hours: i64) -> impl Strategy<Value = Interval> {
    let months = prop_oneof![Just(0), -30..30_i32, any::<i32>()];
    let days = prop_oneof![Just(0), -40..40_i32, any::<i32>()];
    let micros = hours.saturating_mul(3_600_000_000);
    let micros = prop_oneof![Just(0), -9_999_999..9_999_999_i64, -micros..micros];
    (months, days, micros).prop_map(|(months, days, microseconds)| Interval {
        months,
        days,
        microseconds,
    })
}

#[stellata_testkit::test]
async fn every_interval_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let mut edges = interval_edges();
    if database.version() >= 17 {
        edges.extend(texts(INFINITIES));
    }
    assert!(edges.len() >= 400);
    agree_on_texts::<Interval>(&mut connection, &edges).await;
    // Server 14 prints no more hours than 32 bits count.
    let hours = if database.version() < 15 { 2_000_000_000 } else { 2_562_047_788 };
    let intervals = drawn(1_000, interval(hours));
    agree_on_values(&mut connection, &intervals).await;

    connection.execute("set intervalstyle = 'iso_8601'", ()).await.unwrap();
    let rows: Vec<(String, Interval)> =
        connection.query("select v::text, v from unnest($1) v", (&intervals,)).await.unwrap();
    let edges: Vec<(String, Interval)> = connection
        .query("select v::interval::text, v::interval from unnest($1) v", (&edges,))
        .await
        .unwrap();
    for (printed, interval) in rows.iter().chain(&edges) {
        assert_eq!(&interval.to_iso8601(), printed);
        assert_eq!(printed.parse(), Ok(*interval));
    }
}

#[stellata_testkit::test]
async fn chrono_stands_for_dates_and_times(database: &Database) {
    let mut connection = connect(database).await;
    let connection = &mut connection;
    let usual = Usual::new();
    stands_for::<NaiveDate, Date>(connection, &usual.days, NaiveDate::to_string).await;
    let clock = |time: &NaiveTime| shortened(time.format("%H:%M:%S%.6f").to_string());
    stands_for::<NaiveTime, Time>(connection, &usual.clocks, clock).await;
    let print = |at: &NaiveDateTime| shortened(at.format("%Y-%m-%d %H:%M:%S%.6f").to_string());
    stands_for::<NaiveDateTime, Timestamp>(connection, &usual.timestamps, print).await;
    let print = |at: &DateTime<Utc>| print(&at.naive_utc()) + "+00";
    stands_for::<DateTime<Utc>, TimestampTz>(connection, &usual.instants, print).await;
    let print = |duration: &TimeDelta| Interval::try_from(*duration).unwrap().to_string();
    stands_for::<TimeDelta, Interval>(connection, &durations(true), print).await;
}

#[stellata_testkit::test]
async fn infinities_are_read_and_written_with_chrono(database: &Database) {
    let mut connection = connect(database).await;
    let dates = [
        OrInfinity::NegInfinity,
        OrInfinity::At(NaiveDate::from_ymd_opt(2024, 2, 29).unwrap()),
        OrInfinity::Infinity,
    ];
    let sql = "select array_agg(v::text), array_agg(v) from unnest($1) v";
    let (printed, back): (Vec<String>, Vec<OrInfinity<NaiveDate>>) =
        connection.query_one(sql, (dates,)).await.unwrap();
    assert_eq!(printed, ["-infinity", "2024-02-29", "infinity"]);
    assert_eq!(back, dates);
    let instants: [OrInfinity<DateTime<Utc>>; 3] =
        [OrInfinity::NegInfinity, OrInfinity::At(DateTime::UNIX_EPOCH), OrInfinity::Infinity];
    let (printed, back): (Vec<String>, Vec<OrInfinity<DateTime<Utc>>>) =
        connection.query_one(sql, (instants,)).await.unwrap();
    assert_eq!(printed, ["-infinity", "1970-01-01 00:00:00+00", "infinity"]);
    assert_eq!(back, instants);
    if database.version() >= 17 {
        let durations: [OrInfinity<TimeDelta>; 3] =
            [OrInfinity::NegInfinity, OrInfinity::At(TimeDelta::seconds(1)), OrInfinity::Infinity];
        let (printed, back): (Vec<String>, Vec<OrInfinity<TimeDelta>>) =
            connection.query_one(sql, (durations,)).await.unwrap();
        assert_eq!(printed, ["-infinity", "00:00:01", "infinity"]);
        assert_eq!(back, durations);
    }
}

#[stellata_testkit::test]
async fn the_crate_time_stands_for_dates_and_times(database: &Database) {
    let mut connection = connect(database).await;
    let connection = &mut connection;
    let usual = Usual::new();
    stands_for::<time::Date, Date>(connection, &usual.days, time::Date::to_string).await;
    let clock = |time: time::Time| {
        let (hour, minute, second, micro) = time.as_hms_micro();
        shortened(format!("{hour:02}:{minute:02}:{second:02}.{micro:06}"))
    };
    stands_for::<time::Time, Time>(connection, &usual.clocks, |time| clock(*time)).await;
    let print = |at: &PrimitiveDateTime| format!("{} {}", at.date(), clock(at.time()));
    stands_for::<PrimitiveDateTime, Timestamp>(connection, &usual.timestamps, print).await;
    let print = |at: &OffsetDateTime| format!("{} {}+00", at.date(), clock(at.time()));
    stands_for::<OffsetDateTime, TimestampTz>(connection, &usual.instants, print).await;
    let print = |at: &UtcDateTime| format!("{} {}+00", at.date(), clock(at.time()));
    stands_for::<UtcDateTime, TimestampTz>(connection, &usual.instants, print).await;
    let print = |duration: &time::Duration| Interval::try_from(*duration).unwrap().to_string();
    stands_for::<time::Duration, Interval>(connection, &durations(true), print).await;
}

#[stellata_testkit::test]
async fn jiff_stands_for_dates_and_times(database: &Database) {
    let mut connection = connect(database).await;
    let connection = &mut connection;
    let usual = Usual::new();
    let print = jiff::civil::Date::to_string;
    stands_for::<jiff::civil::Date, Date>(connection, &usual.days, print).await;
    let print = |time: &jiff::civil::Time| time.to_string();
    stands_for::<jiff::civil::Time, Time>(connection, &usual.clocks, print).await;
    let print = |at: &jiff::civil::DateTime| at.to_string().replace('T', " ");
    stands_for::<jiff::civil::DateTime, Timestamp>(connection, &usual.timestamps, print).await;
    let print = |at: &jiff::Timestamp| at.to_string().replace('T', " ").replace('Z', "+00");
    stands_for::<jiff::Timestamp, TimestampTz>(connection, &usual.instants, print).await;
    let print =
        |duration: &jiff::SignedDuration| Interval::try_from(*duration).unwrap().to_string();
    stands_for::<jiff::SignedDuration, Interval>(connection, &durations(true), print).await;
    let print = |span: &jiff::Span| Interval::try_from(*span).unwrap().to_string();
    let spans = texts([
        "1 year 2 mons 3 days 04:05:06.7",
        "-1 years -1 days -00:00:00.000001",
        "19998 years",
    ]);
    stands_for::<jiff::Span, Interval>(connection, &spans, print).await;
    let zoned =
        jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-8)));
    let (printed,): (String,) = connection.query_one("select $1::text", (zoned,)).await.unwrap();
    assert_eq!(printed, "1970-01-01 00:00:00+00");
}

#[stellata_testkit::test]
async fn the_types_of_std_stand_for_instants_and_durations(database: &Database) {
    let mut connection = connect(database).await;
    let print = |time: &SystemTime| TimestampTz::try_from(*time).unwrap().to_string();
    let mut instants = timestamps(294_276, "+00");
    instants.extend(Usual::new().instants);
    stands_for::<SystemTime, TimestampTz>(&mut connection, &instants, print).await;
    let print = |duration: &Duration| Interval::try_from(*duration).unwrap().to_string();
    stands_for::<Duration, Interval>(&mut connection, &durations(false), print).await;
    let now = SystemTime::now();
    let (epoch,): (f64,) =
        connection.query_one("select extract(epoch from $1)::float8", (now,)).await.unwrap();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((epoch - since).abs() < 1e-5, "{epoch} and {since}");
}

/// A text without the zeros at the end of its decimals.
fn shortened(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn durations(negative: bool) -> Vec<String> {
    let mut durations = Usual::new().clocks;
    durations.extend(texts(["1000000:00:00", "2147483647:59:59.999999"]));
    if negative {
        durations.extend(clocks().into_iter().map(|clock| format!("-{clock}")));
    }
    durations
}
