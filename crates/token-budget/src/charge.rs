//! What a call is charged, whatever has ended it.

use std::sync::Arc;

use tower_claude_core::{
    Attempt, AttemptLog, Call, End, Endpoint, FailureKind, Metered, UsageCell,
};

use crate::Amounts;

/// What of a call decides on its charge.
///
/// Not the call itself: it would keep the request in memory until the answer ends.
#[derive(Debug)]
pub(crate) struct Chargeable {
    endpoint: Endpoint,
    is_stream: bool,
    attempts: Arc<AttemptLog>,
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
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            endpoint: call.endpoint(),
            is_stream: call.is_stream(),
            attempts: Arc::clone(call.attempts()),
        }
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
        // An answer that got here is the last attempt's, and is counted below.
        let is_answered = matches!(self, Self::Unbilled | Self::Answered(_));
        let earlier = attempts.len().saturating_sub(usize::from(is_answered));
        let failed = match self {
            Self::Failed(kind) => Some(kind),
            _ => None,
        };
        let mut index = 0;
        attempts.for_each(|attempt| {
            if index < earlier && !(is_answered && attempt.is_final) {
                let failure = attempt.failure.or(failed);
                charged = charged.plus(billed(attempt, failure, held));
            }
            index += 1;
        });
        let last = match self {
            Self::Answered(cell) => cell.read(|metered| answered(metered, call, held)),
            // Nobody wrote the attempt down: there was one.
            Self::Dropped if index == 0 => input(held),
            Self::Failed(kind) if index == 0 && is_billed_unanswered(kind) => input(held),
            _ => Amounts::default(),
        };
        charged = charged.plus(last);
        charged.requests = self.counts(call, held);
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
fn billed(attempt: &Attempt, failure: Option<FailureKind>, held: &Amounts) -> Amounts {
    let known = attempt.usage.as_ref().and_then(|cell| {
        cell.read(|metered| {
            if is_unbilled(metered) {
                Some(Amounts::default())
            } else if metered.usage.is_known() {
                Some(seen(metered, held))
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
        (_, None) => input(held),
    }
}

/// Whether the input may be billed although upstream has said nothing about it. An error
/// status says it is not.
const fn is_billed_unanswered(kind: FailureKind) -> bool {
    kind.possibly_billed() && !matches!(kind, FailureKind::ServerError)
}

/// What the answer took that the caller gets.
fn answered(metered: &Metered, call: &Chargeable, held: &Amounts) -> Amounts {
    if is_unbilled(metered) {
        return Amounts::default();
    }
    if metered.is_exact() {
        return Amounts::new(0, input_of(metered).unwrap_or(0), output_of(metered));
    }
    let says_nothing = !metered.usage.is_known() && metered.deltas == 0;
    if says_nothing && (metered.end == Some(End::Complete) || !call.is_stream) {
        // It was made in full, and nobody knows what it took.
        return Amounts::new(0, held.input_tokens, held.output_tokens);
    }
    seen(metered, held)
}

/// What an answer took that broke off.
fn seen(metered: &Metered, held: &Amounts) -> Amounts {
    let input = input_of(metered).unwrap_or(held.input_tokens);
    Amounts::new(0, input, output_of(metered).max(metered.output_seen()))
}

/// An error in band before content is not billed.
fn is_unbilled(metered: &Metered) -> bool {
    metered.end == Some(End::Errored) && !metered.has_content
}

/// Cache reads are free.
fn input_of(metered: &Metered) -> Option<u64> {
    let usage = &metered.usage;
    let uncached = usage.input_tokens?;
    Some(uncached.saturating_add(usage.cache_creation_tokens()))
}

fn output_of(metered: &Metered) -> u64 {
    metered.usage.output_tokens.unwrap_or(0)
}

const fn input(held: &Amounts) -> Amounts {
    Amounts::new(0, held.input_tokens, 0)
}
