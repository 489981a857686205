//! `numeric` and `money`.

use bigdecimal::BigDecimal;
use proptest::prelude::*;
use rust_decimal::Decimal;
use stellata_protocol::{ErrorKind, Money, Numeric};
use stellata_testkit::Database;

use super::agreement::{
    agree_on_texts, agree_on_values, bytes, connect, drawn, refused, stands_for, texts,
};

/// Numbers at the ends of digits, groups, scales, and of the type.
fn edges() -> Vec<String> {
    let mut edges = texts([
        "0",
        "-0",
        "0.0",
        "0.00000",
        "-0.000",
        "1",
        "-1",
        "9",
        "10",
        "99",
        "100",
        "999",
        "1000",
        "9999",
        "10000",
        "10001",
        "99999",
        "99999999",
        "100000000",
        "100000001",
        "0.1",
        "0.01",
        "0.001",
        "0.0001",
        "0.00001",
        "0.00000001",
        "0.000000001",
        "-0.0001",
        "0.9999",
        "0.99999",
        "1.0",
        "1.10",
        "1.1000",
        "1.10000",
        "1.00001",
        "10000.0001",
        "9999.9999",
        "-9999.9999",
        "12345.678",
        "1234567890.0987654321",
        "1000000000000",
        "1000000000000.000000000001",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "79228162514264337593543950335",
        "79228162514264337593543950336",
        "340282366920938463463374607431768211456",
        "0.0000000000000000000000000001",
        "1e28",
        "1e29",
        "-1e29",
        "1e100",
        "1e-100",
        "1.5e300",
        "1.50e-300",
        "123e45",
        "123.456e-45",
        "1e131071",
        "-1e131071",
        "9.99e131071",
        "1e-16383",
        "-1e-16383",
        "0e-16383",
        "0e999",
        "NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "-inf",
        " +1.5 ",
        "\t.5\n",
        "5.",
        "+.5e1",
        "1E+5",
        "00012.500",
        "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899",
    ]);
    edges.extend([
        "7".repeat(1_000),
        format!("-{}.{}", "3".repeat(1_000), "6".repeat(1_000)),
        format!("1{}", "0".repeat(131_071)),
        format!("0.{}1", "0".repeat(16_382)),
        format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383)),
    ]);
    edges
}

fn number() -> impl Strategy<Value = Numeric> {
    let text = prop_oneof![
        "-?[0-9]{1,12}(\\.[0-9]{0,12})?",
        "-?[0-9]{1,80}(\\.[0-9]{0,80})?",
        "-?[0-9]{1,9}\\.[0-9]{0,9}e-?[0-9]{1,4}",
        "-?[1-9]0{0,40}(\\.0{0,40}[0-9])?",
    ];
    text.prop_map(|text| text.parse().unwrap())
}

#[stellata_testkit::test]
async fn every_numeric_is_printed_and_sent_as_the_server_does(database: &Database) {
    let mut connection = connect(database).await;
    let edges = edges();
    assert!(edges.len() >= 80);
    agree_on_texts::<Numeric>(&mut connection, &edges).await;
    agree_on_values(&mut connection, &drawn(1_000, number())).await;
}

#[stellata_testkit::test]
async fn numeric_text_is_read_as_the_server_reads_it(database: &Database) {
    let mut connection = connect(database).await;
    let drawn = drawn(600, "[-+]?[0-9]{0,6}\\.?[0-9]{0,6}([eE][-+]?[0-9]{1,3})?");
    let (read, not_read): (Vec<String>, Vec<String>) =
        edges().into_iter().chain(drawn).partition(|text| text.parse::<Numeric>().is_ok());
    let rows: Vec<(String,)> = connection
        .query(
            "select v::numeric::text from unnest($1) with ordinality u(v, n) order by n",
            (&read,),
        )
        .await
        .unwrap();
    for ((printed,), text) in rows.iter().zip(&read) {
        assert_eq!(&text.parse::<Numeric>().unwrap().to_string(), printed, "{text:?}");
    }
    for text in not_read.iter().map(String::as_str).chain([
        "", " ", ".", "e1", "1e", "1e+", "--1", "1..2", "1.2.3", "+NaN", "-nan", "infin", "1x",
        "1e1.5", "1,5",
    ]) {
        assert_eq!(text.parse::<Numeric>().unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
        assert_eq!(refused(&mut connection, "numeric", text).await, "22P02", "{text:?}");
    }
    let long = "1".repeat(131_073);
    for text in
        ["1e131072", "-1e131072", "1e-16384", "0e-16384", "1e1073741823", "0e-1073741823", &long]
    {
        assert_eq!(text.parse::<Numeric>().unwrap_err().kind(), ErrorKind::OutOfRange, "{text}");
        assert_eq!(refused(&mut connection, "numeric", text).await, "22003", "{text:?}");
    }
}

#[stellata_testkit::test]
async fn numerics_are_sorted_and_equal_as_for_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let mut values = drawn(300, number());
    values.extend(edges().iter().filter(|text| text.len() < 400).map(|text| text.parse().unwrap()));
    let rows: Vec<(Numeric, bool)> = connection
        .query(
            "select v, coalesce(v = lag(v) over (order by v), false) from unnest($1) v order by v",
            (&values,),
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), values.len());
    for pair in rows.windows(2) {
        assert_eq!(pair[0].0.cmp(&pair[1].0).is_eq(), pair[1].1, "{:?}", pair);
        assert_eq!(pair[0].0 == pair[1].0, pair[1].1);
        assert!(pair[0].0 <= pair[1].0, "{:?}", pair);
    }
}

