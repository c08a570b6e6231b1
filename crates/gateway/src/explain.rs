//! What would apply to a call: limits, targets and prices.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::time::SystemTime;

use tower_claude::core::{Capability, ModelPattern};
use tower_claude::pricing::{Multiplier, Platform, Price, Rates};
use tower_claude::token_budget::{Algorithm, Limit, LimitMode, Meter, Per};

use crate::config::{Config, Plan, Target, Tenant};
use crate::{StartError, convert};

/// How many tenants are named to who asks for one that is not there.
const NAMED: usize = 8;

/// Says what would apply to calls of a tenant to a model, for a person to read.
pub(crate) fn explain(config: &Config, tenant: &str, model: &str) -> Result<String, StartError> {
    let found = config.tenants.iter().find(|other| other.id == tenant);
    let tenant = found.ok_or_else(|| no_tenant(config, tenant))?;
    let plan = config.plans.get(&tenant.plan);
    let prices = convert::prices(config);
    let is_priced = prices.is_priced(model);
    may_use(tenant, plan, model, is_priced)?;

    let mut text = format!("tenant {}, model {model}\n", tenant.id);
    let limits = plan.map_or(&[][..], |plan| &plan.limits);
    let policy = config.budget.when_store_is_down;
    let _ = writeln!(text, "\nplan {}", tenant.plan);
    if let Some(plan) = plan {
        let word = plan.reserve_output.as_str();
        let _ = writeln!(text, "  output is set aside: {word}");
        let urgency = plan.urgency;
        let _ = writeln!(
            text,
            "  urgency: {urgency}, of 0 (first) to 7 (last), among calls that wait"
        );
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
    for target in &targets {
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
        write_constraints(&mut text, target);
    }
    write_fallbacks(&mut text, config, tenant, model);

    text.push_str("\nprices, in dollars for a million tokens\n");
    let day = SystemTime::now().into();
    match prices.lookup(model, Platform::Anthropic, day) {
        Some(quote) => write_price(&mut text, &quote.price),
        None => text.push_str("  none: calls pass unpriced\n"),
    }
    if is_priced && !prices.models().any(|known| known == model) {
        let _ = writeln!(text, "  by the name of another model or a prefix");
    }
    // A name at a target goes before the model's only if the file has a price for it.
    let mut renamed: Vec<_> = targets.iter().filter_map(|t| t.models.get(model)).collect();
    renamed.sort();
    renamed.dedup();
    for here in renamed {
        let own = config.prices.contains_key(here);
        let quote = prices.lookup(here, Platform::Anthropic, day);
        if let Some(quote) = quote.filter(|_| own) {
            let _ = writeln!(text, "\nprices where it is {here}");
            write_price(&mut text, &quote.price);
        }
    }
    Ok(text)
}

/// What a call needs so as not to be kept away from a target.
fn write_constraints(text: &mut String, target: &Target) {
    let words = |items: &[Capability]| {
        let words: Vec<_> = items.iter().map(|item| item.as_str()).collect();
        words.join(", ")
    };
    if !target.with.is_empty() {
        let _ = writeln!(text, "    with {}", words(&target.with));
    }
    if !target.without.is_empty() {
        let _ = writeln!(text, "    without {}", words(&target.without));
    }
    if let Some(tokens) = target.context_window {
        let _ = writeln!(text, "    at most {tokens} tokens of input and output");
    }
    match target.betas.as_deref() {
        None => {}
        Some([]) => text.push_str("    no betas\n"),
        Some(betas) => drop(writeln!(text, "    betas only {}", betas.join(", "))),
    }
}

fn write_fallbacks(text: &mut String, config: &Config, tenant: &Tenant, model: &str) {
    let mut lists = config.failover.fallbacks.iter();
    let found = lists.find(|list| ModelPattern::new(&list.asked).fits(model));
    let Some(list) = found else {
        return;
    };
    text.push_str("\nmodels that stand in when none of them takes the call\n");
    for other in &list.models {
        let mut allowed = tenant.models.iter().flatten();
        let is_allowed = tenant.models.is_none() || allowed.any(|pattern| pattern.fits(other));
        let note = match is_allowed {
            true => "",
            false => ": passed over, the tenant may not use it",
        };
        let _ = writeln!(text, "  {other}{note}");
    }
}

fn write_price(text: &mut String, price: &Price) {
    write_rates(text, "  ", &price.rates);
    if let Some(long) = &price.long {
        let over = long.over;
        let _ = writeln!(text, "  prompts of more than {over} tokens");
        write_rates(text, "    ", &long.rates);
    }
    if let Some(fast) = &price.fast {
        let _ = writeln!(text, "  fast mode");
        write_rates(text, "    ", fast);
    }
    let _ = writeln!(text, "  batches: × {}", Multiplier::BATCH);
    if price.us != Multiplier::ONE {
        let _ = writeln!(text, "  inference_geo us: × {}", price.us);
    }
    let _ = writeln!(text, "  web search: ${} each", price.web_search);
}

fn write_rates(text: &mut String, indent: &str, rates: &Rates) {
    for (what, rate) in [
        ("input", rates.input),
        ("output", rates.output),
        ("cache write, 5 minutes", rates.cache_write_5m),
        ("cache write, 1 hour", rates.cache_write_1h),
        ("cache read", rates.cache_read),
    ] {
        let _ = writeln!(text, "{indent}{what}: ${rate}");
    }
}

/// Says who is there instead.
fn no_tenant(config: &Config, tenant: &str) -> StartError {
    let mut ids: Vec<_> = config.tenants.iter().map(|tenant| &*tenant.id).collect();
    if ids.is_empty() {
        return StartError::new(format!(
            "there is no tenant {tenant}; the file has none, add [[tenants]]"
        ));
    }
    ids.sort_unstable();
    let more = match ids.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    ids.truncate(NAMED);
    let there_are = match ids.len() {
        1 => "there is",
        _ => "there are",
    };
    let ids = ids.join(", ");
    StartError::new(format!(
        "there is no tenant {tenant}; {there_are} {ids}{more}"
    ))
}

fn may_use(
    tenant: &Tenant,
    plan: Option<&Plan>,
    model: &str,
    is_priced: bool,
) -> Result<(), StartError> {
    let patterns = tenant.models.as_deref();
    let fits = patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(model)));
    let is_named = |pattern: &ModelPattern| pattern.is_exactly(model);
    let is_named = patterns.is_some_and(|patterns| patterns.iter().any(is_named));
    if fits && (is_priced || is_named) {
        return Ok(());
    }
    let is_dollars = |limit: &Limit| limit.meter == Meter::Usd;
    let limits_dollars = plan.is_some_and(|plan| plan.limits.iter().any(is_dollars));
    let price = format!("add [prices.\"{model}\"]");
    let why = match (fits, is_priced) {
        (false, true) => "; add it to the tenant's `models`".to_owned(),
        (false, false) => {
            format!("; add it to the tenant's `models`, and it has no price: {price}")
        }
        (true, _) if limits_dollars => format!(": it has no price; {price}"),
        (true, _) => {
            format!(": it has no price; {price}, or name it in `models` without a wildcard")
        }
    };
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
