use std::fmt;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{
    BoxError, Call, CallBody, Consent, Endpoint, Intake, Refusal, ResponseBody, Tenant,
};
use tower_claude_pricing::Prices;
use tower_service::Service;

use crate::charge::Chargeable;
use crate::keep::{Books, Keep};
use crate::money::Money;
use crate::permit::{Guess, Permit, Pledge};
use crate::raise::Raise;
use crate::rate_headers::Resets;
use crate::{
    Amounts, BudgetBody, BudgetStats, BudgetStore, DefaultEstimate, Estimate, Meter, Owner, Plan,
    Plans, Reservation, ReserveOutput, ResponseFuture, Subject, refuse,
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
    pub(crate) prices: Prices,
    pub(crate) top_up: NonZeroU64,
    pub(crate) hold_for: Duration,
    pub(crate) resets: Arc<Resets>,
    pub(crate) stats: BudgetStats,
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
    E: Estimate + Send + Sync + 'static,
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
    E: Estimate + Send + Sync + 'static,
{
    /// What is to be set aside for a call; `None` if it costs nothing.
    pub(crate) fn permit(
        &self,
        request: &mut Request<CallBody>,
        call: &Call,
    ) -> Result<Option<Permit>, Refusal> {
        if !call.endpoint().counts_as_request() {
            return Ok(None);
        }
        let tenant = request.extensions().get::<Tenant>();
        let plan = self.plans.of_tenant(tenant).map_err(refuse::unplanned)?;
        let subject = Subject::of_call(Owner::of(tenant), call, &plan);
        let model = call.model().unwrap_or_default();
        let learned = &self.books.learned;
        let key = learned.key(&subject.owner, model);
        let is_message = call.endpoint() == Endpoint::Messages;
        let (mut amounts, mut certain) = (Amounts::new(1, 0, 0), Amounts::new(1, 0, 0));
        let (mut money, mut guess) = (None, None);
        if is_message {
            let estimated = self.estimate.estimate(call);
            let input = estimated.input_tokens.max(1);
            let estimate: Arc<dyn Estimate + Send + Sync> = Arc::<E>::clone(&self.estimate);
            guess = Some(Guess {
                estimate,
                estimated,
            });
            call.attempts().estimate(input);
            let wanted = learned.output(key, plan.output_policy());
            let output = output(&plan, call, input, wanted, self.top_up.get());
            amounts = Amounts::new(1, input, output);
            certain = Amounts::new(1, input, 0);
            if plan.counts(Meter::Usd) {
                let priced = Money::new(self.prices.table(), model);
                let most = |output| priced.most(None, input, output);
                let both = most(output).and_then(|all| Ok((all, most(0)?)));
                let (all, input) = both.map_err(|_| refuse::unpriced(&subject.owner, model))?;
                (amounts.nano_dollars, certain.nano_dollars) = (all, input);
                money = Some(priced);
            }
        }
        let lasting = learned.lasting(key).unwrap_or(Reservation::LASTING);
        let asked = (amounts, certain);
        let mut pledge = Pledge::new(subject, Arc::clone(&plan), asked, self.hold_for, lasting);
        let books: Arc<dyn Keep + Send + Sync> = Arc::<Books<St>>::clone(&self.books);
        if let Some(money) = &money {
            pledge.share();
            request.extensions_mut().insert(Consent::new(Raise {
                books: Arc::clone(&books),
                money: money.clone(),
                pledge: pledge.clone(),
            }));
        }
        let call = Chargeable::of(call, &plan, money);
        Ok(Some(Permit::new(books, call, pledge, key, guess)))
    }
}

impl<St, E> Clone for Shared<St, E> {
    fn clone(&self) -> Self {
        Self {
            books: Arc::clone(&self.books),
            plans: self.plans.clone(),
            estimate: Arc::clone(&self.estimate),
            intake: self.intake.clone(),
            prices: self.prices.clone(),
            top_up: self.top_up,
            hold_for: self.hold_for,
            resets: Arc::clone(&self.resets),
            stats: self.stats.clone(),
        }
    }
}

/// No model writes as much in one answer, whatever the caller allows.
const MOST_OUTPUT: u64 = 1 << 18;

/// How much output to set aside: what is wanted, as far as the caller allows it.
///
/// What is only a guess never makes a call too large for a limit.
fn output(plan: &Plan, call: &Call, input: u64, wanted: u64, step: u64) -> u64 {
    let allowed = call.max_tokens().unwrap_or(0);
    let wanted = match plan.output_policy() {
        ReserveOutput::Strict => return allowed,
        // Nobody can watch it: it may overrun by one step, as a stream.
        ReserveOutput::Balanced if !call.is_stream() => {
            wanted.max(allowed.min(MOST_OUTPUT).saturating_sub(step))
        }
        _ => wanted,
    };
    plan.all_limits()
        .filter_map(|limit| match limit.meter {
            Meter::OutputTokens => Some(limit.capacity()),
            Meter::Tokens => Some(limit.capacity().saturating_sub(input)),
            _ => None,
        })
        .fold(allowed.min(wanted), u64::min)
}
