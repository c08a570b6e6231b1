//! In which order the targets are asked for one model.

use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Call, Refusal, RefusalKind, Tenant};

use crate::layer::Shared;
use crate::leg::Leg;
use crate::{Candidate, Order, Route};

/// Where a leg leads at the moment.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The targets to ask, as places in the pool: each takes calls and comes once.
    pub(crate) order: Order,
    /// When the first target opens that is closed, as far as that is known.
    pub(crate) soonest: Option<Duration>,
    /// The target that would be asked first, and how long it is closed; `None` if it is open.
    pub(crate) missed: Option<(usize, Duration)>,
}

/// Which targets count as open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Those whose account has something left, as far as is known.
    WithRoom,
    /// Those that take calls, even if their account may answer that it has nothing left.
    Open,
}

/// Plans a leg. `slots` are the targets that may serve the call: the route chooses among them
/// only.
pub(crate) fn plan<R>(
    shared: &Shared<R>,
    call: &Call,
    tenant: Option<&Tenant>,
    slots: &Order,
    leg: &Leg,
    (aim, now): (Aim, Instant),
) -> Plan
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
            closed_for: match pool.closed_for(slot, leg.class, now) {
                None if aim == Aim::WithRoom => pool.short_for(slot, leg.class, now),
                closed_for => closed_for,
            },
        };
    }
    let candidates = &*candidates;
    let wanted = shared.route.route(call, tenant, candidates);
    let mut plan = Plan {
        order: Order::new(),
        soonest: None,
        missed: None,
    };
    for (rank, place) in wanted.iter().enumerate() {
        let (Some(candidate), Some(slot)) = (candidates.get(place), slots.get(place)) else {
            continue;
        };
        match candidate.closed_for {
            Some(wait) if rank == 0 => plan.missed = Some((slot, wait)),
            Some(_) => {}
            None if plan.order.iter().any(|other| other == slot) => {}
            None => plan.order.push(slot),
        }
    }
    if plan.order.is_empty() {
        let closed_for = |place: usize| candidates.get(place)?.closed_for;
        let of_wanted = wanted.iter().filter_map(closed_for).min();
        plan.soonest = of_wanted.or_else(|| (0..candidates.len()).filter_map(closed_for).min());
    }
    plan
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
