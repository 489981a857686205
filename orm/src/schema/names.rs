//! The names of constraints and indexes: derived from table and columns in one way, so that an error of the server leads
//! back to the fields.

use crate::model::table::{IndexDef, Table, UniqueDef};

/// The longest name that PostgreSQL keeps, in bytes (`NAMEDATALEN - 1`).
const NAME_MAX: usize = 63;

/// The name of the primary key.
pub(crate) fn primary_key(table: &Table) -> String {
    derived(table.name, &[], "pkey")
}

/// The name of a unique key.
pub(crate) fn unique(table: &Table, unique: &UniqueDef) -> String {
    unique.name.map_or_else(|| over(table, unique.columns, "key"), str::to_owned)
}

/// The name of an index.
pub(crate) fn index(table: &Table, index: &IndexDef) -> String {
    index.name.map_or_else(|| over(table, index.columns, "idx"), str::to_owned)
}

/// The name of the foreign key that these columns hold.
pub(crate) fn foreign_key(table: &Table, columns: &[u16]) -> String {
    over(table, columns, "fkey")
}

fn over(table: &Table, columns: &[u16], suffix: &str) -> String {
    let columns: Vec<&str> = columns
        .iter()
        .filter_map(|index| table.columns.get(usize::from(*index)))
        .map(|column| column.name)
        .collect();
    derived(table.name, &columns, suffix)
}

/// `{table}_{columns}_{suffix}`. Where that is too long, its middle is cut and a hash of the whole put in its place, so
/// that two long names stay two.
fn derived(table: &str, columns: &[&str], suffix: &str) -> String {
    let mut base = table.to_owned();
    for column in columns {
        base.push('_');
        base.push_str(column);
    }
    let whole = format!("{base}_{suffix}");
    if whole.len() <= NAME_MAX {
        return whole;
    }
    let tail = format!("_{:010x}_{suffix}", hash(whole.as_bytes()) & 0xff_ffff_ffff);
    let kept = base.floor_char_boundary(NAME_MAX.saturating_sub(tail.len()));
    base.truncate(kept);
    base + &tail
}

/// FNV-1a of 64 bits: the same on every machine and in every version.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{derived, hash};

    #[test]
    fn short_names_stay_readable() {
        assert_eq!(derived("albums", &[], "pkey"), "albums_pkey");
        assert_eq!(derived("albums", &["artist_id", "title"], "key"), "albums_artist_id_title_key");
    }

    #[test]
    fn long_names_are_cut_to_what_the_server_keeps_and_stay_apart() {
        let column = "a".repeat(60);
        let other = format!("{}b", "a".repeat(59));
        let left = derived("measurements", &[&column], "fkey");
        let right = derived("measurements", &[&other], "fkey");
        assert_eq!(left.len(), 63);
        assert_ne!(left, right);
        assert!(left.starts_with("measurements_aaa") && left.ends_with("_fkey"));
        assert_eq!(left, derived("measurements", &[&column], "fkey"));
    }

    #[test]
    fn a_name_is_cut_between_letters() {
        let name = derived(&"ä".repeat(31), &["ß"], "key");
        assert!(name.len() <= 63 && name.ends_with("_key"), "{name}");
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
