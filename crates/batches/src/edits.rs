use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// What is to be put in the place of what, in a text of which all else stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

// === impl Edits ===

impl Edits {
    /// Puts something in the place of a part; parts do not overlap.
    pub(crate) fn replace(&mut self, place: Range<usize>, by: String) {
        self.0.push((place, by));
    }

    pub(crate) fn apply(&self, text: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return text.clone();
        }
        let more: usize = self.0.iter().map(|(_, by)| by.len()).sum();
        let mut edited = BytesMut::with_capacity(text.len() + more);
        let mut in_order: Vec<_> = self.0.iter().collect();
        in_order.sort_by_key(|(place, _)| place.start);
        let mut from = 0;
        for (place, by) in in_order {
            edited.put_slice(text.get(from..place.start).unwrap_or_default());
            edited.put_slice(by.as_bytes());
            from = place.end;
        }
        edited.put_slice(text.get(from..).unwrap_or_default());
        edited.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_else_stays_as_it_is() {
        let text = Bytes::from_static(b"0123456789");
        let mut edits = Edits::default();
        assert_eq!(edits.apply(&text).as_ptr(), text.as_ptr());
        edits.replace(0..1, "a".into());
        edits.replace(9..10, "xyz".into());
        edits.replace(3..5, String::new());
        assert_eq!(&edits.apply(&text)[..], b"a125678xyz");
    }
}
