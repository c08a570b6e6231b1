use std::time::Duration;

use tower_claude_core::{FailureKind, Target};

use crate::AttemptOutcome;

/// One try of a call at one target, in the record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Where it went, if a target was named.
    pub target: Option<Target>,
    /// When it began, from the start of the call.
    pub started: Duration,
    /// The status of its answer; `None` without one.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why it was made; `None` for the first.
    pub retry_reason: Option<FailureKind>,
}

/// The attempts of a call, in order.
///
/// The first is nearly always the only one, so it needs no allocation.
#[derive(Clone, Debug, Default)]
pub struct AttemptRecords {
    first: Option<AttemptRecord>,
    rest: Vec<AttemptRecord>,
}

// === impl AttemptRecords ===

impl AttemptRecords {
    pub(crate) const EMPTY: Self = Self {
        first: None,
        rest: Vec::new(),
    };

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Whether no target was asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Each in order.
    pub fn iter(&self) -> impl Iterator<Item = &AttemptRecord> {
        self.first.iter().chain(&self.rest)
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<&AttemptRecord> {
        self.rest.last().or(self.first.as_ref())
    }

    pub(crate) fn push(&mut self, attempt: AttemptRecord) {
        if self.first.is_none() {
            self.first = Some(attempt);
        } else {
            self.rest.push(attempt);
        }
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut AttemptRecord> {
        match number.checked_sub(1) {
            None => self.first.as_mut(),
            Some(index) => self.rest.get_mut(index),
        }
    }
}

impl FromIterator<AttemptRecord> for AttemptRecords {
    fn from_iter<I: IntoIterator<Item = AttemptRecord>>(attempts: I) -> Self {
        let mut records = Self::default();
        for attempt in attempts {
            records.push(attempt);
        }
        records
    }
}

// === impl AttemptRecord ===

impl AttemptRecord {
    /// An attempt that began so long after the call and ended so; for tests of sinks.
    #[must_use]
    pub const fn new(target: Option<Target>, started: Duration, outcome: AttemptOutcome) -> Self {
        Self {
            target,
            started,
            status: None,
            outcome,
            retry_reason: None,
        }
    }
}
