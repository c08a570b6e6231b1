//! Finds what must not be written down, and writes something else in its place.

mod boundary;
mod card;
mod email;
mod groups;
mod iban;
mod keys;
mod phone;
mod unescape;

use std::ops::Range;

pub(crate) use unescape::unescape;

/// The kinds that are found without being asked for, the most sensitive first.
pub(crate) const STANDARD: [&str; 6] = ["private_key", "key", "card", "iban", "email", "phone"];

/// A part of a text that must not be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Where it is, in bytes.
    pub(crate) place: Range<usize>,
    /// The number of its kind: one of [`STANDARD`], or above them one of the user's.
    pub(crate) kind: usize,
    /// How much of the text spoke for this kind, in bytes.
    weight: usize,
}

// === impl Finding ===

impl Finding {
    pub(crate) fn new(place: Range<usize>, kind: usize) -> Self {
        let weight = place.len();
        Self {
            place,
            kind,
            weight,
        }
    }

    /// The longest names a place, then the user's own pattern, then the most sensitive kind.
    fn rank(&self) -> (usize, bool, std::cmp::Reverse<usize>) {
        let is_own = self.kind >= STANDARD.len();
        (self.weight, is_own, std::cmp::Reverse(self.kind))
    }
}

/// Finds everything of the standard kinds, in no order; places may overlap.
pub(crate) fn find_standard(text: &str, findings: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    let mut note = |kind, place| findings.push(Finding::new(place, kind));
    keys::find_private(text, |place| note(0, place));
    keys::find(text, |place| note(1, place));
    card::find(bytes, |place| note(2, place));
    iban::find(bytes, |place| note(3, place));
    email::find(text, |place| note(4, place));
    phone::find(bytes, |place| note(5, place));
}

/// Makes one of those that overlap, so that nothing is left half hidden; in order of place.
pub(crate) fn merge(findings: &mut Vec<Finding>) {
    findings.sort_unstable_by_key(|finding| finding.place.start);
    findings.dedup_by(|next, last| {
        if next.place.start >= last.place.end {
            return false;
        }
        if next.rank() > last.rank() {
            last.kind = next.kind;
            last.weight = next.weight;
        }
        last.place.end = last.place.end.max(next.place.end);
        true
    });
}
