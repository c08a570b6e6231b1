//! What `/usage.json` says, and `/usage` shows.

use serde::Serialize;
use tower_claude::failover::TargetHealth;
use tower_claude::token_budget::{BudgetStore, LimitUsage, Owner, Subject};
use tower_claude::usage_meter::{Share, SnapshotMinute, Totals};

use crate::View;

#[derive(Serialize)]
struct Usage<'a> {
    since: String,
    totals: &'a Totals,
    tenants: &'a [Share],
    features: &'a [Share],
    models: &'a [Share],
    targets: Vec<TargetState>,
    budgets: Vec<Budget>,
    minutes: &'a [SnapshotMinute],
}

/// How one limit of one tenant stands.
#[derive(Serialize)]
pub(super) struct Budget {
    pub(super) tenant: String,
    pub(super) limit: String,
    meter: &'static str,
    used: u64,
    of: u64,
}

#[derive(Serialize)]
struct TargetState {
    name: String,
    up: bool,
    state: String,
}

/// Everything, as JSON.
pub(super) async fn json(view: &View) -> serde_json::Result<String> {
    let snapshot = view.tally.snapshot();
    serde_json::to_string(&Usage {
        since: snapshot.since.to_string(),
        totals: &snapshot.totals,
        tenants: &snapshot.tenants,
        features: &snapshot.features,
        models: &snapshot.models,
        targets: view.health.snapshot().iter().map(TargetState::of).collect(),
        budgets: budgets(view).await,
        minutes: &snapshot.minutes,
    })
}

/// Every limit of every tenant; none for a store that does not answer.
pub(super) async fn budgets(view: &View) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for (tenant, plan) in view.tenants.iter() {
        let Some(plan) = view.plans.get(Some(plan)) else {
            continue;
        };
        let subject = Subject::new(Owner::Tenant(tenant.clone()));
        let limits = view.store.usage(&subject, &plan).await.unwrap_or_default();
        budgets.extend(
            limits
                .iter()
                .map(|limit| Budget::of(tenant.as_str(), limit)),
        );
    }
    budgets
}

// === impl Budget ===

impl Budget {
    fn of(tenant: &str, usage: &LimitUsage) -> Self {
        Self {
            tenant: tenant.to_owned(),
            limit: usage.limit.to_string(),
            meter: usage.limit.meter.as_str(),
            used: usage.spent.saturating_add(usage.held),
            of: usage.limit.amount.get(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio for a graph")]
    pub(super) fn used_ratio(&self) -> f64 {
        self.used as f64 / self.of as f64
    }
}

// === impl TargetState ===

impl TargetState {
    fn of(health: &TargetHealth) -> Self {
        let mut state = String::from(if health.is_up { "up" } else { "down" });
        if let Some(left) = health.closed_for {
            state.push_str(&format!(", closed for {} s more", left.as_secs()));
        }
        if let Some(failure) = health.last_failure {
            state.push_str(&format!(", last failure: {}", failure.as_str()));
        }
        Self {
            name: health.target.name().to_owned(),
            up: health.is_up,
            state,
        }
    }
}
