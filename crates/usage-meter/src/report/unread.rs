/// The lines of one source that are no records, and are in no sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// How many.
    pub lines: u64,
    /// How many of them were longer than a line may be, 1 MiB.
    pub too_long: u64,
    /// The number of the first; the first line of a source is 1.
    pub first: Option<u64>,
}

// === impl Unread ===

impl Unread {
    pub(super) fn count(&mut self, number: u64, is_too_long: bool) {
        self.lines = self.lines.saturating_add(1);
        self.too_long = self.too_long.saturating_add(u64::from(is_too_long));
        self.first = self.first.or(Some(number));
    }
}
