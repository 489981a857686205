//! `bit` and `varbit`.

use proptest::prelude::*;
use stellata_protocol::types::bits::{Bits, BitsRef};
use stellata_testkit::Database;

use super::printed::{connect, drawn, edges};

/// Strings of zeros, of ones, of both in turn, and with one bit set at either end, of lengths around whole bytes.
fn edge_texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    for len in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000] {
        texts.push("0".repeat(len));
        texts.push("1".repeat(len));
        texts.push("01".repeat(len).split_off(len));
        texts.push(format!("{}1", "0".repeat(len - 1)));
        texts.push(format!("1{}", "0".repeat(len - 1)));
    }
    texts
}

#[stellata_testkit::test]
async fn bit_strings_are_those_of_the_server(database: &Database) {
    let mut connection = connect(database).await;
    let texts = edge_texts();
    edges::<Bits>(&mut connection, "varbit", &texts.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    let octets: Vec<_> = (0..=255_u8).map(|octet| format!("{octet:08b}")).collect();
    edges::<Bits>(
        &mut connection,
        "bit(8)",
        &octets.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    let any = prop::collection::vec(any::<bool>(), 0..200).prop_map(Bits::from_iter);
    drawn(&mut connection, any).await;
}

#[stellata_testkit::test]
async fn a_bit_string_has_the_length_of_its_column(database: &Database) {
    let mut connection = connect(database).await;
    connection.execute("create table flags (all_of_them bit(3))", ()).await.unwrap();
    let insert = "insert into flags values ($1)";
    let three: Bits = "101".parse().unwrap();
    assert_eq!(connection.execute(insert, (&three,)).await.unwrap(), 1);
    let four: Bits = "1010".parse().unwrap();
    assert!(connection.execute(insert, (&four,)).await.is_err());
    let found = "select all_of_them from flags";
    let mut read = String::new();
    connection
        .query_each(found, (), |columns| {
            let bits: BitsRef<'_> = columns.next()?;
            read = bits.to_string();
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(read, "101");
}
