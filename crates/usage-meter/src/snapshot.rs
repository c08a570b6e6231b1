use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use tower_claude_core::Timestamp;
use tower_claude_pricing::Cost;

use crate::tally::{Row, Sums};
use crate::{Outcome, UsageRecord};

/// What a [`Tally`](crate::Tally) holds at one moment. Serialises as JSON for an admin page.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// When counting began.
    #[serde(serialize_with = "shown")]
    pub since: Timestamp,
    /// All calls.
    pub totals: Totals,
    /// By tenant; `null` is nobody.
    pub tenants: Vec<Share>,
    /// By feature.
    pub features: Vec<Share>,
    /// By the model asked; `null` is none.
    pub models: Vec<Share>,
    /// By the target that answered.
    pub targets: Vec<Share>,
    /// By tenant, feature and model together.
    pub rows: Vec<SnapshotRow>,
    /// By minute of the last hour, oldest first; minutes without a call are left out.
    pub minutes: Vec<SnapshotMinute>,
}

/// Sums of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Calls.
    pub requests: u64,
    /// Calls that were complete.
    pub complete: u64,
    /// Calls that we refused.
    pub refused: u64,
    /// Calls that upstream failed.
    pub errored: u64,
    /// Calls whose answer was cut.
    pub truncated: u64,
    /// Calls whose caller left.
    pub dropped: u64,
    /// Input.
    pub input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
    /// Cache reads.
    pub cache_read_input_tokens: u64,
    /// Cache writes of both lifetimes.
    pub cache_creation_input_tokens: u64,
    /// What is billed.
    #[serde(serialize_with = "shown", rename = "cost_usd")]
    pub cost: Cost,
    /// Calls whose cost is not known, and is not in the sum.
    pub unpriced: u64,
}

/// The sums of one name.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// The name.
    pub name: Option<Box<str>>,
    /// Its sums.
    #[serde(flatten)]
    pub totals: Totals,
}

/// The sums of one tenant's calls of one model for one feature.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SnapshotRow {
    /// Who.
    pub tenant: Option<Box<str>>,
    /// What for.
    pub feature: Box<str>,
    /// The model asked.
    pub model: Option<Box<str>>,
    /// The sums.
    #[serde(flatten)]
    pub totals: Totals,
}

/// The sums of one minute.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SnapshotMinute {
    /// When it began.
    #[serde(serialize_with = "shown")]
    pub start: Timestamp,
    /// The sums.
    #[serde(flatten)]
    pub totals: Totals,
}

// === impl Snapshot ===

impl Snapshot {
    pub(crate) fn of(sums: &Sums, now: Timestamp) -> Self {
        let targets = sums.targets.iter();
        let mut rows: Vec<_> = sums.rows.iter().map(SnapshotRow::of).collect();
        rows.sort_by(|a, b| {
            let key = |row: &SnapshotRow| (row.tenant.clone(), row.feature.clone());
            (key(a), &a.model).cmp(&(key(b), &b.model))
        });
        Self {
            since: sums.since,
            totals: sums.totals,
            tenants: shares(rows.iter().map(|row| (row.tenant.as_deref(), row.totals))),
            features: shares(rows.iter().map(|row| (Some(&*row.feature), row.totals))),
            models: shares(rows.iter().map(|row| (row.model.as_deref(), row.totals))),
            targets: shares(targets.map(|(name, totals)| (Some(&**name), *totals))),
            rows,
            minutes: sums
                .last_hour(now)
                .map(|(start, totals)| SnapshotMinute { start, totals })
                .collect(),
        }
    }
}

/// Sums by name, in the order of names.
fn shares<'a>(parts: impl Iterator<Item = (Option<&'a str>, Totals)>) -> Vec<Share> {
    let mut sums = BTreeMap::<_, Totals>::new();
    for (name, totals) in parts {
        sums.entry(name).or_default().add(&totals);
    }
    sums.into_iter()
        .map(|(name, totals)| Share {
            name: name.map(Box::from),
            totals,
        })
        .collect()
}

fn shown<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: std::fmt::Display,
    S: Serializer,
{
    serializer.collect_str(value)
}

// === impl Totals ===

impl Totals {
    /// One call.
    pub(crate) fn of(record: &UsageRecord) -> Self {
        let one = |is: bool| u64::from(is);
        let is_of_call = record.is_of_call();
        Self {
            requests: one(is_of_call),
            complete: one(is_of_call && record.outcome == Outcome::Complete),
            refused: one(record.outcome == Outcome::Refused),
            errored: one(record.outcome == Outcome::Errored),
            truncated: one(record.outcome == Outcome::Truncated),
            dropped: one(record.outcome == Outcome::Dropped),
            input_tokens: record.input_tokens.unwrap_or(0),
            output_tokens: record.output_tokens.unwrap_or(0),
            cache_read_input_tokens: record.cache_read_input_tokens.unwrap_or(0),
            cache_creation_input_tokens: record
                .cache_creation_5m_input_tokens
                .unwrap_or(0)
                .saturating_add(record.cache_creation_1h_input_tokens.unwrap_or(0)),
            cost: record.cost.unwrap_or(Cost::ZERO),
            unpriced: one(record.cost.is_none()),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        fn add(sum: &mut u64, other: u64) {
            *sum = sum.saturating_add(other);
        }
        add(&mut self.requests, other.requests);
        add(&mut self.complete, other.complete);
        add(&mut self.refused, other.refused);
        add(&mut self.errored, other.errored);
        add(&mut self.truncated, other.truncated);
        add(&mut self.dropped, other.dropped);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(
            &mut self.cache_read_input_tokens,
            other.cache_read_input_tokens,
        );
        add(
            &mut self.cache_creation_input_tokens,
            other.cache_creation_input_tokens,
        );
        add(&mut self.unpriced, other.unpriced);
        self.cost = self.cost.saturating_add(other.cost);
    }
}

// === impl SnapshotRow ===

impl SnapshotRow {
    fn of((row, totals): (&Row, &Totals)) -> Self {
        Self {
            tenant: row.tenant.as_ref().map(|id| id.as_str().into()),
            feature: Box::from(&*row.feature),
            model: row.model.as_deref().map(Box::from),
            totals: *totals,
        }
    }
}
