//! Random inputs made of those of the corpus, by seed: what stands in for a fuzzer where there is none.

/// A stream of random numbers (xorshift64*). The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(number).map_or(0, |number| number % limit.max(1))
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}

/// Bytes that mean much in this protocol: tags, borders of lengths and counts.
const TELLING: &[u8] = b"\0\x01\x04\x05\x7f\x80\xffRKSvENAZ12nstTDCIGHWdc3V";

/// An input of the corpus with one to eight changes, at most `longest` bytes long.
pub fn mutate(corpus: &[Vec<u8>], random: &mut Random, longest: usize) -> Vec<u8> {
    let mut input = corpus.get(random.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let place = input.get_mut(at);
        match (random.below(8), place) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(byte)) => *byte = random.byte(),
            (2, Some(byte)) => *byte = TELLING[random.below(TELLING.len())],
            (3, Some(byte)) => *byte = byte.wrapping_add(1),
            (4, _) => {
                let byte = random.byte();
                input.insert(at, byte);
            }
            (5, _) => {
                let end = (at + random.below(16)).min(input.len());
                input.drain(at..end);
            }
            (6, _) => {
                let end = (at + random.below(32)).min(input.len());
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let other = corpus.get(random.below(corpus.len())).map_or(&[][..], Vec::as_slice);
                let tail = other.get(random.below(other.len())..).unwrap_or_default();
                input.truncate(at);
                input.extend_from_slice(tail);
            }
        }
    }
    input.truncate(longest);
    input
}
