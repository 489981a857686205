//! `require_auth` held against libpq's own reading of it.

use stellata_protocol::auth::RequireAuth;

#[test]
fn every_list_is_read_as_libpq_reads_it_or_refused_in_its_words() {
    let mut lists = 0;
    for line in include_str!("data/require_auth.tsv").lines() {
        let Some((list, libpq)) = line.split_once('\t') else {
            assert!(line.starts_with('#'), "{line}");
            continue;
        };
        let ours = list.parse::<RequireAuth>().err().map(|error| error.to_string());
        assert_eq!(ours.unwrap_or_default(), libpq, "{list:?}");
        lists += 1;
    }
    assert_eq!(lists, 552);
}
