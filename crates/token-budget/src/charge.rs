//! What a call is charged, whatever has ended it.

use std::sync::Arc;

use tower_claude_core::{
    Attempt, AttemptLog, Call, End, Endpoint, FailureKind, Metered, RequestId, Target, UsageCell,
};

use crate::money::Money;
use crate::{Amounts, Plan};

/// What of a call decides on its charge.
///
/// Not the call itself: it would keep the request in memory until the answer ends.
#[derive(Debug)]
pub(crate) struct Chargeable {
    id: RequestId,
    endpoint: Endpoint,
    is_stream: bool,
    /// There is never more output than that.
    max_tokens: u64,
    attempts: Arc<AttemptLog>,
    /// How much of a cache read counts as input.
    cache_read_percent: u8,
    /// Where money is limited.
    pub(crate) money: Option<Money>,
}

/// How a call ended, as far as this layer sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'a> {
    /// It never reached the inner service.
    NotAsked,
    /// Nobody waited for the answer of the inner service.
    Dropped,
    /// The inner service failed.
    Failed(FailureKind),
    /// A layer of ours inside refused it.
    Refused,
    /// Upstream answered with an error, or what is free.
    Unbilled,
    /// Upstream answered with a message.
    Answered(&'a UsageCell),
}

// === impl Chargeable ===

impl Chargeable {
    pub(crate) fn of(call: &Call, plan: &Plan, money: Option<Money>) -> Self {
        let model = call.model().unwrap_or_default();
        Self {
            id: call.id(),
            endpoint: call.endpoint(),
            is_stream: call.is_stream(),
            max_tokens: call.max_tokens().unwrap_or(0),
            attempts: Arc::clone(call.attempts()),
            cache_read_percent: plan.cache_read_percent(model),
            money,
        }
    }

    pub(crate) const fn request_id(&self) -> RequestId {
        self.id
    }

    pub(crate) const fn is_stream(&self) -> bool {
        self.is_stream
    }

    pub(crate) const fn max_tokens(&self) -> u64 {
        self.max_tokens
    }

    /// Of which attempt the answer is that got here: the one that says so, or else the last.
    fn answered_by(&self) -> (Option<usize>, Option<Target>) {
        let (mut number, mut found, mut is_sure) = (0, (None, None), false);
        self.attempts.for_each(|attempt| {
            if attempt.is_final || !is_sure {
                found = (Some(number), attempt.target.clone());
                is_sure = attempt.is_final;
            }
            number += 1;
        });
        found
    }

    /// So many tokens, at what the answer says they cost, or else at most.
    fn tokens(
        &self,
        metered: Option<&Metered>,
        target: Option<&Target>,
        input: u64,
        output: u64,
    ) -> Amounts {
        let mut amounts = Amounts::new(0, input, output);
        if let Some(money) = &self.money {
            let known = metered.and_then(|metered| money.of(metered, target));
            let cost = known.or_else(|| money.most(target, input, output).ok());
            amounts.nano_dollars = cost.unwrap_or(0);
        }
        amounts
    }

    /// The input of an answer that has reported it.
    fn input_of(&self, metered: &Metered) -> Option<u64> {
        let usage = &metered.usage;
        let written = usage
            .input_tokens?
            .saturating_add(usage.cache_creation_tokens());
        let read = usage.cache_read_input_tokens.unwrap_or(0);
        let read = read.saturating_mul(self.cache_read_percent.into()) / 100;
        Some(written.saturating_add(read))
    }

    /// Whether it is billed by tokens.
    pub(crate) fn is_messages(&self) -> bool {
        self.endpoint == Endpoint::Messages
    }

    /// Whether nobody inside has written down what was asked.
    pub(crate) fn is_unlogged(&self) -> bool {
        self.attempts.is_empty()
    }
}

// === impl Outcome ===

