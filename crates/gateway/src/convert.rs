//! The words of the configuration file in the words of the layers.

use std::num::NonZeroU64;

use tower_claude::core::{ByteSemaphore, Platform};
use tower_claude::core::{Endpoint, Intake, ModelPattern, Target, Tenant, TenantId, Timestamp};
use tower_claude::pricing::{Price, PriceTable, Rate, Rates};
use tower_claude::tenant_auth::{KeyDigest, StaticKey};
use tower_claude::token_budget::{Limit, Meter, Per, Plan, Plans, ReserveOutput};

use crate::StartError;
use crate::config::{self, Amount, Config};

/// How requests are taken in.
pub(crate) fn intake(server: &config::Server) -> Intake {
    Intake::new()
        .body_limit(server.body_limit)
        .semaphore(ByteSemaphore::new(server.buffer_limit))
        .passthrough(server.passthrough.iter().map(String::as_str))
}

/// Every key, with the tenant it stands for.
pub(crate) fn keys(config: &Config) -> Result<Vec<StaticKey>, StartError> {
    let mut keys = Vec::new();
    for settings in &config.tenants {
        let tenant = tenant(settings)?;
        for key in &settings.keys {
            let digest = KeyDigest::from_bytes(*key.digest.as_bytes());
            let mut entry = StaticKey::new(digest, tenant.clone());
            if let Some(moment) = key.not_before {
                entry = entry.not_before(Timestamp::from(moment));
            }
            if let Some(moment) = key.not_after {
                entry = entry.not_after(Timestamp::from(moment));
            }
            keys.push(entry);
        }
    }
    Ok(keys)
}

fn tenant(settings: &config::Tenant) -> Result<Tenant, StartError> {
    let id = TenantId::new(&settings.id).map_err(StartError::new)?;
    let endpoints = settings.endpoints.iter().map(|endpoint| match endpoint {
        config::Endpoint::Messages => Endpoint::Messages,
        config::Endpoint::CountTokens => Endpoint::CountTokens,
        config::Endpoint::Models => Endpoint::Models,
        config::Endpoint::Batches => Endpoint::Batches,
        config::Endpoint::Files => Endpoint::Files,
    });
    let mut tenant = Tenant::new(id)
        .plan(&*settings.plan)
        // What is passed through is a matter of the server, not of a tenant.
        .endpoints(endpoints.chain([Endpoint::Passthrough]));
    if let Some(patterns) = &settings.models {
        let patterns = patterns
            .iter()
            .map(|pattern| ModelPattern::new(pattern.as_str()));
        tenant = tenant.models(patterns);
    }
    if let Some(labels) = &settings.residency {
        tenant = tenant.residency(labels.iter().map(|label| (**label).into()));
    }
    Ok(tenant)
}

/// All plans, by name.
pub(crate) fn plans(config: &Config) -> Result<Plans, StartError> {
    let plans = config.plans.iter().map(|(name, settings)| {
        let policy = match settings.reserve_output {
            config::ReserveOutput::Strict => ReserveOutput::Strict,
            config::ReserveOutput::Balanced => ReserveOutput::Balanced,
            config::ReserveOutput::Optimistic => ReserveOutput::Optimistic,
        };
        settings
            .limits
            .iter()
            .filter_map(limit)
            .fold(Plan::new(&**name).reserve_output(policy), Plan::limit)
    });
    Plans::new(plans).map_err(StartError::new)
}

/// The file's reader has refused what is not among these.
fn limit(settings: &config::Limit) -> Option<Limit> {
    let meter = match settings.meter {
        config::Meter::Requests => Meter::Requests,
        config::Meter::InputTokens => Meter::InputTokens,
        config::Meter::OutputTokens => Meter::OutputTokens,
        config::Meter::Tokens => Meter::Tokens,
        config::Meter::Usd | config::Meter::Concurrency => return None,
    };
    let amount: NonZeroU64 = match settings.amount {
        Amount::Count(count) => count,
        Amount::Dollars(_) => return None,
    };
    let per = match settings.per? {
        config::Per::Minute => Per::Minute,
        _ => return None,
    };
    Some(Limit::new(meter, amount, per))
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
    settings
        .models
        .iter()
        .fold(target, |target, (asked, here)| {
            target.model(&**asked, &**here)
        })
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
