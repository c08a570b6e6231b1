use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use hashbrown::HashMap;

/// Handles by label set, so that a set that was met before costs a look-up.
pub(crate) struct Handles<Key, Handle>(RwLock<HashMap<Key, Handle>>);

// === impl Handles ===

impl<Key, Handle> Handles<Key, Handle>
where
    Key: Copy + Eq + Hash,
    Handle: Clone,
{
    /// Beyond so many label sets, a handle is made anew each time: the sets themselves are
    /// bounded by the lists they come from.
    const MOST: usize = 16 * 1024;

    pub(crate) fn with(
        &self,
        key: Key,
        make: impl FnOnce(Key) -> Handle,
        apply: impl FnOnce(&Handle),
    ) {
        {
            let handles = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(handle) = handles.get(&key) {
                return apply(handle);
            }
        }
        let handle = make(key);
        apply(&handle);
        let mut handles = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if handles.len() < Self::MOST {
            handles.insert(key, handle);
        }
    }
}

impl<Key, Handle> Default for Handles<Key, Handle> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}
