use std::hash::BuildHasher as _;
use std::num::NonZeroUsize;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::ReportSums;

/// Sums by key, of so many keys at most.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// Places in `groups`, which moves less when it grows.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    most: NonZeroUsize,
    /// What the keys take, in bytes.
    key_bytes: usize,
    /// The most that they may take.
    most_key_bytes: usize,
    /// The sums of all that came when there were too many keys.
    other: Option<ReportSums>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Box<[u8]>,
    pub(super) sums: ReportSums,
}

/// The most that keys may take, in bytes: callers choose their length.
const KEY_BYTES: usize = 256 << 20;

// === impl Groups ===

impl Groups {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self {
            groups: Vec::new(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            most,
            key_bytes: 0,
            most_key_bytes: KEY_BYTES,
            other: None,
        }
    }

    pub(super) fn add(&mut self, key: &[u8], sums: &ReportSums) {
        let hash = self.hasher.hash_one(key);
        let group = |place: &u32| {
            usize::try_from(*place)
                .ok()
                .and_then(|place| self.groups.get(place))
        };
        let is_it = |place: &u32| group(place).is_some_and(|group| *group.key == *key);
        let found = self.places.find(hash, is_it).copied();
        let found = found.and_then(|place| usize::try_from(place).ok());
        if let Some(group) = found.and_then(|place| self.groups.get_mut(place)) {
            return group.sums.add(sums);
        }
        let place = u32::try_from(self.groups.len());
        let key_bytes = self.key_bytes.saturating_add(key.len());
        let is_full = self.groups.len() >= self.most.get() || key_bytes > self.most_key_bytes;
        let (Ok(place), false) = (place, is_full) else {
            return self.other.get_or_insert_default().add(sums);
        };
        self.key_bytes = key_bytes;
        self.groups.push(Group {
            key: key.into(),
            sums: *sums,
        });
        let (groups, hasher) = (&self.groups, &self.hasher);
        self.places.insert_unique(hash, place, |place| {
            let place = usize::try_from(*place).unwrap_or(usize::MAX);
            groups
                .get(place)
                .map_or(0, |group| hasher.hash_one(&*group.key))
        });
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Group> {
        self.groups.iter()
    }

    pub(super) const fn other(&self) -> Option<&ReportSums> {
        self.other.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_too_long_together_are_too_many_groups() {
        let mut groups = Groups::new(NonZeroUsize::MAX);
        groups.most_key_bytes = 10;
        let mut one = ReportSums::default();
        one.totals.requests = 1;
        for key in ["four", "sixsix", "x", "four", "y", ""] {
            groups.add(key.as_bytes(), &one);
        }
        let requests = |sums: &ReportSums| sums.totals.requests;
        let groups_of: Vec<_> = groups.iter().map(|group| requests(&group.sums)).collect();
        assert_eq!(groups_of, [2, 1, 1]);
        assert_eq!(groups.other().map(requests), Some(2));
    }
}
