//! In which order the targets are asked for one model.

use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Call, Refusal, RefusalKind, Tenant};

use crate::layer::Shared;
use crate::leg::Leg;
use crate::{Candidate, Order, Route};

/// The targets to ask on a leg, as places in the pool; or when the first of them opens again,
/// as far as that is known.
///
/// `slots` are those that may serve the call. What no route may break is seen to here: it
/// chooses among them only, and each target takes calls and comes once.
pub(crate) fn plan<R>(
    shared: &Shared<R>,
    call: &Call,
    tenant: Option<&Tenant>,
    slots: &Order,
    leg: &Leg,
    now: Instant,
) -> Result<Order, Option<Duration>>
where
    R: Route,
{
    const FEW: usize = 8;
    let pool = &shared.pool;
    let filler = Candidate::new(pool.target(0, leg.step));
    let mut few = [filler; FEW];
    let mut many = Vec::new();
    let candidates: &mut [Candidate<'_>] = if slots.len() <= FEW {
        &mut few[..slots.len()]
    } else {
        many.resize(slots.len(), filler);
        &mut many
    };
    for (candidate, slot) in candidates.iter_mut().zip(slots.iter()) {
        *candidate = Candidate {
            target: pool.target(slot, leg.step),
            closed_for: pool.closed_for(slot, leg.class, now),
        };
    }
    let candidates = &*candidates;
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
        return Err(of_wanted.or_else(|| (0..candidates.len()).filter_map(closed_for).min()));
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
