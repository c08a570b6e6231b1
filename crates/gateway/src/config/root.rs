use std::collections::BTreeMap;

use toml::de::DeTable;
use tower_claude::token_budget::Meter;

use super::auth::Auth;
use super::budget::Budget;
use super::failover::Failover;
use super::known_models::KnownModels;
use super::plan::Plan;
use super::price::Price;
use super::reader::{Source, TableReader, Value};
use super::retry::Retry;
use super::server::Server;
use super::target::Target;
use super::tenant::Tenant;
use super::text;
use super::usage::Usage;

/// All that a configuration file says, with the defaults filled in.
///
/// `tenants_file` is not implemented in this build.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[auth]`
    pub auth: Auth,
    /// `[budget]`
    pub budget: Budget,
    /// `[retry]`
    pub retry: Retry,
    /// `[failover]`
    pub failover: Failover,
    /// `[usage]`
    pub usage: Usage,
    /// `[[targets]]`, in the file's order; at least one.
    pub targets: Vec<Target>,
    /// `[plans.NAME]`
    pub plans: BTreeMap<String, Plan>,
    /// `[[tenants]]`, in the file's order; at least one.
    pub tenants: Vec<Tenant>,
    /// `[prices."MODEL"]`
    pub prices: BTreeMap<String, Price>,
}

// === impl Config ===

impl Config {
    /// Reads what it can; whether it can be used is for the source's problems to say.
    pub(super) fn read<'a>(source: &'a Source<'a>, document: &'a DeTable<'a>) -> Self {
        let mut table = TableReader::new(source, "", 1, document);
        if !table.has("tenants_file") {
            need(&table, "tenants");
        }
        need(&table, "targets");
        let plans = named(table.take("plans"), "plans");
        let names: Vec<_> = plans.iter().map(|(name, _)| *name).collect();
        let tenants = table.tables("tenants", "tenants");
        let targets = table.tables("targets", "targets");
        let labels: Vec<_> = targets
            .iter()
            .filter_map(|one| one.text("residency"))
            .collect();
        let prices = named(table.take("prices"), "prices");
        let plans: BTreeMap<_, _> = plans
            .into_iter()
            .map(|(name, plan)| (name.to_owned(), Plan::read(plan)))
            .collect();
        let known = KnownModels::new(prices.iter().map(|(model, _)| *model).collect());
        let is_spendable = |model: &str, plan: &str| {
            let limits = plans.get(plan).map_or(&[][..], |plan| &plan.limits);
            known.is_priced(model) || limits.iter().all(|limit| limit.meter != Meter::Usd)
        };
        let written = tenants.len();
        let tenants: Vec<Tenant> = tenants
            .into_iter()
            .filter_map(|tenant| Tenant::read(tenant, &names, &labels, is_spendable))
            .collect();
        // What a tenant says that cannot be read is not known, so nothing is said against it.
        let is_whole = tenants.len() == written;
        let can_be_asked = |model: &str, value: &Value<'_>| {
            let is_known = known.is_priced(model) || tenants.iter().any(|one| one.names(model));
            if is_known || !is_whole {
                return Some(());
            }
            known.refuse(value, model)
        };
        let config = Self {
            server: Server::read(table.section("server", "server")),
            auth: Auth::read(table.section("auth", "auth")),
            budget: Budget::read(table.section("budget", "budget")),
            retry: Retry::read(table.section("retry", "retry")),
            failover: Failover::read(table.section("failover", "failover"), &known, targets.len()),
            usage: Usage::read(table.section("usage", "usage"), |name| source.path(name)),
            targets: targets
                .into_iter()
                .filter_map(|target| Target::read(target, can_be_asked))
                .collect(),
            tenants,
            plans,
            prices: prices
                .into_iter()
                .filter_map(|(model, price)| Some((model.to_owned(), Price::read(price)?)))
                .collect(),
        };
        table.finish();
        config
    }
}

fn need(table: &TableReader<'_>, key: &str) {
    if table.is_empty(key) {
        table.error(format!("no {key}"), &format!("add a [[{key}]] table"));
    }
}

/// Reads a table of tables whose names the file chose.
fn named<'a>(value: Option<Value<'a>>, path: &'static str) -> Vec<(&'a str, TableReader<'a>)> {
    let table = value.and_then(|value| value.table(path));
    let Some(mut table) = table else {
        return Vec::new();
    };
    let entries = table.take_all();
    let named = entries.filter_map(|(name, value)| {
        text::key(name, &value);
        Some((name, value.table(path)?))
    });
    named.collect()
}
