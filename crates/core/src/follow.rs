//! One cell for an answer that is made of the answers of several attempts.

use crate::{Metered, UsageCell};

// === impl UsageCell ===

impl UsageCell {
    /// Says what another cell has said so far, in place of what was said here.
    ///
    /// For a layer whose answer is put together of several: each of them has a cell of its own,
    /// which stays with its attempt, and that of the answer follows the one which passes. What
    /// is billed of the answers together is then billed once. Content that has come stays come,
    /// and once an end is said nothing changes any more.
    pub fn follow(&self, source: &Self) {
        self.take(source, |_| {});
    }

    /// Like [`follow`](Self::follow), but for how the other answer ended: it is not the end of
    /// this one, or not known to be.
    pub fn follow_unended(&self, source: &Self) {
        self.take(source, |metered| {
            metered.end = None;
            metered.failure = None;
            metered.error_type = None;
        });
    }

    fn take(&self, source: &Self, change: impl FnOnce(&mut Metered)) {
        if self.is_watched() {
            source.watch();
        }
        let mut said = source.read(Metered::clone);
        change(&mut said);
        self.write(|metered| {
            if metered.end.is_none() {
                said.has_content |= metered.has_content;
                *metered = said;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{End, FailureKind};

    fn said(deltas: u64, end: Option<End>) -> UsageCell {
        let cell = UsageCell::default();
        cell.write(|metered| {
            metered.deltas = deltas;
            metered.end = end;
            metered.failure = end.map(|_| FailureKind::Overloaded);
        });
        cell
    }

    #[test]
    fn it_says_what_the_other_says_and_never_more_than_one_of_them() {
        let cell = UsageCell::default();
        let first = said(7, Some(End::Errored));
        first.write(|metered| metered.has_content = true);
        cell.follow_unended(&first);
        assert!(!cell.has_ended());
        cell.read(|metered| {
            assert_eq!(
                (metered.deltas, metered.end, metered.failure),
                (7, None, None)
            );
        });
        cell.follow(&said(2, Some(End::Complete)));
        assert!(cell.has_ended());
        cell.read(|metered| {
            assert_eq!((metered.deltas, metered.end), (2, Some(End::Complete)));
            assert!(metered.has_content, "of the first");
        });
        cell.follow(&said(9, None));
        assert_eq!(cell.read(|metered| metered.deltas), 2, "it has ended");
    }

    #[test]
    fn whoever_watches_it_watches_the_other() {
        let (cell, source) = (UsageCell::default(), UsageCell::default());
        cell.watch();
        cell.follow(&source);
        assert!(source.is_watched());
    }
}