impl Outcome<'_> {
    /// What the call took, `held` being what was set aside for it.
    pub(crate) fn charge(self, call: &Chargeable, held: &Amounts) -> Amounts {
        let attempts = &call.attempts;
        let mut charged = Amounts::default();
        if matches!(self, Self::NotAsked) || !call.is_messages() {
            return Amounts::new(self.counts(call, held), 0, 0);
        }
        // An answer that got here is counted below.
        let (answered_by, target) = match self {
            Self::Unbilled | Self::Answered(_) => call.answered_by(),
            _ => (None, None),
        };
        let failed = match self {
            Self::Failed(kind) => Some(kind),
            _ => None,
        };
        let mut index = 0;
        attempts.for_each(|attempt| {
            if answered_by != Some(index) {
                let failure = attempt.failure.or(failed);
                charged = charged.plus(billed(attempt, failure, call, held));
            }
            index += 1;
        });
        let last = match self {
            Self::Answered(cell) => {
                cell.read(|metered| answered(metered, target.as_ref(), call, held))
            }
            // Nobody wrote the attempt down: there was one.
            Self::Dropped if index == 0 => input(call, None, held),
            Self::Failed(kind) if index == 0 && is_billed_unanswered(kind) => {
                input(call, None, held)
            }
            _ => Amounts::default(),
        };
        charged = charged.plus(last);
        charged.requests = self.counts(call, held);
        charged.running = 0;
        charged
    }

    /// Whether it counts as a request: not if upstream cannot have seen it.
    fn counts(self, call: &Chargeable, held: &Amounts) -> u64 {
        let has_arrived = || {
            let mut any = false;
            call.attempts
                .for_each(|attempt| any |= attempt.failure != Some(FailureKind::NotSent));
            any
        };
        let counts = match self {
            Self::NotAsked => false,
            Self::Dropped | Self::Unbilled | Self::Answered(_) => true,
            Self::Failed(kind) => kind != FailureKind::NotSent || has_arrived(),
            Self::Refused => has_arrived(),
        };
        if counts { held.requests } else { 0 }
    }
}

/// What an attempt took whose answer is not the caller's.
fn billed(
    attempt: &Attempt,
    failure: Option<FailureKind>,
    call: &Chargeable,
    held: &Amounts,
) -> Amounts {
    let target = attempt.target.as_ref();
    let known = attempt.usage.as_ref().and_then(|cell| {
        cell.read(|metered| {
            if is_unbilled(metered) {
                Some(Amounts::default())
            } else if metered.usage.is_known() {
                Some(seen(metered, target, call, held))
            } else {
                None
            }
        })
    });
    match (failure, known) {
        (Some(kind), _) if !kind.possibly_billed() => Amounts::default(),
        (_, Some(known)) => known,
        (Some(kind), None) if !is_billed_unanswered(kind) => Amounts::default(),
        // It failed without an answer, or is still under way.
        (_, None) => input(call, target, held),
    }
}

/// Whether the input may be billed although upstream has said nothing about it. An error
/// status says it is not.
const fn is_billed_unanswered(kind: FailureKind) -> bool {
    kind.possibly_billed() && !matches!(kind, FailureKind::ServerError)
}

/// What the answer took that the caller gets.
fn answered(
    metered: &Metered,
    target: Option<&Target>,
    call: &Chargeable,
    held: &Amounts,
) -> Amounts {
    if is_unbilled(metered) {
        return Amounts::default();
    }
    if metered.is_exact() {
        let input = call.input_of(metered).unwrap_or(0);
        return call.tokens(Some(metered), target, input, output_of(metered));
    }
    let says_nothing = !metered.usage.is_known() && metered.deltas == 0;
    if says_nothing && (metered.end == Some(End::Complete) || !call.is_stream) {
        // It was made in full, and nobody knows what it took.
        return Amounts {
            nano_dollars: held.nano_dollars,
            ..Amounts::new(0, held.input_tokens, held.output_tokens)
        };
    }
    seen(metered, target, call, held)
}

/// What an answer took that broke off.
fn seen(metered: &Metered, target: Option<&Target>, call: &Chargeable, held: &Amounts) -> Amounts {
    let input = call.input_of(metered).unwrap_or(held.input_tokens);
    let output = output_of(metered).max(metered.output_seen());
    call.tokens(Some(metered), target, input, output)
}

/// An error in band before content is not billed.
fn is_unbilled(metered: &Metered) -> bool {
    metered.end == Some(End::Errored) && !metered.has_content
}

fn output_of(metered: &Metered) -> u64 {
    metered.usage.output_tokens.unwrap_or(0)
}

fn input(call: &Chargeable, target: Option<&Target>, held: &Amounts) -> Amounts {
    call.tokens(None, target, held.input_tokens, 0)
}
