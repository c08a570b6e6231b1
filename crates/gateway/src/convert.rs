//! The words of the configuration file in the words of the layers.

use std::num::NonZeroU64;

use tower_claude::core::{ByteSemaphore, Endpoint, Intake, Platform, Target, Tenant, TenantId};
use tower_claude::pricing::{Price, PriceTable, Rate, Rates};
use tower_claude::tenant_auth::StaticKey;
use tower_claude::token_budget::{
    Algorithm, Limit, LimitMode, LimitScope, Meter, Per, Plan, Plans, ReserveOutput,
    WhenStoreIsDown,
};

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

/// All plans, by name; a limit that this build cannot keep is an error, never left out.
pub(crate) fn plans(config: &Config) -> Result<Plans, StartError> {
    let plans = config.plans.iter().map(|(name, settings)| {
        let policy = match settings.reserve_output {
            config::ReserveOutput::Strict => ReserveOutput::Strict,
            config::ReserveOutput::Balanced => ReserveOutput::Balanced,
            config::ReserveOutput::Optimistic => ReserveOutput::Optimistic,
        };
        let plan = Plan::new(&**name).reserve_output(policy);
        let mut limits = settings.limits.iter();
        limits.try_fold(plan, |plan, settings| Ok(plan.limit(limit(settings)?)))
    });
    let plans: Vec<_> = plans.collect::<Result<_, StartError>>()?;
    Plans::new(plans).map_err(StartError::new)
}

/// What is not built is refused by [`Plans::new`], with the plan's name.
fn limit(settings: &config::Limit) -> Result<Limit, StartError> {
    let meter = match settings.meter {
        config::Meter::Requests => Meter::Requests,
        config::Meter::InputTokens => Meter::InputTokens,
        config::Meter::OutputTokens => Meter::OutputTokens,
        config::Meter::Tokens => Meter::Tokens,
        config::Meter::Usd => Meter::Usd,
        config::Meter::Concurrency => Meter::Concurrency,
    };
    let amount = match settings.amount {
        Amount::Count(count) => count,
        Amount::Dollars(dollars) => nano_dollars(dollars)
            .ok_or_else(|| StartError::new(format!("${dollars} is not whole nano-dollars")))?,
    };
    let per = settings.per.map(|per| match per {
        config::Per::Second => Per::Second,
        config::Per::Minute => Per::Minute,
        config::Per::Hour => Per::Hour,
        config::Per::Day => Per::Day,
        config::Per::Month => Per::Month,
    });
    let limit = match (meter, per) {
        (Meter::Concurrency, None) => Limit::concurrency(amount),
        (meter, Some(per)) if meter != Meter::Concurrency => Limit::new(meter, amount, per),
        (meter, Some(_)) => {
            return Err(StartError::new(format!(
                "`{}` has no period",
                meter.as_str()
            )));
        }
        (meter, None) => {
            return Err(StartError::new(format!(
                "`{}` needs a period",
                meter.as_str()
            )));
        }
    };
    let algorithm = match settings.algorithm {
        config::Algorithm::Sliding => Algorithm::Sliding,
        config::Algorithm::Bucket { burst } => Algorithm::Bucket {
            burst: burst.unwrap_or(amount),
        },
    };
    let scope = match settings.scope {
        config::Scope::Tenant => LimitScope::Tenant,
        config::Scope::User => LimitScope::User,
        config::Scope::Feature => LimitScope::Feature,
        config::Scope::Model => LimitScope::Model,
        config::Scope::Account => LimitScope::Account,
    };
    let mode = match settings.mode {
        config::Mode::Enforce => LimitMode::Enforce,
        config::Mode::Warn => LimitMode::Warn,
    };
    Ok(limit.algorithm(algorithm).scope(scope).mode(mode))
}

fn nano_dollars(dollars: config::Dollars) -> Option<NonZeroU64> {
    let pico = dollars.pico();
    let nano = u64::try_from(pico / 1_000).ok()?;
    pico.is_multiple_of(1_000)
        .then(|| NonZeroU64::new(nano))
        .flatten()
}

/// What happens to calls while the store of the budgets cannot be asked.
pub(crate) fn when_store_is_down(settings: &config::Budget) -> Result<WhenStoreIsDown, StartError> {
    match settings.when_store_is_down {
        config::WhenStoreIsDown::Refuse => Ok(WhenStoreIsDown::Refuse),
        config::WhenStoreIsDown::Lease | config::WhenStoreIsDown::Allow => Err(StartError::new(
            "only `when_store_is_down = \"refuse\"` is implemented in this build",
        )),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(meter: config::Meter) -> config::Limit {
        config::Limit {
            meter,
            amount: Amount::Count(NonZeroU64::MIN),
            per: Some(config::Per::Minute),
            algorithm: config::Algorithm::Sliding,
            scope: config::Scope::Tenant,
            mode: config::Mode::Enforce,
        }
    }

    fn plan(limit: config::Limit) -> Result<Plans, StartError> {
        let text = crate::demo::config_text("http://127.0.0.1:1");
        let surroundings = config::Surroundings::default().variables(|_| Some("a-key".into()));
        let mut config = Config::parse_in(&text, "demo.toml", &surroundings)
            .unwrap()
            .config;
        config.plans.get_mut("trial").unwrap().limits = vec![limit];
        plans(&config)
    }

    #[test]
    fn every_word_of_a_limit_reaches_the_budget() {
        let settings = config::Limit {
            per: Some(config::Per::Day),
            algorithm: config::Algorithm::Bucket { burst: None },
            scope: config::Scope::User,
            mode: config::Mode::Warn,
            ..settings(config::Meter::OutputTokens)
        };
        let expected = Limit::new(Meter::OutputTokens, NonZeroU64::MIN, Per::Day)
            .algorithm(Algorithm::Bucket {
                burst: NonZeroU64::MIN,
            })
            .scope(LimitScope::User)
            .mode(LimitMode::Warn);
        assert_eq!(limit(&settings).unwrap(), expected);
        let concurrency = config::Limit {
            per: None,
            ..self::settings(config::Meter::Concurrency)
        };
        let expected = Limit::concurrency(NonZeroU64::MIN);
        assert_eq!(limit(&concurrency).unwrap(), expected);
    }

    #[test]
    fn a_plan_keeps_each_of_its_limits_or_is_refused() {
        let usual = settings(config::Meter::Requests);
        let odd = [
            settings(config::Meter::Concurrency),
            config::Limit { per: None, ..usual },
            config::Limit {
                per: None,
                ..settings(config::Meter::Usd)
            },
        ];
        for limit in odd {
            assert!(plan(limit).is_err(), "{limit:?}");
        }
        let others = [
            settings(config::Meter::Usd),
            config::Limit {
                per: None,
                ..settings(config::Meter::Concurrency)
            },
            config::Limit {
                per: Some(config::Per::Day),
                ..usual
            },
            config::Limit {
                algorithm: config::Algorithm::Bucket { burst: None },
                ..usual
            },
            config::Limit {
                scope: config::Scope::Account,
                ..usual
            },
            config::Limit {
                mode: config::Mode::Warn,
                ..usual
            },
            usual,
        ];
        for settings in others {
            if let Ok(plans) = plan(settings) {
                let kept = plans.get(Some("trial")).unwrap();
                assert_eq!(kept.limits(), [limit(&settings).unwrap()]);
            }
        }
        assert!(plan(usual).is_ok());
    }
}
