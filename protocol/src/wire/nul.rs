//! The byte that ends a string on the wire, and so can't be in one.

/// Where the first byte lies that is zero: eight at a time, since a login brings two dozen strings.
#[inline]
pub(crate) fn first_nul(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    let mut at = 0_usize;
    for word in words {
        let found = zero_in(u64::from_le_bytes(*word));
        if found != 0 {
            // At most 7.
            let byte = usize::try_from(found.trailing_zeros() / 8).unwrap_or_default();
            return Some(at.wrapping_add(byte));
        }
        at = at.wrapping_add(word.len());
    }
    rest.iter().position(|byte| *byte == 0).map(|byte| at.wrapping_add(byte))
}

/// Whether a byte is zero: eight at a time, since every text parameter and every name goes through here.
#[inline]
pub(crate) fn holds_nul(bytes: &[u8]) -> bool {
    let zero_in = |word: [u8; 8]| zero_in(u64::from_ne_bytes(word));
    let (words, rest) = bytes.as_chunks();
    let found = words.iter().fold(0, |found, word| found | zero_in(*word));
    match (bytes.last_chunk(), bytes.last_chunk::<4>(), bytes.first_chunk::<4>()) {
        _ if rest.is_empty() => found != 0,
        (Some(last), _, _) => found | zero_in(*last) != 0,
        // Four to seven bytes: the first four and the last four, which may overlap.
        (None, Some([a, b, c, d]), Some([e, f, g, h])) => {
            zero_in([*a, *b, *c, *d, *e, *f, *g, *h]) != 0
        }
        _ => rest.contains(&0),
    }
}

/// Something other than 0 where one of eight bytes is zero: the lowest that is has its highest bit set, and no byte below it
/// has.
#[inline(always)]
pub(crate) fn zero_in(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_nul_is_found_wherever_it_is(
            mut bytes in proptest::collection::vec(1..=255_u8, 0..40),
            at: proptest::sample::Index,
        ) {
            prop_assert!(!holds_nul(&bytes));
            bytes.push(1);
            let at = at.index(bytes.len());
            bytes[at] = 0;
            prop_assert!(holds_nul(&bytes));
        }

        #[test]
        fn the_first_nul_is_the_one_that_a_look_at_each_byte_finds(
            bytes in proptest::collection::vec(prop_oneof![3 => 1..=255_u8, 1 => Just(0), 1 => Just(1)], 0..40),
        ) {
            prop_assert_eq!(first_nul(&bytes), bytes.iter().position(|byte| *byte == 0));
        }
    }
}
