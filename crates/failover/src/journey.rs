use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tower_claude_core::{Call, CallBody, Failure, FailureKind, Refusal, Replay, Scope, Tenant};

use crate::by_priority::lives_at_one_target;
use crate::eligible::eligible;
use crate::layer::Shared;
use crate::leg::Leg;
use crate::permit::Permit;
use crate::plan::{all_closed, plan};
use crate::{Order, Route};

/// What a call takes along from target to target.
pub(crate) struct Journey<S, R> {
    pub(crate) inner: S,
    shared: Arc<Shared<R>>,
    /// `None` until it has set out.
    way: Option<Way>,
    /// `None` where no second target can be asked.
    spare: Option<Replay>,
}

/// Where it may go, and where it is.
struct Way {
    call: Call,
    tenant: Option<Tenant>,
    /// The places of all targets that may serve the call.
    eligible: Order,
    leg: Leg,
}

// === impl Journey ===

impl<S, R> Journey<S, R> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self {
            inner,
            shared,
            way: None,
            spare: None,
        }
    }
}

impl<S, R> Journey<S, R>
where
    R: Route,
{
    /// Plans the journey of a call; the permit is for its first target.
    pub(crate) fn set_out(
        &mut self,
        request: &Request<CallBody>,
        call: &Call,
    ) -> Result<Permit, Refusal> {
        let now = Instant::now();
        let way = self.way.insert(Way {
            call: call.clone(),
            tenant: request.extensions().get().cloned(),
            eligible: eligible(&self.shared.pool, request, call)?,
            leg: Leg::first(call),
        });
        let permit = match way.set_out(&self.shared, now) {
            Ok(permit) => permit,
            Err(soonest) => way
                .step_down(&self.shared, now)
                .ok_or_else(|| all_closed(soonest))?,
        };
        let has_more = way.leg.has_more() || way.next_step(&self.shared).is_some();
        if has_more && !lives_at_one_target(call.endpoint()) {
            self.spare = Replay::new(request);
        }
        Ok(permit)
    }

    /// The permit for the next target and the request for it, if the call is to move on from
    /// such a failure.
    pub(crate) fn move_on(&mut self, failure: &Failure) -> Option<(Permit, Request<CallBody>)> {
        if self.spare.is_none() || !self.may_move(failure) {
            return None;
        }
        let now = Instant::now();
        let way = self.way.as_mut()?;
        let permit = way.admit(&self.shared, now).or_else(|| {
            // Another model helps only where this one is what is short.
            let is_about_model = failure.kind.scope() == Scope::ModelClass;
            is_about_model
                .then(|| way.step_down(&self.shared, now))
                .flatten()
        })?;
        let request = self.spare.as_ref()?.request()?;
        Some((permit, request))
    }

    /// The permit for the next target, for a call that has not been anywhere since the last.
    pub(crate) fn another(&mut self) -> Option<Permit> {
        self.way.as_mut()?.admit(&self.shared, Instant::now())
    }

    /// How long the beginning of an answer may be held back.
    pub(crate) fn gate_time(&self) -> Duration {
        self.shared.pool.gate_time
    }

    /// Whether another target may serve what failed so, without the risk of a second bill.
    fn may_move(&self, failure: &Failure) -> bool {
        let kind = failure.kind;
        let is_ours = kind.scope() == Scope::Account;
        if is_ours || matches!(kind, FailureKind::RateLimited | FailureKind::Redirect) {
            // Upstream's word on asking again is about this account, not about another.
            return true;
        }
        if !kind.may_pass_elsewhere() || kind == FailureKind::Conflict {
            return false;
        }
        failure
            .should_retry
            .unwrap_or(self.shared.pool.possibly_billed || !failure.possibly_billed())
    }
}

// === impl Way ===

impl Way {
    /// The permit for the first target of the leg; or when the first of them opens.
    fn set_out<R>(&mut self, shared: &Shared<R>, now: Instant) -> Result<Permit, Option<Duration>>
    where
        R: Route,
    {
        let tenant = self.tenant.as_ref();
        let order = plan(shared, &self.call, tenant, &self.eligible, &self.leg, now)?;
        self.leg.leads_to(order);
        self.admit(shared, now).ok_or_else(|| {
            let closed_for = |slot| shared.pool.closed_for(slot, self.leg.class, now);
            self.leg.places().filter_map(closed_for).min()
        })
    }

    fn admit<R>(&mut self, shared: &Shared<R>, now: Instant) -> Option<Permit> {
        while let Some(slot) = self.leg.advance() {
            let model = (self.leg.class, self.leg.step);
            if let Some(permit) = shared.pool.admit(slot, model, now) {
                return Some(permit);
            }
        }
        None
    }

    /// The permit for a target that is asked for a model that stands in.
    fn step_down<R>(&mut self, shared: &Shared<R>, now: Instant) -> Option<Permit>
    where
        R: Route,
    {
        while let Some(leg) = self.next_step(shared) {
            self.leg = leg;
            if let Ok(permit) = self.set_out(shared, now) {
                return Some(permit);
            }
        }
        None
    }

    /// The leg after this one, with a model that the tenant may use.
    fn next_step<R>(&self, shared: &Shared<R>) -> Option<Leg> {
        let ladders = &shared.pool.ladders;
        let asked = self.call.model()?;
        let mut step = ladders.next(asked, self.leg.step)?;
        loop {
            let model = ladders.model(step);
            let allowed = |tenant: &Tenant| tenant.allows_model(model) != Some(false);
            if model != asked && self.tenant.as_ref().is_none_or(allowed) {
                return Some(Leg::down(&shared.pool, step));
            }
            step = ladders.next(asked, Some(step))?;
        }
    }
}
