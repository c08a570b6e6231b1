/// A hash that is the same in every process and on every machine, whatever they run on.
///
/// The standard library's promises no such thing. It is quick and spreads well; it does not
/// withstand anybody who looks for two inputs of one hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableHash(u64);

/// Digits of the square roots of two, three and five, made odd.
const KEYS: [u64; 3] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
];

// === impl StableHash ===

impl StableHash {
    /// Begins a hash; those of different domains have nothing in common.
    pub(crate) const fn new(domain: u64) -> Self {
        Self(KEYS[0] ^ domain)
    }

    /// Takes in a number.
    pub(crate) fn number(&mut self, number: u64) {
        self.0 = fold(self.0 ^ number, KEYS[1]).wrapping_add(KEYS[2]);
    }

    /// Takes in bytes, and how many they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.number(u64::from_le_bytes(last));
        self.number(bytes.len() as u64);
    }

    /// The hash of all that was taken in.
    pub(crate) fn finish(self) -> u64 {
        fold(self.0 ^ KEYS[2], KEYS[1])
    }
}

/// Both halves of the product, over each other.
fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = a.carrying_mul(b, 0);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(domain: u64, parts: &[&str]) -> u64 {
        let mut hash = StableHash::new(domain);
        for part in parts {
            hash.bytes(part.as_bytes());
        }
        hash.finish()
    }

    #[test]
    fn is_the_same_for_ever() {
        // That they change would matter: every conversation would move away from its cache.
        assert_eq!(hash(0, &[]), 0x589c_1fe3_71ec_f641);
        assert_eq!(hash(0, &["a"]), 0xa83b_0d39_e2ee_5e67);
        assert_eq!(hash(1, &["The tide was out.", "é"]), 0xc4cb_6b6e_3011_4b2e);
    }

    #[test]
    fn tells_parts_lengths_and_domains_apart() {
        let hashes = [
            hash(0, &["ab", "c"]),
            hash(0, &["a", "bc"]),
            hash(0, &["abc"]),
            hash(1, &["abc"]),
            hash(0, &["abc\0"]),
            hash(0, &["abc", ""]),
            hash(0, &["12345678"]),
            hash(0, &["12345678\0"]),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{at}");
        }
    }

    #[test]
    fn spreads_over_all_its_bits() {
        let hashes: Vec<_> = (0..4096_u64)
            .map(|number| hash(0, &[&number.to_string()]))
            .collect();
        for bit in 0..64 {
            let set = hashes.iter().filter(|hash| *hash >> bit & 1 == 1).count();
            assert!((1850..2250).contains(&set), "bit {bit}: {set} of 4096");
        }
    }
}
