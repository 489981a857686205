//! Whether a pooler stands before the server, as far as that shows without asking.

use stellata_protocol::message::BackendKey;

/// No server has a process of a higher number: Linux ends at 2^22, the other systems far below.
const MOST_PROCESSES: i32 = 1 << 22;

/// Whether what served the login is no PostgreSQL itself. A pooler does not know yet which process will serve the session,
/// or which will next: PgBouncer makes a number up, out of all that 32 bits can say, so that one in a thousand passes for
/// that of a process. All else that it tells is what the server once told it.
pub(super) fn is_suspected(key: Option<&BackendKey>) -> bool {
    !key.is_some_and(|key| (1..=MOST_PROCESSES).contains(&key.process_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_a_process_is_suspected() {
        let key = |process_id| BackendKey::new(process_id, b"four").unwrap();
        for number in [1, 4711, 4_194_304] {
            assert!(!is_suspected(Some(&key(number))), "{number}");
        }
        for number in [0, -1, i32::MIN, 4_194_305, i32::MAX] {
            assert!(is_suspected(Some(&key(number))), "{number}");
        }
        assert!(is_suspected(None));
    }
}
