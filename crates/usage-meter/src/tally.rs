use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{Equivalent, HashMap};
use tower_claude_core::{TenantId, Timestamp};

use crate::{Snapshot, Totals, UsageRecord, UsageSink};

/// A sink that keeps sums in memory: by tenant, feature and model, and by minute.
///
/// For a page that a person reads; the ledger is the truth. A clone is the same tally. It
/// keeps at most [`Tally::MOST`] combinations apart, then adds up by tenant under `other`.
///
/// ```
/// use tower_claude_usage_meter::{Tally, UsageMeterLayer};
///
/// let tally = Tally::default();
/// let layer = UsageMeterLayer::new(tally.clone());
/// assert_eq!(tally.snapshot().totals.requests, 0);
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Tally(Arc<Mutex<Sums>>);

pub(crate) struct Sums {
    pub(crate) since: Timestamp,
    pub(crate) totals: Totals,
    pub(crate) rows: HashMap<Row, Totals>,
    pub(crate) targets: HashMap<String, Totals>,
    /// Minutes since the Unix epoch in which calls ended, oldest first.
    pub(crate) minutes: VecDeque<(i64, Totals)>,
}

/// Who paid for what.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) feature: Arc<str>,
    pub(crate) model: Option<Arc<str>>,
}

/// The row of a record, to look up.
struct Who<'a>(&'a UsageRecord);

/// The name of what is not kept apart.
const OTHER: &str = "other";

const MINUTE: i64 = 60_000;

/// How many minutes are kept.
const MINUTES: i64 = 60;

// === impl Tally ===

impl Tally {
    /// How many combinations of tenant, feature and model are kept apart; and of targets.
    pub const MOST: usize = 4_096;

    /// Begins at nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Sums {
            since: Timestamp::now(),
            totals: Totals::default(),
            rows: HashMap::new(),
            targets: HashMap::new(),
            minutes: VecDeque::new(),
        })))
    }

    /// The sums as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.sums(), Timestamp::now())
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl UsageSink for Tally {
    fn record(&self, record: Arc<UsageRecord>) {
        self.sums().add(&record, Timestamp::now());
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tally").field(&self.sums().totals).finish()
    }
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, record: &UsageRecord, now: Timestamp) {
        let call = Totals::of(record);
        self.totals.add(&call);
        self.minute(now).add(&call);
        match self.rows.get_mut(&Who(record)) {
            Some(row) => row.add(&call),
            None => self.row(Row::of(record)).add(&call),
        }
        if let Some(target) = &record.target {
            self.target(target.name()).add(&call);
        }
    }

    /// The sums of a row; where there are too many, of its tenant, or else of all others.
    fn row(&mut self, row: Row) -> &mut Totals {
        let row = if self.has_room(&row, Tally::MOST) {
            row
        } else {
            let rest = Row::other(row.tenant);
            if self.has_room(&rest, 2 * Tally::MOST) {
                rest
            } else {
                Row::other(TenantId::new(OTHER).ok())
            }
        };
        self.rows.entry(row).or_default()
    }

    fn has_room(&self, row: &Row, most: usize) -> bool {
        self.rows.len() < most || self.rows.contains_key(row)
    }

    fn target(&mut self, name: &str) -> &mut Totals {
        let has_room = self.targets.len() < Tally::MOST || self.targets.contains_key(name);
        let name = if has_room { name } else { OTHER };
        self.targets.entry_ref(name).or_default()
    }

    fn minute(&mut self, now: Timestamp) -> &mut Totals {
        let minute = now.unix_millis().div_euclid(MINUTE);
        let last = self.minutes.back().map(|(last, _)| *last);
        // A clock that is set back adds to the last minute there is.
        if last.is_none_or(|last| last < minute) {
            self.minutes.push_back((minute, Totals::default()));
        }
        while self
            .minutes
            .front()
            .is_some_and(|(first, _)| *first <= minute - MINUTES)
            && self.minutes.len() > 1
        {
            self.minutes.pop_front();
        }
        let last = self.minutes.len() - 1;
        &mut self.minutes[last].1
    }

    /// The minutes of the last hour, oldest first.
    pub(crate) fn last_hour(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Totals)> {
        let minute = now.unix_millis().div_euclid(MINUTE);
        self.minutes
            .iter()
            .filter(move |(at, _)| *at > minute - MINUTES)
            .map(|(at, totals)| (Timestamp::from_unix_millis(at * MINUTE), *totals))
    }
}

// === impl Row ===

impl Row {
    fn of(record: &UsageRecord) -> Self {
        Self {
            tenant: record.tenant.clone(),
            feature: Arc::clone(&record.feature),
            model: record.model.clone(),
        }
    }

    fn other(tenant: Option<TenantId>) -> Self {
        Self {
            tenant,
            feature: OTHER.into(),
            model: Some(OTHER.into()),
        }
    }
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.tenant, &self.feature, &self.model).hash(state);
    }
}

// === impl Who ===

impl Hash for Who<'_> {
    /// As the row.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.tenant, &self.0.feature, &self.0.model).hash(state);
    }
}

impl Equivalent<Row> for Who<'_> {
    fn equivalent(&self, row: &Row) -> bool {
        // The names are nearly always the very same.
        let is_same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        let is_model = match (&self.0.model, &row.model) {
            (Some(model), Some(other)) => is_same(model, other),
            (None, None) => true,
            _ => false,
        };
        is_model && is_same(&self.0.feature, &row.feature) && self.0.tenant == row.tenant
    }
}
