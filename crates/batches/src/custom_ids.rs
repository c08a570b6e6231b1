use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tower_claude_core::JsonWalk;

/// The custom ids of a batch, each by where it stands in the body: eight bytes, and no copy.
#[derive(Debug, Default)]
pub(crate) struct CustomIds {
    key: RandomState,
    places: HashTable<usize>,
}

// === impl CustomIds ===

impl CustomIds {
    /// Notes the id that stands at `place` of the body; whether it is there for the first time.
    pub(crate) fn insert(&mut self, body: &[u8], place: usize) -> bool {
        let id = id_at(body, place);
        let is_same = |other: &usize| id_at(body, *other) == id;
        let hash_of = |other: &usize| self.key.hash_one(id_at(body, *other));
        match self.places.entry(self.key.hash_one(&id), is_same, hash_of) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(place);
                true
            }
        }
    }
}

/// However it is spelt.
fn id_at(body: &[u8], place: usize) -> Cow<'_, str> {
    let value = body.get(place..).unwrap_or_default();
    JsonWalk::text_of(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_however_it_is_spelt() {
        let body = br#"["one","two","\u006fne","on\u0065","three","two"]"#;
        let mut ids = CustomIds::default();
        let mut walk = JsonWalk::new(body);
        assert!(walk.enter_array());
        let mut firsts = Vec::new();
        while walk.next_value() {
            let value = walk.skip();
            firsts.push(ids.insert(body, walk.place(value).start));
        }
        assert_eq!(firsts, [true, true, false, false, true, false]);
    }
}
