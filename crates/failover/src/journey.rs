use std::sync::Arc;

use http::Request;
use tokio::time::Instant;
use tower_claude_core::{Call, CallBody, Failure, FailureKind, Refusal, Replay, Scope, Tenant};

use crate::by_priority::lives_at_one_target;
use crate::layer::Shared;
use crate::permit::Permit;
use crate::plan::{all_closed, class_of, plan};
use crate::{ModelClass, Order, Route};

/// What a call takes along from target to target.
pub(crate) struct Journey<S, R> {
    pub(crate) inner: S,
    shared: Arc<Shared<R>>,
    class: ModelClass,
    /// Places in the pool.
    order: Order,
    next: usize,
    /// `None` where no second target can be asked.
    spare: Option<Replay>,
}

// === impl Journey ===

impl<S, R> Journey<S, R> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self {
            inner,
            shared,
            class: ModelClass::Other,
            order: Order::new(),
            next: 0,
            spare: None,
        }
    }

    /// Plans the journey of a call; the permit is for its first target.
    pub(crate) fn set_out(
        &mut self,
        request: &Request<CallBody>,
        call: &Call,
    ) -> Result<Permit, Refusal>
    where
        R: Route,
    {
        let tenant = request.extensions().get::<Tenant>();
        let now = Instant::now();
        self.class = class_of(call);
        self.order = plan(&self.shared, call, tenant, self.class, now)?;
        let Some(permit) = self.admit(now) else {
            let closed_for = |slot| self.shared.pool.closed_for(slot, self.class, now);
            return Err(all_closed(self.order.iter().filter_map(closed_for).min()));
        };
        if self.has_more() && !lives_at_one_target(call.endpoint()) {
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
        let permit = self.admit(Instant::now())?;
        let request = self.spare.as_ref()?.request()?;
        Some((permit, request))
    }

    /// The permit for the next target, for a call that has not been anywhere since the last.
    pub(crate) fn another(&mut self) -> Option<Permit> {
        self.admit(Instant::now())
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

    fn admit(&mut self, now: Instant) -> Option<Permit> {
        while let Some(slot) = self.order.get(self.next) {
            self.next += 1;
            if let Some(permit) = self.shared.pool.admit(slot, self.class, now) {
                return Some(permit);
            }
        }
        None
    }

    const fn has_more(&self) -> bool {
        self.next < self.order.len()
    }
}
