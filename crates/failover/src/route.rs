use std::sync::Arc;

use tower_claude_core::{Call, Tenant};

use crate::{Candidate, Order};

/// Says in which order the targets are asked for one call.
///
/// Pure and synchronous; it is asked once a call. It chooses among candidates that the tenant
/// may use: a target of another residency is not among them, and one that is closed is passed
/// over wherever it is put, so no route can break these. Targets it leaves out are not asked.
///
/// A closure is a route, and so is an `Arc` of one:
///
/// ```
/// use tower_claude_core::{Call, Tenant};
/// use tower_claude_failover::{ByPriority, Candidate, Order, Route};
///
/// /// Keeps the calls of one plan away from one target.
/// struct Reserved {
///     then: ByPriority,
/// }
///
/// impl Route for Reserved {
///     fn route(
///         &self,
///         call: &Call,
///         tenant: Option<&Tenant>,
///         targets: &[Candidate<'_>],
///     ) -> Order {
///         let is_gold = tenant.and_then(Tenant::plan_name) == Some("gold");
///         self.then
///             .route(call, tenant, targets)
///             .iter()
///             .filter(|place| is_gold || targets[*place].target.name() != "provisioned")
///             .collect()
///     }
/// }
/// ```
pub trait Route {
    /// The places of `targets` in the order in which they are to be asked.
    fn route(&self, call: &Call, tenant: Option<&Tenant>, targets: &[Candidate<'_>]) -> Order;
}

// === impl Route ===

impl<F> Route for F
where
    F: Fn(&Call, Option<&Tenant>, &[Candidate<'_>]) -> Order,
{
    fn route(&self, call: &Call, tenant: Option<&Tenant>, targets: &[Candidate<'_>]) -> Order {
        self(call, tenant, targets)
    }
}

impl<R> Route for Arc<R>
where
    R: Route + ?Sized,
{
    fn route(&self, call: &Call, tenant: Option<&Tenant>, targets: &[Candidate<'_>]) -> Order {
        (**self).route(call, tenant, targets)
    }
}
