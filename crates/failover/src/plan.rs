//! Where one call may go, and in which order.

use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Call, Refusal, RefusalKind, Tenant};

use crate::layer::Shared;
use crate::{Candidate, ModelClass, Order, Route};

/// The class of the model a call asks.
pub(crate) fn class_of(call: &Call) -> ModelClass {
    call.model().map_or(ModelClass::Other, ModelClass::of)
}

/// The targets to ask, as places in the pool, or why there are none.
///
/// What no route may break is seen to here: residency before it is asked, and that each
/// target takes calls and comes once after.
pub(crate) fn plan<R>(
    shared: &Shared<R>,
    call: &Call,
    tenant: Option<&Tenant>,
    class: ModelClass,
    now: Instant,
) -> Result<Order, Refusal>
where
    R: Route,
{
    const FEW: usize = 8;
    let pool = &shared.pool;
    let filler = Candidate::new(pool.target(0));
    let mut few = [filler; FEW];
    let mut many = Vec::new();
    let candidates: &mut [Candidate<'_>] = if pool.slots.len() <= FEW {
        &mut few
    } else {
        many.resize(pool.slots.len(), filler);
        &mut many
    };
    let mut slots = Order::new();
    for slot in 0..pool.slots.len() {
        let target = pool.target(slot);
        if tenant.is_none_or(|tenant| tenant.allows_residency(target.residency_label())) {
            candidates[slots.len()] = Candidate {
                target,
                closed_for: pool.closed_for(slot, class, now),
            };
            slots.push(slot);
        }
    }
    if slots.is_empty() {
        return Err(out_of_bounds(tenant));
    }
    let candidates = &candidates[..slots.len()];
    let wanted = shared.route.route(call, tenant, candidates);
    let mut order = Order::new();
    for place in wanted.iter() {
        let slot = candidates
            .get(place)
            .filter(|candidate| candidate.is_available())
            .and_then(|_| slots.get(place));
        if let Some(slot) = slot
            && !order.iter().any(|other| other == slot)
        {
            order.push(slot);
        }
    }
    if order.is_empty() {
        let closed_for = |place: usize| candidates.get(place)?.closed_for;
        let of_wanted = wanted.iter().filter_map(closed_for).min();
        let soonest = of_wanted.or_else(|| (0..candidates.len()).filter_map(closed_for).min());
        return Err(all_closed(soonest));
    }
    Ok(order)
}

/// Refuses a call for which every target is closed; `soonest` is when the first opens.
pub(crate) fn all_closed(soonest: Option<Duration>) -> Refusal {
    const LEAST: Duration = Duration::from_secs(1);
    Refusal::new(
        RefusalKind::Overloaded,
        "no target takes calls for this model at the moment",
    )
    .retry_after(soonest.unwrap_or(LEAST).max(LEAST))
}

fn out_of_bounds(tenant: Option<&Tenant>) -> Refusal {
    let labels = tenant.and_then(Tenant::residency_labels).unwrap_or(&[]);
    Refusal::new(
        RefusalKind::Forbidden,
        format!("no target has an allowed residency ({})", labels.join(", ")),
    )
}
