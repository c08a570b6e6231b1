use super::limit::Limit;
use super::reader::{TableReader, Value};
use super::redundant;

/// `[plans.NAME]`: what a tenant may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// How output is reserved before it is known.
    pub reserve_output: ReserveOutput,
    /// All that apply; empty is without limits.
    pub limits: Vec<Limit>,
}

/// How output is reserved before it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReserveOutput {
    /// `max_tokens`; never overruns.
    Strict,
    /// What nearly all calls of the tenant to the model have needed lately. It is not topped up
    /// yet in this build: what a call needs beyond it becomes a debt of the tenant.
    #[default]
    Balanced,
    /// What calls of the tenant to the model have needed on average lately.
    Optimistic,
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
        let limits: Vec<_> = table
            .tables("limits", "plans.limits")
            .into_iter()
            .filter_map(Limit::read)
            .collect();
        redundant::report(&limits);
        table.finish();
        Self {
            reserve_output,
            limits: limits.into_iter().map(|(limit, _)| limit).collect(),
        }
    }
}