#[stellata_testkit::test]
async fn floats_and_integers_become_the_numbers_they_are(database: &Database) {
    let mut connection = connect(database).await;
    let mut floats = drawn(500, any::<f64>());
    floats.extend([0.1, -0.0, 1e22, 5e-324, f64::MAX, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY]);
    let numbers: Vec<Numeric> = floats.iter().copied().map(Numeric::from).collect();
    // The server's own cast keeps 15 digits only; through text it reads all of them.
    let rows: Vec<(f64, Numeric)> = connection
        .query(
            "select v::text::float8, v from unnest($1) with ordinality u(v, n) order by n",
            (&numbers,),
        )
        .await
        .unwrap();
    for ((back, number), float) in rows.iter().zip(&floats) {
        assert!(back == float || back.is_nan() && float.is_nan(), "{float} came back as {back}");
        assert_eq!(
            number.nearest_f64().to_bits(),
            (if *float == 0.0 { 0.0 } else { *float }).to_bits()
        );
    }
    let integers = drawn(300, any::<i128>());
    let numbers: Vec<Numeric> = integers.iter().copied().map(Numeric::from).collect();
    let rows: Vec<(String,)> = connection
        .query("select v::text from unnest($1) with ordinality u(v, n) order by n", (&numbers,))
        .await
        .unwrap();
    assert!(rows.iter().map(|(text,)| text.clone()).eq(texts(integers)));
}

#[stellata_testkit::test]
async fn decimals_of_other_crates_stand_for_numerics(database: &Database) {
    let mut connection = connect(database).await;
    let finite: Vec<String> = edges()
        .into_iter()
        .chain(texts(drawn(300, number())))
        .filter(|text| text.parse::<Numeric>().unwrap().is_finite() && text.len() < 400)
        .collect();
    let printed = |number: &BigDecimal| Numeric::try_from(number).unwrap().to_string();
    let few_zeros: Vec<String> =
        finite.iter().filter(|text| !text.starts_with("0e-")).cloned().collect();
    assert!(few_zeros.len() >= 60);
    let rows: Vec<(BigDecimal, String)> = connection
        .query(
            "select v::numeric, v::numeric::text from unnest($1) with ordinality u(v, n) order by n",
            (&few_zeros,),
        )
        .await
        .unwrap();
    for (number, text) in &rows {
        assert_eq!(&printed(number), text);
        assert_eq!(number, &text.parse::<BigDecimal>().unwrap());
    }
    let numbers: Vec<BigDecimal> = rows.iter().map(|(number, _)| number.clone()).collect();
    let (back,): (Vec<BigDecimal>,) = connection.query_one("select $1", (&numbers,)).await.unwrap();
    assert_eq!(back, numbers);

    let short: Vec<String> = finite
        .into_iter()
        .filter(|text| {
            Decimal::try_from(text.parse::<Numeric>().unwrap()).is_ok_and(|number| {
                number.to_string() == text.parse::<Numeric>().unwrap().to_string()
            })
        })
        .collect();
    assert!(short.len() >= 40, "{}", short.len());
    stands_for::<Decimal, Numeric>(&mut connection, &short, Decimal::to_string).await;
}

#[stellata_testkit::test]
async fn money_counts_the_smallest_units(database: &Database) {
    let mut connection = connect(database).await;
    connection.execute("set lc_monetary = 'C'", ()).await.unwrap();
    let mut amounts: Vec<i64> =
        [0, 1, 5, 9, 10, 11, 99, 100, 101, 999, 1_000, 1_990, 99_999, 100_000, 123_456_789]
            .into_iter()
            .flat_map(|amount: i64| [amount, -amount, amount * 1_000, amount * 1_000_000 + 1])
            .collect();
    amounts.extend([i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1]);
    amounts.extend(drawn(500, any::<i64>()));
    let values: Vec<Money> = amounts.iter().copied().map(Money).collect();
    let rows: Vec<(Money, String, Vec<u8>)> = connection
        .query(
            "select v, v::text, cash_send(v) from unnest($1) with ordinality u(v, n) order by n",
            (&values,),
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), values.len());
    for ((back, printed, sent), value) in rows.iter().zip(&values) {
        assert_eq!((back, sent), (value, &bytes(value)));
        let digits: String = printed.chars().filter(|digit| digit.is_ascii_digit()).collect();
        let negative = printed.starts_with('-');
        let read: i128 = digits.parse().unwrap();
        assert_eq!(if negative { -read } else { read }, value.0.into(), "{printed}");
    }
    let (all,): (Vec<Money>,) = connection.query_one("select $1", (&values,)).await.unwrap();
    assert_eq!(all, values);
}
