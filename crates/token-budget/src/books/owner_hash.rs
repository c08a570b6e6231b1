//! Hashing of owners, plans and reservation ids, without a look at each of them twice.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::Owner;

/// A seeded hash of a few instructions a word.
///
/// It resists no one who knows the seed and chooses the ids; but owners are named by whoever
/// runs the process, and ids are made here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WordHasher(u64);

/// Makes [`WordHasher`]s of one random seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u64);

/// The hash of an owner, by which its shard and its account are found.
pub(crate) fn hash_of(seed: Seed, owner: &Owner) -> u64 {
    seed.hash_one(owner)
}

/// Which of so many shards an owner of this hash is in.
pub(crate) fn shard_of(hash: u64, shards: usize) -> usize {
    // The map within a shard looks at the upper and the lower bits.
    usize::try_from((hash >> 24) % (shards as u64)).unwrap_or(0)
}

// === impl WordHasher ===

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.write_u64(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u128(&mut self, number: u128) {
        let word = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
        self.write_u64(word(number >> 64));
        self.write_u64(word(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.unsigned_abs() as u64);
    }
}

// === impl Seed ===

impl Default for Seed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seed {
    type Hasher = WordHasher;

    fn build_hasher(&self) -> WordHasher {
        WordHasher(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tower_claude_core::TenantId;

    use super::*;
    use crate::ReservationId;

    #[test]
    fn owners_of_similar_names_spread_over_shards_and_do_not_collide() {
        let seed = Seed::default();
        let owners = (0..10_000).map(|n| {
            let id = TenantId::new(&format!("tenant-{n:05}")).unwrap();
            hash_of(seed, &Owner::Tenant(id))
        });
        let owners: Vec<_> = owners.collect();
        let hashes: HashSet<_> = owners.iter().copied().collect();
        assert_eq!(hashes.len(), 10_000);
        for shard in 0..64 {
            let count = owners
                .iter()
                .filter(|hash| shard_of(**hash, 64) == shard)
                .count();
            assert!((80..240).contains(&count), "{count}");
        }
    }

    #[test]
    fn ids_in_a_row_differ_in_the_bits_a_map_looks_at() {
        let seed = Seed::default();
        let hashes: Vec<_> = (0..1024)
            .map(|_| seed.hash_one(ReservationId::generate()))
            .collect();
        let low: HashSet<_> = hashes.iter().map(|hash| hash % 2048).collect();
        let high: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 600, "{}", low.len());
        assert_eq!(high.len(), 128);
    }
}
