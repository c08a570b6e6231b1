use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tower_claude_core::Tenant;

use crate::books::Seed;
use crate::error::Kind;
use crate::{ConfigError, Plan};

/// The plans tenants may have, by name: a shared handle, replaceable while calls run.
///
/// A clone is the same handle. A call is bound by the plan that was there when it began; what
/// has been spent stays spent, because stores count by meter and period, not by plan.
#[derive(Clone)]
pub struct Plans(Arc<ArcSwap<Table>>);

#[derive(Clone, Default)]
struct Table {
    // Whoever names plans runs the process: the quick hash is safe.
    named: HashMap<Box<str>, Arc<Plan>, Seed>,
    default: Option<Arc<Plan>>,
}

/// Why there is no plan for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unplanned {
    /// The tenant names a plan that there is not.
    Unknown,
    /// Nobody named a plan, and there is no default.
    None,
}

// === impl Plans ===

impl Plans {
    /// Plans to be named by tenants; whoever names none is refused.
    ///
    /// # Errors
    ///
    /// Two plans of one name, or a plan that cannot work.
    pub fn new(plans: impl IntoIterator<Item = Plan>) -> Result<Self, ConfigError> {
        let mut table = Table::default();
        for plan in plans {
            plan.check()?;
            let name: Box<str> = plan.name().into();
            if table.named.insert(name.clone(), Arc::new(plan)).is_some() {
                return Err(ConfigError::new(Kind::DuplicatePlan(name)));
            }
        }
        Ok(Self::of(table))
    }

    /// One plan, for all who name none or this one.
    ///
    /// # Errors
    ///
    /// A plan that cannot work.
    pub fn for_all(plan: Plan) -> Result<Self, ConfigError> {
        let name: Box<str> = plan.name().into();
        Self::new([plan])?.default_plan(&name)
    }

    /// Applies one of the plans to all who name none.
    ///
    /// # Errors
    ///
    /// There is no plan of that name.
    pub fn default_plan(self, name: &str) -> Result<Self, ConfigError> {
        let mut table = Table::clone(&self.0.load());
        table.default = table.named.get(name).cloned();
        if table.default.is_none() {
            return Err(ConfigError::new(Kind::NoSuchPlan(name.into())));
        }
        self.0.store(Arc::new(table));
        Ok(self)
    }

    /// Takes over what `other` holds, here and in all clones of this handle.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// The plan of a name; without a name, the default.
    #[must_use]
    pub fn get(&self, name: Option<&str>) -> Option<Arc<Plan>> {
        let table = self.0.load();
        match name {
            Some(name) => table.named.get(name).cloned(),
            None => table.default.clone(),
        }
    }

    pub(crate) fn of_tenant(&self, tenant: Option<&Tenant>) -> Result<Arc<Plan>, Unplanned> {
        let name = tenant.and_then(Tenant::plan_name);
        self.get(name).ok_or(match name {
            Some(_) => Unplanned::Unknown,
            None => Unplanned::None,
        })
    }

    fn of(table: Table) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(table)))
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.load();
        f.debug_struct("Plans")
            .field("named", &table.named.keys())
            .field("default", &table.default.as_ref().map(|plan| plan.name()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use tower_claude_core::TenantId;

    use super::*;
    use crate::{Algorithm, Limit, LimitMode, LimitScope, Meter, Per};

    fn limit(meter: Meter) -> Limit {
        Limit::new(meter, NonZeroU64::MIN, Per::Minute)
    }

    fn error(plans: impl IntoIterator<Item = Plan>) -> String {
        Plans::new(plans).unwrap_err().to_string()
    }

    #[test]
    fn a_tenant_gets_the_plan_it_names_and_nobody_else_gets_any() {
        let plans = Plans::new([Plan::new("standard"), Plan::new("batch")]).unwrap();
        let tenant = Tenant::new(TenantId::new("web").unwrap());
        let named = |name: &str| plans.of_tenant(Some(&tenant.clone().plan(name)));
        assert_eq!(named("batch").unwrap().name(), "batch");
        assert_eq!(named("gold").unwrap_err(), Unplanned::Unknown);
        assert_eq!(plans.of_tenant(Some(&tenant)).unwrap_err(), Unplanned::None);
        assert_eq!(plans.of_tenant(None).unwrap_err(), Unplanned::None);
        let plans = plans.default_plan("standard").unwrap();
        assert_eq!(plans.of_tenant(None).unwrap().name(), "standard");
        assert!(plans.default_plan("gold").is_err());
    }

    #[test]
    fn replacing_is_seen_by_every_clone() {
        let plans = Plans::new([Plan::new("old")]).unwrap();
        let clone = plans.clone();
        plans.replace(&Plans::for_all(Plan::new("new")).unwrap());
        assert!(clone.get(Some("old")).is_none());
        assert_eq!(clone.get(None).unwrap().name(), "new");
    }

    #[test]
    fn refuses_plans_that_cannot_work_and_says_why() {
        let plan = || Plan::new("p");
        assert_eq!(error([plan(), plan()]), "there are two plans named p");
        let twice = plan()
            .limit(limit(Meter::Tokens))
            .limit(limit(Meter::Tokens));
        assert!(error([twice]).contains("two limits of the same meter"));
        let many = (0..17).fold(plan(), |plan, _| plan.limit(limit(Meter::Tokens)));
        assert_eq!(error([many]), "plan p has more than 16 limits");
        let bucket = |burst| Algorithm::Bucket {
            burst: NonZeroU64::new(burst).unwrap(),
        };
        for (limit, why) in [
            (
                Limit::new(Meter::Tokens, NonZeroU64::MAX, Per::Day),
                "is larger than can be counted exactly",
            ),
            (
                limit(Meter::Concurrency),
                "needs a period, unless it is of concurrency, which has none",
            ),
            (
                Limit::new(Meter::Tokens, NonZeroU64::MIN, Per::Day).algorithm(bucket(1)),
                "is a bucket, which needs a period of a second, minute or hour",
            ),
            (
                limit(Meter::Tokens).algorithm(bucket(1_000)),
                "is a bucket that takes more than half a day to refill",
            ),
        ] {
            let error = error([plan().limit(limit)]);
            assert!(error.ends_with(why), "{error}");
        }
        let of_account = limit(Meter::Tokens).scope(LimitScope::Account);
        let twice = plan().limit(of_account).limit(of_account);
        assert!(error([twice]).contains("two limits of the same meter"));
        let warning = limit(Meter::Tokens).mode(LimitMode::Warn);
        assert!(Plans::new([plan().limit(warning).limit(of_account)]).is_ok());
    }
}
