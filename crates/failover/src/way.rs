use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower_claude_core::{Call, CallBody, Endpoint, Refusal, Tenant};

use crate::eligible::eligible;
use crate::lane::Lane;
use crate::layer::Shared;
use crate::leg::Leg;
use crate::permit::Permit;
use crate::plan::{Aim, plan};
use crate::pool::Pool;
use crate::{ModelClass, Order, Route};

/// Where one call may go, and where it is.
pub(crate) struct Way {
    call: Call,
    tenant: Option<Tenant>,
    /// The places of all targets that may serve the call.
    eligible: Order,
    leg: Leg,
}

/// Why a call cannot go on at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    /// When the first target opens, as far as that is known.
    pub(crate) soonest: Option<Duration>,
    /// The only target it should wait for, though others are open.
    pub(crate) stay_at: Option<usize>,
}

// === impl Closed ===

impl Closed {
    /// Others are waiting already.
    pub(crate) const NOW: Self = Self {
        soonest: Some(Duration::ZERO),
        stay_at: None,
    };
}

// === impl Way ===

impl Way {
    pub(crate) fn of(
        pool: &Pool,
        request: &Request<CallBody>,
        call: &Call,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            eligible: eligible(pool, request, call)?,
            call: call.clone(),
            tenant: request.extensions().get().cloned(),
            leg: Leg::first(call),
        })
    }

    /// The permit for the first target of the leg; or why there is none.
    ///
    /// The aim is that of messages: others have limits of their own. Within `to_stay` a call that
    /// is better off where it was before waits for that target.
    pub(crate) fn set_out<R>(
        &mut self,
        shared: &Shared<R>,
        aim: Aim,
        to_stay: Duration,
    ) -> Result<Permit, Closed>
    where
        R: Route,
    {
        let now = Instant::now();
        let aim = if self.is_message() { aim } else { Aim::Open };
        let tenant = self.tenant.as_ref();
        let (slots, leg) = (&self.eligible, &self.leg);
        let plan = plan(shared, &self.call, tenant, slots, leg, (aim, now));
        if let Some((slot, wait)) = plan.missed
            && wait <= to_stay
            && !plan.order.is_empty()
            && self.call.has_thinking()
        {
            return Err(Closed {
                soonest: Some(wait),
                stay_at: Some(slot),
            });
        }
        self.leg.leads_to(plan.order);
        self.admit(shared, now).ok_or_else(|| {
            let closed_for = |slot| shared.pool.closed_for(slot, self.leg.class, now);
            let soonest = self.leg.places().filter_map(closed_for).min();
            Closed {
                soonest: plan.soonest.or(soonest),
                stay_at: None,
            }
        })
    }

    /// The permit for the next target of the leg.
    pub(crate) fn admit<R>(&mut self, shared: &Shared<R>, now: Instant) -> Option<Permit> {
        while let Some(slot) = self.leg.advance() {
            let model = (self.leg.class, self.leg.step);
            if let Some(permit) = shared.pool.admit(slot, model, now) {
                return Some(permit);
            }
        }
        None
    }

    /// The permit for a target that is asked for a model that stands in.
    pub(crate) fn step_down<R>(&mut self, shared: &Shared<R>) -> Option<Permit>
    where
        R: Route,
    {
        while let Some(leg) = self.next_step(&shared.pool) {
            self.leg = leg;
            if let Ok(permit) = self.set_out(shared, Aim::Open, Duration::ZERO) {
                return Some(permit);
            }
        }
        None
    }

    /// When the first target opens that has room, as far as that is known.
    pub(crate) fn soonest<R>(&self, shared: &Shared<R>) -> Option<Duration>
    where
        R: Route,
    {
        let (tenant, slots, leg) = (self.tenant.as_ref(), &self.eligible, &self.leg);
        let aim = (Aim::WithRoom, Instant::now());
        plan(shared, &self.call, tenant, slots, leg, aim).soonest
    }

    /// Whether it may go anywhere else after where it is.
    pub(crate) fn has_more(&self, pool: &Pool) -> bool {
        self.leg.has_more() || self.next_step(pool).is_some()
    }

    /// Where it waits: with all that may go to the same targets, or to the one it stays at.
    pub(crate) fn lane(&self, stay_at: Option<usize>) -> Lane {
        let all = self.eligible.iter().filter(|_| stay_at.is_none());
        Lane::new(self.leg.class, all.chain(stay_at))
    }

    /// Whether it may go to another target that is asked for the same model.
    pub(crate) const fn may_go_on(&self) -> bool {
        self.leg.has_more()
    }

    /// The class of the model that is asked.
    pub(crate) const fn class(&self) -> ModelClass {
        self.leg.class
    }

    pub(crate) const fn call(&self) -> &Call {
        &self.call
    }

    /// Whether it counts against the limits of messages.
    pub(crate) fn is_message(&self) -> bool {
        self.call.endpoint() == Endpoint::Messages
    }

    pub(crate) const fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// The leg after this one, with a model that the tenant may use.
    fn next_step(&self, pool: &Pool) -> Option<Leg> {
        let ladders = &pool.ladders;
        if ladders.is_empty() {
            return None;
        }
        let asked = self.call.model()?;
        let mut step = ladders.next(asked, self.leg.step)?;
        loop {
            let model = ladders.model(step);
            let allowed = |tenant: &Tenant| tenant.allows_model(model) != Some(false);
            if model != asked && self.tenant.as_ref().is_none_or(allowed) {
                return Some(Leg::down(pool, step));
            }
            step = ladders.next(asked, Some(step))?;
        }
    }
}
