use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashSet;

/// Names that come again and again, such as models: kept once, handed out by reference count.
///
/// Bounded, because callers choose some of them; a name beyond the bound is a copy of its own.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashSet<Arc<str>>>);

// === impl Names ===

impl Names {
    /// How many names are kept.
    const MOST: usize = 1_024;

    /// A longer name is cut: records wait in queues, and a caller may send megabytes.
    const LONGEST: usize = 256;

    pub(crate) fn get(&self, name: &str) -> Arc<str> {
        let name = &name[..name.floor_char_boundary(Self::LONGEST)];
        {
            let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = names.get(name) {
                return Arc::clone(known);
            }
        }
        let new = Arc::<str>::from(name);
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() < Self::MOST {
            names.insert(Arc::clone(&new));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let names = Names::default();
        assert!(Arc::ptr_eq(&names.get("claude"), &names.get("claude")));
    }

    #[test]
    fn names_are_bounded_in_length_and_number() {
        let names = Names::default();
        assert_eq!(names.get(&"é".repeat(1_000)).len(), Names::LONGEST);
        assert_eq!(names.get(&format!("x{}", "é".repeat(200))).len(), 255);
        for n in 0..2 * Names::MOST {
            assert_eq!(*names.get(&n.to_string()), *n.to_string());
        }
        assert_eq!(names.0.read().unwrap().len(), Names::MOST);
    }
}
