//! The words of the configuration file in the words of the layers.

use std::io;

use tower_claude::core::{ByteSemaphore, Endpoint, Intake, Platform, Target, Tenant, TenantId};
use tower_claude::pricing::{Price, PriceTable, Rate, Rates};
use tower_claude::tenant_auth::StaticKey;
use tower_claude::token_budget::{Plan, Plans};
use tower_claude::usage_meter::{Draining, JsonLines, JsonLinesWriter};

use crate::StartError;
use crate::config::{self, Config};

/// How requests are taken in.
pub(crate) fn intake(server: &config::Server, memory: ByteSemaphore) -> Intake {
    Intake::new()
        .body_limit(server.body_limit)
        .semaphore(memory)
        .passthrough(server.passthrough.iter().map(String::as_str))
}

/// The file that gets one line a call.
pub(crate) fn ledger(usage: &config::Usage) -> io::Result<(JsonLines, JsonLinesWriter)> {
    let mut ledger = JsonLines::builder();
    if usage.durable {
        ledger = ledger.durable();
    }
    if let Some(bytes) = usage.rotation.size {
        ledger = ledger.rotate_at(bytes);
    }
    if usage.rotation.is_daily {
        ledger = ledger.rotate_daily();
    }
    ledger.open(&usage.ledger)
}

/// How far calls are read on whose callers have left, if at all.
pub(crate) fn draining(on_disconnect: config::OnDisconnect) -> Option<Draining> {
    match on_disconnect {
        config::OnDisconnect::Drain { tokens, time } => Some(Draining::new(tokens.get(), time)),
        config::OnDisconnect::Abort => None,
    }
}

/// Every key, with the tenant it stands for.
pub(crate) fn keys(config: &Config) -> Result<Vec<StaticKey>, StartError> {
    let mut keys = Vec::new();
    for settings in &config.tenants {
        let plan = config.plans.get(&settings.plan);
        let mut tenant = tenant(settings)?;
        if let Some(plan) = plan {
            tenant = tenant.urgency(plan.urgency);
        }
        for key in &settings.keys {
            let mut entry = StaticKey::new(key.digest, tenant.clone());
            if let Some(moment) = key.not_before {
                entry = entry.not_before(moment);
            }
            if let Some(moment) = key.not_after {
                entry = entry.not_after(moment);
            }
            keys.push(entry);
        }
    }
    Ok(keys)
}

fn tenant(settings: &config::Tenant) -> Result<Tenant, StartError> {
    let id = TenantId::new(&settings.id).map_err(StartError::new)?;
    let endpoints = settings.endpoints.iter().copied();
    let mut tenant = Tenant::new(id)
        .plan(&*settings.plan)
        // What is passed through is a matter of the server, not of a tenant.
        .endpoints(endpoints.chain([Endpoint::Passthrough]));
    if let Some(patterns) = &settings.models {
        tenant = tenant.models(patterns.iter().cloned());
    }
    if let Some(labels) = &settings.residency {
        tenant = tenant.residency(labels.iter().map(|label| (**label).into()));
    }
    Ok(tenant)
}

/// All plans, by name.
pub(crate) fn plans(config: &Config) -> Result<Plans, StartError> {
    let plans = config.plans.iter().map(|(name, settings)| {
        let plan = Plan::new(&**name).reserve_output(settings.reserve_output);
        settings.limits.iter().copied().fold(plan, Plan::limit)
    });
    Plans::new(plans).map_err(StartError::new)
}

/// A target as the layers know it.
pub(crate) fn target(settings: &config::Target) -> Target {
    let target = Target::new(&*settings.name)
        .platform(Platform::Anthropic)
        .priority(settings.priority)
        .weight(settings.weight.get());
    let target = match &settings.residency {
        Some(label) => target.residency(&**label),
        None => target,
    };
    let models = settings.models.iter();
    let mut target = models.fold(target, |target, (asked, here)| {
        target.model(&**asked, &**here)
    });
    for capability in &settings.with {
        target = target.with(*capability);
    }
    for capability in &settings.without {
        target = target.without(*capability);
    }
    if let Some(tokens) = settings.context_window {
        target = target.context_window(tokens.get());
    }
    match &settings.betas {
        Some(names) => target.betas(names.iter().map(String::as_str)),
        None => target,
    }
}

/// The built-in prices, and the file's on top.
pub(crate) fn prices(config: &Config) -> PriceTable {
    config
        .prices
        .iter()
        .fold(PriceTable::builtin(), |table, (model, price)| {
            let rates = Rates::new(rate(price.input), rate(price.output));
            table.price(&**model, Price::new(rates))
        })
}

/// Dollars per million tokens; the file's reader takes only what divides evenly.
fn rate(dollars: config::Dollars) -> Rate {
    let pico = u64::try_from(dollars.pico() / 1_000_000).unwrap_or(u64::MAX);
    Rate::from_pico_dollars_per_token(pico)
}
