use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{
    BoxError, Call, CallBody, Endpoint, Intake, Refusal, ResponseBody, Tenant,
};
use tower_service::Service;

use crate::permit::{Books, Permit};
use crate::rate_headers::Resets;
use crate::{
    Amounts, BudgetBody, BudgetStore, DefaultEstimate, Estimate, Meter, Owner, Plan, Plans,
    ReserveOutput, ResponseFuture, WhenStoreIsDown, refuse,
};

/// A service whose calls are paid out of budgets; made by
/// [`TokenBudgetLayer`](crate::TokenBudgetLayer).
pub struct TokenBudget<S, St, E = DefaultEstimate> {
    inner: S,
    shared: Arc<Shared<St, E>>,
}

/// What all services of one layer have in common.
pub(crate) struct Shared<St, E> {
    pub(crate) books: Arc<Books<St>>,
    pub(crate) plans: Plans,
    pub(crate) estimate: Arc<E>,
    pub(crate) intake: Intake,
    pub(crate) when_store_is_down: WhenStoreIsDown,
    pub(crate) hold_for: Duration,
    pub(crate) resets: Arc<Resets>,
}

// === impl TokenBudget ===

impl<S, St, E> TokenBudget<S, St, E> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<St, E>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, St, E, ReqB, ResB> Service<Request<ReqB>> for TokenBudget<S, St, E>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
    St: BudgetStore + Send + Sync + 'static,
    E: Estimate,
{
    type Response = Response<ResponseBody<BudgetBody<ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, St, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(request.map(CallBody::new), ready, Arc::clone(&self.shared))
    }
}

impl<S, St, E> Clone for TokenBudget<S, St, E>
where
    S: Clone,
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, St, E> fmt::Debug for TokenBudget<S, St, E>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBudget")
            .field("inner", &self.inner)
            .field("plans", &self.shared.plans)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl<St, E> Shared<St, E>
where
    St: BudgetStore + Send + Sync + 'static,
    E: Estimate,
{
    /// What is to be set aside for a call; `None` if it costs nothing.
    pub(crate) fn permit(
        &self,
        request: &Request<CallBody>,
        call: &Call,
    ) -> Result<Option<Permit>, Refusal> {
        if !call.endpoint().counts_as_request() {
            return Ok(None);
        }
        let tenant = request.extensions().get::<Tenant>();
        let plan = self.plans.of_tenant(tenant).map_err(refuse::unplanned)?;
        let owner = Owner::of(tenant);
        let learned = &self.books.learned;
        let key = learned.key(&owner, call.model().unwrap_or_default());
        let amounts = match call.endpoint() {
            Endpoint::Messages => {
                let input = self.estimate.estimate(call).input_tokens.max(1);
                call.attempts().estimate(input);
                let wanted = learned.output(key, plan.output_policy());
                Amounts::new(1, input, output(&plan, call, input, wanted))
            }
            _ => Amounts::new(1, 0, 0),
        };
        let permit = Permit::new(&self.books, call, owner, plan, amounts, key);
        Ok(Some(permit))
    }
}

impl<St, E> Clone for Shared<St, E> {
    fn clone(&self) -> Self {
        Self {
            books: Arc::clone(&self.books),
            plans: self.plans.clone(),
            estimate: Arc::clone(&self.estimate),
            intake: self.intake.clone(),
            when_store_is_down: self.when_store_is_down,
            hold_for: self.hold_for,
            resets: Arc::clone(&self.resets),
        }
    }
}

/// How much output to set aside: what is wanted, as far as the caller allows it.
///
/// What is only a guess never makes a call too large for a limit.
fn output(plan: &Plan, call: &Call, input: u64, wanted: u64) -> u64 {
    let allowed = call.max_tokens().unwrap_or(0).min(wanted);
    if plan.output_policy() == ReserveOutput::Strict {
        return allowed;
    }
    plan.limits()
        .iter()
        .filter_map(|limit| match limit.meter {
            Meter::OutputTokens => Some(limit.amount.get()),
            Meter::Tokens => Some(limit.amount.get().saturating_sub(input)),
            _ => None,
        })
        .fold(allowed, u64::min)
}
