//! The types as columns of a model: its table, its rows, its filters.

use std::time::Duration;

use bigdecimal::BigDecimal;
use stellata::prelude::*;
use stellata_protocol::{
    Date, Interval, Money, Numeric, OrInfinity, Time, TimeTz, Timestamp, TimestampTz,
};
use stellata_testkit::Database;

#[derive(Model, Debug, Clone, PartialEq)]
struct Contract {
    #[model(key)]
    id: i64,
    rate: Numeric,
    rates: Vec<Numeric>,
    total: BigDecimal,
    fee: Money,
    signed: Date,
    opens: Time,
    closes: TimeTz,
    drafted: Timestamp,
    begins: TimestampTz,
    ends: OrInfinity<DateTime<Utc>>,
    notice: Interval,
    grace: Option<Duration>,
    reviewed: jiff::Timestamp,
    archived: Option<time::OffsetDateTime>,
}

fn contract(id: i64) -> Contract {
    Contract {
        id,
        rate: "0.00000000000000000000000000000000000001".parse().unwrap(),
        rates: vec![Numeric::NAN, "1.50".parse().unwrap(), Numeric::from(i128::MIN)],
        total: "79228162514264337593543950336.10".parse().unwrap(),
        fee: Money(-1_990),
        signed: "0044-03-15 BC".parse().unwrap(),
        opens: Time::MIN,
        closes: TimeTz::new(Time::MAX, -8 * 3_600).unwrap(),
        drafted: Timestamp::MAX,
        begins: TimestampTz::MIN,
        ends: OrInfinity::Infinity,
        notice: Interval { months: 3, days: -1, microseconds: 1 },
        grace: Some(Duration::from_millis(1_500)),
        reviewed: jiff::Timestamp::UNIX_EPOCH,
        archived: None,
    }
}

#[stellata_testkit::test]
async fn whole_types_are_columns(database: &Database) {
    let db = Db::connect(&database.url()).await.unwrap();
    db.create_all(&Schema::new().model::<Contract>()).await.unwrap();
    let columns = database
        .run(
            "select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum)
             from pg_attribute where attrelid = 'contract'::regclass and attnum > 0",
        )
        .unwrap();
    assert_eq!(
        columns[0][0].as_deref(),
        Some(
            "bigint, numeric, numeric[], numeric, money, date, time without time zone, \
             time with time zone, timestamp without time zone, timestamp with time zone, \
             timestamp with time zone, interval, interval, timestamp with time zone, \
             timestamp with time zone"
        )
    );
    let written = contract(1);
    let Contract { id, rate, rates, total, fee, signed, opens, closes, drafted, begins, .. } =
        written.clone();
    let Contract { ends, notice, grace, reviewed, archived, .. } = written.clone();
    let new = new!(Contract {
        id,
        rate,
        rates,
        total,
        fee,
        signed,
        opens,
        closes,
        drafted,
        begins,
        ends,
        notice,
        grace,
        reviewed,
        archived,
    });
    assert_eq!(new.insert(&db).await.unwrap(), written);
    let found = Contract::query()
        .filter(|c| {
            c.rate.gt(Numeric::ZERO)
                & c.signed.lt(Date::new(1, 1, 1).unwrap())
                & c.ends.gt(OrInfinity::At(DateTime::UNIX_EPOCH))
                & c.fee.eq(Money(-1_990))
                & c.notice.eq(Interval { months: 3, days: -1, microseconds: 1 })
        })
        .all(&db)
        .await
        .unwrap();
    assert_eq!(found, [written]);
    let kept = database.run("select rate, signed, ends, notice from contract").unwrap();
    let kept: Vec<_> = kept[0].iter().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(
        kept,
        [
            "0.00000000000000000000000000000000000001",
            "0044-03-15 BC",
            "infinity",
            "3 mons -1 days +00:00:00.000001"
        ]
    );
}
