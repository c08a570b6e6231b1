use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// How many places of each kind were redacted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redactions(Vec<(Arc<str>, u64)>);

// === impl Redactions ===

impl Redactions {
    /// How many there are of this kind.
    #[must_use]
    pub fn of(&self, kind: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| **name == *kind);
        found.map_or(0, |(_, count)| *count)
    }

    /// How many there are of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| *count).sum()
    }

    /// The kinds that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (&**name, *count))
    }

    pub(crate) fn count(&mut self, kind: &Arc<str>) {
        match self.0.iter_mut().find(|(name, _)| name == kind) {
            Some((_, count)) => *count += 1,
            None => self.0.push((Arc::clone(kind), 1)),
        }
    }
}

impl fmt::Debug for Redactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Redactions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, count) in self.iter() {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}
