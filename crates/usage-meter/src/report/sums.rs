use crate::snapshot::Totals;

/// What the calls of a row come to. Nothing overflows: the largest number is the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportSums {
    /// Calls, tokens and money, as the admin page has them.
    pub totals: Totals,
    /// Web searches run by the server.
    pub web_search_requests: u64,
}

// === impl ReportSums ===

impl ReportSums {
    pub(super) fn add(&mut self, other: &Self) {
        self.totals.add(&other.totals);
        self.web_search_requests = self
            .web_search_requests
            .saturating_add(other.web_search_requests);
    }
}
