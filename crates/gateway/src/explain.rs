//! What would apply to a call: limits, targets and prices.

use std::fmt::Write as _;
use std::time::SystemTime;

use tower_claude::core::ModelPattern;
use tower_claude::pricing::Platform;
use tower_claude::token_budget::{Algorithm, Limit, LimitMode, Per};

use crate::config::{Config, Target, Tenant};
use crate::{StartError, convert};

/// Says what would apply to calls of a tenant to a model, for a person to read.
pub(crate) fn explain(config: &Config, tenant: &str, model: &str) -> Result<String, StartError> {
    let found = config.tenants.iter().find(|other| other.id == tenant);
    let tenant = found.ok_or_else(|| StartError::new(format!("there is no tenant {tenant}")))?;
    let prices = convert::prices(config);
    let is_priced = prices.is_priced(model);
    may_use(tenant, model, is_priced)?;

    let mut text = format!("tenant {}, model {model}\n", tenant.id);
    let plan = config.plans.get(&tenant.plan);
    let limits = plan.map_or(&[][..], |plan| &plan.limits);
    let policy = config.budget.when_store_is_down;
    let _ = writeln!(text, "\nplan {}", tenant.plan);
    if let Some(plan) = plan {
        let word = plan.reserve_output.as_str();
        let _ = writeln!(text, "  output is set aside: {word}");
    }
    if limits.is_empty() {
        text.push_str("  no limits\n");
    }
    for limit in limits {
        let down = limit.when_store_is_down.unwrap_or(policy).as_str();
        let described = describe(limit);
        let _ = writeln!(text, "  {described}; store away: {down}");
    }

    text.push_str("\ntargets, in the order they are tried\n");
    let mut targets: Vec<&Target> = config.targets.iter().collect();
    targets.retain(|target| is_allowed(tenant, target));
    targets.sort_by_key(|target| target.priority);
    if targets.is_empty() {
        text.push_str("  none: no target is of a residency that the tenant may use\n");
    }
    for target in targets {
        let residency = target.residency.as_deref().unwrap_or("no residency");
        let (priority, weight) = (target.priority, target.weight);
        let name = &target.name;
        let _ = write!(
            text,
            "  {name}: priority {priority}, weight {weight}, {residency}"
        );
        match target.models.get(model) {
            Some(here) => drop(writeln!(text, ", as {here}")),
            None => text.push('\n'),
        }
    }

    text.push_str("\nprices, in dollars for a million tokens\n");
    let day = SystemTime::now().into();
    match prices.lookup(model, Platform::Anthropic, day) {
        Some(quote) => {
            let rates = quote.price.rates;
            for (what, rate) in [
                ("input", rates.input),
                ("output", rates.output),
                ("cache write, 5 minutes", rates.cache_write_5m),
                ("cache write, 1 hour", rates.cache_write_1h),
                ("cache read", rates.cache_read),
            ] {
                let _ = writeln!(text, "  {what}: ${}", rate.of(1_000_000));
            }
        }
        None => text.push_str("  none: calls pass unpriced\n"),
    }
    if is_priced && !prices.models().any(|known| known == model) {
        let _ = writeln!(text, "  by the name of another model or a prefix");
    }
    Ok(text)
}

fn may_use(tenant: &Tenant, model: &str, is_priced: bool) -> Result<(), StartError> {
    let allowed = match &tenant.models {
        None => is_priced,
        Some(patterns) => {
            let is_named = |pattern: &ModelPattern| pattern.is_exactly(model);
            patterns.iter().any(|pattern| pattern.fits(model))
                && (is_priced || patterns.iter().any(is_named))
        }
    };
    if allowed {
        return Ok(());
    }
    let why = if is_priced { "" } else { ": it has no price" };
    let id = &tenant.id;
    Err(StartError::new(format!(
        "tenant {id} may not use model {model}{why}"
    )))
}

fn is_allowed(tenant: &Tenant, target: &Target) -> bool {
    match (&tenant.residency, &target.residency) {
        (None, _) => true,
        (Some(labels), Some(label)) => labels.contains(label),
        (Some(_), None) => false,
    }
}

fn describe(limit: &Limit) -> String {
    let how = match (limit.algorithm, limit.per) {
        (Algorithm::Bucket { burst }, _) => format!("bucket of {burst}"),
        (_, Some(Per::Day | Per::Month)) => "of the calendar, UTC".to_owned(),
        (_, Some(_)) => "sliding".to_owned(),
        (_, None) => "at one time".to_owned(),
    };
    let mode = match limit.mode {
        LimitMode::Warn => "warns",
        _ => "refuses",
    };
    let scope = limit.scope.as_str();
    format!("{limit} for each {scope}, {how}, {mode}")
}
