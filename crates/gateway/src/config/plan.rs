use tower_claude::token_budget::{Limit, ReserveOutput};

use super::limit;
use super::reader::{TableReader, Value};
use super::redundant;

/// `[plans.NAME]`: what a tenant may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// How output is reserved before it is known.
    pub reserve_output: ReserveOutput,
    /// How urgent its tenants' calls are at most, from 0 to 7, among calls that wait; 3 by default.
    pub urgency: u8,
    /// All that apply; empty is without limits.
    pub limits: Vec<Limit>,
}

const RESERVE_OUTPUT: &[(&str, ReserveOutput)] = &[
    ("strict", ReserveOutput::Strict),
    ("balanced", ReserveOutput::Balanced),
    ("optimistic", ReserveOutput::Optimistic),
];

// === impl Plan ===

impl Plan {
    pub(super) fn read(mut table: TableReader<'_>) -> Self {
        let reserve = |value: &Value<'_>| value.choice(RESERVE_OUTPUT);
        let reserve_output = table.or("reserve_output", reserve, ReserveOutput::default());
        let urgency = table.or("urgency", urgency, 3);
        let limits: Vec<_> = table
            .tables("limits", "plans.limits")
            .into_iter()
            .filter_map(limit::read)
            .collect();
        redundant::report(&limits);
        table.finish();
        Self {
            reserve_output,
            urgency,
            limits: limits.into_iter().map(|(limit, _)| limit).collect(),
        }
    }
}

fn urgency(value: &Value<'_>) -> Option<u8> {
    let urgency: i128 = value.integer()?;
    match u8::try_from(urgency) {
        Ok(urgency) if urgency <= 7 => Some(urgency),
        _ => value.error(
            format!("`{}` is out of range", value.name()),
            "write 0, the most urgent, to 7",
        ),
    }
}
