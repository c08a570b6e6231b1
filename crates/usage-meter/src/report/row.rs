use std::cmp::Ordering;

use super::groups::Group;
use super::{ReportSums, key};

/// The sums of the calls that have the same in every column.
#[derive(Clone, Copy, Debug)]
pub struct ReportRow<'a> {
    key: &'a [u8],
    sums: &'a ReportSums,
}

// === impl ReportRow ===

impl<'a> ReportRow<'a> {
    pub(super) fn of(group: &'a Group) -> Self {
        Self {
            key: &group.key,
            sums: &group.sums,
        }
    }

    /// What its calls have in the columns, in their order; `None` is `null`.
    pub fn keys(&self) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        key::cells(self.key)
    }

    /// What its calls come to.
    #[must_use]
    pub const fn sums(&self) -> &'a ReportSums {
        self.sums
    }

    /// The dearest first, then by keys.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let cost = |row: &Self| row.sums.totals.cost;
        let keys = || self.keys().cmp(other.keys());
        cost(other).cmp(&cost(self)).then_with(keys)
    }
}
