use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tower_claude_core::{Refusal, RefusalKind};

use crate::charge::Chargeable;
use crate::keep::Extending;
use crate::permit::Permit;
use crate::service::Shared;
use crate::{Amounts, BudgetStats, Meter, ReserveOutput, Reserved};

/// Sets more output aside while a stream goes on.
pub(crate) struct TopUp {
    step: u64,
    /// In a lock that nobody takes: bodies may have to be `Sync`, futures need not.
    asking: Option<(Mutex<Extending>, Amounts)>,
    asks_account: bool,
    /// Not before this after a denial.
    not_before: Option<Instant>,
    /// Whether a stream is ended that gets no more.
    ends: bool,
    stats: BudgetStats,
}

/// A step is asked for when all but this part of a step is used.
const AHEAD: u64 = 8;
/// How long to wait after a denial.
const PAUSE: Duration = Duration::from_millis(500);

// === impl TopUp ===

impl TopUp {
    /// For a stream whose output is limited and of which not all has been set aside.
    pub(crate) fn of<St, E>(permit: &Permit, shared: &Shared<St, E>) -> Option<Self> {
        let plan = &permit.pledge.plan;
        let policy = plan.output_policy();
        let is_limited = [Meter::OutputTokens, Meter::Tokens, Meter::Usd]
            .into_iter()
            .any(|meter| plan.counts(meter));
        let has_all = permit.pledge.amounts().output_tokens >= permit.call.max_tokens();
        if policy == ReserveOutput::Strict || !is_limited || !permit.call.is_stream() || has_all {
            return None;
        }
        Some(Self {
            step: shared.top_up.get(),
            asking: None,
            asks_account: false,
            not_before: None,
            ends: policy == ReserveOutput::Balanced,
            stats: shared.stats.clone(),
        })
    }

    /// Asks for more if the stream needs it; the event that ends the stream if it has to end.
    pub(crate) fn poll(&mut self, permit: &mut Permit, cx: &mut Context<'_>) -> Option<Bytes> {
        self.poll_answer(permit, cx);
        let seen = permit.output_seen();
        let held = permit.pledge.amounts().output_tokens;
        let most = permit.call.max_tokens();
        if self.asking.is_none()
            && held < most
            // A little ahead, as the answer takes a while.
            && seen.saturating_add(self.step / AHEAD) > held
            && self.not_before.is_none_or(|at| Instant::now() >= at)
        {
            let total = total(
                &permit.call,
                permit.pledge.total(),
                held.max(seen) + self.step,
            );
            let asked = permit.books.extend(permit.pledge.ask(total));
            self.asking = Some((Mutex::new(asked), total));
            self.poll_answer(permit, cx);
        }
        let held = permit.pledge.amounts().output_tokens;
        if !self.ends || held >= most || seen <= held.saturating_add(self.step) {
            return None;
        }
        self.stats.count_stopped();
        let message = "the budget is exhausted: no more output can be set aside for this call";
        let refusal = Refusal::new(RefusalKind::RateLimited, message);
        Some(refusal.to_event(permit.request_id()))
    }

    fn poll_answer(&mut self, permit: &mut Permit, cx: &mut Context<'_>) {
        while let Some((asking, total)) = &mut self.asking {
            let asking = asking.get_mut().unwrap_or_else(PoisonError::into_inner);
            let Poll::Ready(answer) = asking.as_mut().poll(cx) else {
                return;
            };
            let total = *total;
            self.asking = None;
            if matches!(answer, Ok(Reserved::Denied { .. } | Reserved::Never { .. })) {
                self.asks_account = false;
                self.not_before = Some(Instant::now() + PAUSE);
                return;
            }
            // A store that is away does not end what it has begun.
            if !self.asks_account
                && answer.is_ok()
                && let Some(reservation) = permit.pledge.ask_account(total)
            {
                self.asks_account = true;
                let asked = permit.books.extend(reservation);
                self.asking = Some((Mutex::new(asked), total));
                continue;
            }
            self.asks_account = false;
            permit.pledge.raise(total);
        }
    }
}

impl fmt::Debug for TopUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopUp")
            .field("step", &self.step)
            .field("is_asking", &self.asking.is_some())
            .finish_non_exhaustive()
    }
}

/// All that is to be set aside for so much output.
fn total(call: &Chargeable, held: Amounts, output: u64) -> Amounts {
    let mut total = held;
    total.output_tokens = output;
    if let Some(money) = &call.money {
        let most = money.most(None, held.input_tokens, output);
        total.nano_dollars = held.nano_dollars.max(most.unwrap_or(0));
    }
    total
}
