use tower_claude_core::{End, UsageCell};

/// Keeps the cell of the answer on what the stream says that passes. Dropped, it does so once
/// more: a stream that is left says the last of what it knows then.
#[derive(Debug)]
pub(crate) struct Follower {
    cell: UsageCell,
    source: UsageCell,
    /// Whether it is not known yet whose the end of the answer is.
    is_pending: bool,
}

// === impl Follower ===

impl Follower {
    /// A new cell, which follows that of the first answer.
    pub(crate) fn new(source: UsageCell) -> Self {
        let cell = UsageCell::default();
        cell.follow_unended(&source);
        Self {
            cell,
            source,
            is_pending: false,
        }
    }

    pub(crate) const fn cell(&self) -> &UsageCell {
        &self.cell
    }

    /// The cell of the answer that passes.
    pub(crate) const fn source(&self) -> &UsageCell {
        &self.source
    }

    /// More has passed of a stream that may not be the last.
    pub(crate) fn along(&self) {
        if self.source.has_ended() && !self.has_completed() {
            self.cell.follow_unended(&self.source);
        } else {
            self.cell.follow(&self.source);
        }
    }

    /// More has passed of the last stream.
    pub(crate) fn to_the_end(&self) {
        self.cell.follow(&self.source);
    }

    /// What has passed is over; what comes after it is not known yet.
    pub(crate) fn wait(&mut self) {
        self.cell.follow_unended(&self.source);
        self.is_pending = true;
    }

    /// Nothing comes after it.
    pub(crate) fn stay(&mut self) {
        self.is_pending = false;
        self.to_the_end();
    }

    /// Another answer comes after it.
    pub(crate) fn turn(&mut self, source: UsageCell) {
        self.source = source;
        self.stay();
    }

    fn has_completed(&self) -> bool {
        self.source
            .read(|metered| metered.end == Some(End::Complete))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if !self.is_pending {
            self.to_the_end();
        }
    }
}
