//! What `/usage.json` says, and `/usage` shows.

use serde::Serialize;
use tower_claude::failover::{TargetHealth, Utilisation};
use tower_claude::token_budget::{
    BudgetStore, Limit, LimitScope, LimitUsage, Meter, Owner, Subject,
};
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
    /// Calls that wait for one of them to open.
    waiting_calls: usize,
    budgets: Vec<Budget>,
    minutes: &'a [SnapshotMinute],
}

/// How one limit of one tenant stands.
#[derive(Serialize)]
pub(super) struct Budget {
    pub(super) tenant: String,
    pub(super) limit: String,
    /// What metrics call it.
    #[serde(skip)]
    pub(super) name: String,
    meter: &'static str,
    /// In dollars, tokens or calls.
    used: serde_json::Number,
    of: serde_json::Number,
    #[serde(skip)]
    pub(super) used_ratio: f64,
}

#[derive(Serialize)]
struct TargetState {
    name: String,
    up: bool,
    state: String,
    /// In seconds, until the last of what keeps calls away from it has passed.
    closed_for: Option<f64>,
    /// What is used of its account's limits, by class of models.
    used: Vec<Used>,
    /// Values of its headers that made no sense.
    distrusted_headers: u64,
}

/// Shares from 0 to 1; absent where upstream has not said.
#[derive(Serialize)]
struct Used {
    class: &'static str,
    requests: Option<f64>,
    tokens: Option<f64>,
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
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
        waiting_calls: view.health.waiting(),
        budgets: budgets(view).await,
        minutes: &snapshot.minutes,
    })
}

/// Every limit of every tenant, and of all of them together; none for a store that does not
/// answer. Limits of users, features and models are left out: nobody has counted those.
pub(super) async fn budgets(view: &View) -> Vec<Budget> {
    let mut budgets = Vec::new();
    let mut accounts: Vec<Limit> = Vec::new();
    for (tenant, plan) in view.tenants.iter() {
        let Some(plan) = view.plans.get(Some(plan)) else {
            continue;
        };
        let of_tenant = Subject::new(Owner::Tenant(tenant.clone()));
        let limits = view
            .store
            .usage(&of_tenant, &plan)
            .await
            .unwrap_or_default();
        let shown = limits
            .iter()
            .filter(|usage| usage.limit.scope == LimitScope::Tenant);
        budgets.extend(shown.map(|usage| Budget::of(tenant.as_str(), usage)));
        let Some(account) = plan.account() else {
            continue;
        };
        let of_all = Subject::new(Owner::Account);
        for usage in view.store.usage(&of_all, account).await.unwrap_or_default() {
            if !accounts.contains(&usage.limit) {
                accounts.push(usage.limit);
                budgets.push(Budget::of("account", &usage));
            }
        }
    }
    budgets
}

// === impl Budget ===

impl Budget {
    fn of(tenant: &str, usage: &LimitUsage) -> Self {
        let used = usage.spent.saturating_add(usage.held);
        let of = usage.limit.amount.get();
        Self {
            tenant: tenant.to_owned(),
            limit: usage.limit.to_string(),
            name: usage.limit.name(),
            meter: usage.limit.meter.as_str(),
            used: unit(usage, used),
            of: unit(usage, of),
            used_ratio: ratio(used, of),
        }
    }
}

/// Money in dollars, all else as it is counted.
fn unit(usage: &LimitUsage, amount: u64) -> serde_json::Number {
    const NANOS: u64 = 1_000_000_000;
    match usage.limit.meter {
        Meter::Usd if !amount.is_multiple_of(NANOS) => {
            serde_json::Number::from_f64(ratio(amount, NANOS)).unwrap_or(0.into())
        }
        Meter::Usd => (amount / NANOS).into(),
        _ => amount.into(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number for a graph")]
fn ratio(of: u64, whole: u64) -> f64 {
    of as f64 / whole as f64
}

/// How a target is doing, in words.
pub(super) fn state(health: &TargetHealth) -> String {
    let mut state = String::from(if health.is_up { "up" } else { "down" });
    if let Some(left) = health.closed_for {
        state.push_str(&format!(", closed for {} s more", left.as_secs()));
    }
    if let Some(failure) = health.last_failure {
        state.push_str(&format!(", last failure: {}", failure.as_str()));
    }
    state
}

// === impl TargetState ===

impl TargetState {
    fn of(health: &TargetHealth) -> Self {
        Self {
            name: health.target.name().to_owned(),
            up: health.is_up,
            state: state(health),
            closed_for: health.closed_for.map(|left| left.as_secs_f64()),
            used: health.used.iter().map(Used::of).collect(),
            distrusted_headers: health.distrusted_headers,
        }
    }
}

// === impl Used ===

impl Used {
    fn of(used: &Utilisation) -> Self {
        Self {
            class: used.class.as_str(),
            requests: used.requests,
            tokens: used.tokens,
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
        }
    }
}
