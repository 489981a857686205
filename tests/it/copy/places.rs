//! Which row of ours, or which line of the caller's, the server has refused.

use stellata_client::{CopyHeader, CopyOptions, Error};
use stellata_testkit::{with_database, with_database_since};

use super::connect;

#[test]
fn the_row_that_is_refused_is_counted_without_header_and_line_breaks() {
    with_database_since(15, async |database| {
        database.run("create table t (n int check (n % 10 <> 7), \"the\ntext\" text)").unwrap();
        let mut connection = connect(database).await;
        // Line breaks of all kinds, in some rows; more rows than the server stores at a time.
        let texts = ["plain", "two\nlines", "three\r\nlines\n", "\n\n\n\n", "", "no\rline"];
        for options in [
            CopyOptions::binary(),
            CopyOptions::text(),
            CopyOptions::csv(),
            CopyOptions::text().header(CopyHeader::Names),
            CopyOptions::csv().header(CopyHeader::Names),
        ] {
            for (bad, first) in [(0, 0), (1, 1), (2, 2), (5, 3), (9, 5), (3_000, 2), (40_000, 0)] {
                let rows = (0..=bad + 10).map(|row: u64| {
                    let n = if row == bad { 7 } else { 1 };
                    (n, texts[((first + row * row) % 17 % 6) as usize])
                });
                let copy = connection.copy_in("t", &[]).options(options.clone());
                let error = copy.rows(rows).await.unwrap_err();
                assert_eq!(error.row(), Some(bad + 1), "{options:?}: {error:#}");
                let place = format!("(row {} of the COPY)", bad + 1);
                assert!(error.to_string().ends_with(&place), "{error}");
            }
        }
    });
}

#[test]
fn of_the_caller_s_own_bytes_the_line_is_named() {
    with_database(async |database| {
        database.run("create table t (n int, s text)").unwrap();
        let mut connection = connect(database).await;
        let check = |error: Error, line: u64| {
            assert_eq!(error.row(), Some(line), "{error}");
            let place = format!("(line {line} of the COPY)");
            assert!(error.to_string().ends_with(&place), "{error}");
        };
        let options = CopyOptions::csv().header(CopyHeader::Names);
        let data = &b"n,s\n1,\"a\nb\"\nx,c\n"[..];
        let copy = connection.copy_in("t", &[]).options(options);
        check(copy.read_from(data).await.unwrap_err(), 4);

        let mut writer = connection.copy_in("t", &[]).writer().unwrap();
        writer.write(b"1\ta\n").await.unwrap();
        writer.row([Some("x"), None]).await.unwrap();
        check(writer.finish().await.unwrap_err(), 2);

        // Binary data has rows.
        let options = CopyOptions::binary();
        let mut bytes = Vec::new();
        let copy = connection.copy_out_query("values (1, null::int), (2, 5)");
        copy.options(options.clone()).write_to(&mut bytes).await.unwrap();
        database.run("create table few (n int check (n <> 2), m int)").unwrap();
        let copy = connection.copy_in("few", &[]).options(options);
        let error = copy.read_from(&bytes[..]).await.unwrap_err();
        assert!(error.to_string().ends_with("(row 2 of the COPY)"), "{error}");
    });
}
