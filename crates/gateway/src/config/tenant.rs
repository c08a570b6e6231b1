use tower_claude::core::{Endpoint, ModelPattern};

use super::endpoint::{self, ENDPOINTS};
use super::nearest::nearest;
use super::reader::{TableReader, Value};
use super::tenant_key::TenantKey;
use super::text;

/// `[[tenants]]`: one customer of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tenant {
    /// Its name, of `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
    /// The name of its plan, which the file defines.
    pub plan: String,
    /// The keys it may call with.
    pub keys: Vec<TenantKey>,
    /// What it may ask for; absent is every priced model.
    pub models: Option<Vec<ModelPattern>>,
    /// What it may call.
    pub endpoints: Vec<Endpoint>,
    /// The labels of targets it may use; absent is any.
    pub residency: Option<Vec<String>>,
}

// === impl Tenant ===

impl Tenant {
    /// `labels` are the targets' residencies; `is_spendable` says whether a model may be used under a plan, as for its price.
    pub(super) fn read(
        mut table: TableReader<'_>,
        plans: &[&str],
        labels: &[&str],
        is_spendable: impl Fn(&str, &str) -> bool,
    ) -> Option<Self> {
        let id = table.required("id", |value| {
            let id = text::id(value)?;
            value.once("tenant id", id.clone());
            Some(id)
        });
        let plan = table.required("plan", |value| known_plan(value, plans));
        let keys = table.tables("keys", "tenants.keys");
        let keys = keys.into_iter().filter_map(TenantKey::read).collect();
        let models = table.optional("models", |value| {
            each(value, |value| {
                let (name, plan) = (text::name(value)?, plan.as_deref().unwrap_or_default());
                if !name.contains('*') && !is_spendable(&name, plan) {
                    let (name, plan) = (text::quoted(&name), text::quoted(plan));
                    let message =
                        format!("model {name} has no price, and plan {plan} limits dollars");
                    return value.error(message, "add it to [prices]");
                }
                Some(ModelPattern::new(&name))
            })
        });
        let endpoints = table.optional("endpoints", |value| {
            each(value, |value| value.choice(ENDPOINTS))
        });
        let residency = table.optional("residency", |value| {
            each(value, |value| label(value, labels))
        });
        table.finish();
        Some(Self {
            id: id?,
            plan: plan?,
            keys,
            models,
            endpoints: endpoints.unwrap_or_else(endpoint::all),
            residency,
        })
    }

    /// Whether its list names a model without a wildcard.
    pub(super) fn names(&self, model: &str) -> bool {
        let mut patterns = self.models.iter().flatten();
        patterns.any(|pattern| pattern.is_exactly(model))
    }
}

fn known_plan(value: &Value<'_>, plans: &[&str]) -> Option<String> {
    let plan = value.string()?;
    if plans.contains(&plan) {
        return Some(plan.to_owned());
    }
    let suggestion = match nearest(plan, plans.iter().copied()) {
        Some(known) => format!("did you mean {}?", text::quoted(known)),
        None => format!("define it as [plans.{}]", text::shown(plan)),
    };
    value.error(format!("unknown plan {}", text::quoted(plan)), &suggestion)
}

fn label(value: &Value<'_>, known: &[&str]) -> Option<String> {
    let label = text::name(value)?;
    if !known.contains(&&*label) {
        let suggestion = match nearest(&label, known.iter().copied()) {
            Some(known) => format!("did you mean {}?", text::quoted(known)),
            None => "without one that a target has, calls are refused".to_owned(),
        };
        let message = format!("no target has the residency {}", text::quoted(&label));
        value.warning(message, &suggestion);
    }
    Some(label)
}

fn each<T>(value: &Value<'_>, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = value.filled_list()?;
    Some(items.iter().filter_map(read).collect())
}
