use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tower_claude_core::{Attempt, Call, Endpoint, FailureKind, Target, UsageCell};

use crate::permit::Permit;

/// One target being asked: its permit, and what the log of attempts has to say of it.
///
/// Dropped before it is told what came of it, it writes an attempt without an answer, and its
/// permit judges nothing.
#[derive(Debug)]
pub(crate) struct Trial {
    call: Call,
    permit: Option<Permit>,
    reason: Option<FailureKind>,
    /// The status of the answer, while its beginning is looked into.
    status: Option<u16>,
    /// How many attempts were in the log when this began.
    before: usize,
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome<'a> {
    pub(crate) failure: Option<FailureKind>,
    pub(crate) usage: Option<&'a UsageCell>,
    /// Whether the caller gets this answer.
    pub(crate) is_final: bool,
}

// === impl Trial ===

impl Trial {
    /// A target is about to be asked.
    pub(crate) fn begin(call: Call, mut permit: Permit, reason: Option<FailureKind>) -> Self {
        if call.endpoint() == Endpoint::Messages {
            permit.start();
        }
        Self {
            before: call.attempts().len(),
            call,
            permit: Some(permit),
            reason,
            status: None,
        }
    }

    /// Notes that an answer has begun.
    pub(crate) fn heard(mut self, status: StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self
    }

    /// Notes what the head of the answer says of the account.
    pub(crate) fn learn(&mut self, headers: &HeaderMap) {
        if let Some(permit) = &mut self.permit {
            permit.learn(headers);
        }
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        let since = |permit: &Permit| permit.since().elapsed();
        self.permit.as_ref().map(since).unwrap_or_default()
    }

    pub(crate) const fn call(&self) -> &Call {
        &self.call
    }

    pub(crate) fn target(&self) -> Option<&Target> {
        self.permit.as_ref().map(Permit::target)
    }

    /// Writes down what came of it, and gives the permit on.
    pub(crate) fn end(&mut self, outcome: Outcome<'_>) -> Option<Permit> {
        let permit = self.permit.take()?;
        self.write(&permit, outcome);
        Some(permit)
    }

    fn write(&self, permit: &Permit, outcome: Outcome<'_>) {
        let (log, target) = (self.call.attempts(), permit.target());
        let mut is_written = false;
        log.revise(|number, attempt| {
            // The last that somebody inside wrote of this trial: another one may be going on at
            // another target, or with another model.
            let is_here = || {
                attempt
                    .target
                    .as_ref()
                    .is_some_and(|at| is_same(at, target))
            };
            if !is_written && number >= self.before && is_here() {
                is_written = true;
                attempt.is_final = outcome.is_final;
                attempt.reason = attempt.reason.or(self.reason);
            } else if outcome.is_final {
                // Only here it is known whether the caller gets it, and then nothing else.
                attempt.is_final = false;
            }
        });
        if !is_written {
            let started = permit.since().into_std();
            let mut attempt = Attempt::new(Some(target.clone()), started, self.reason);
            attempt.status = self.status;
            attempt.failure = outcome.failure;
            attempt.usage = outcome.usage.cloned();
            attempt.is_final = outcome.is_final;
            log.begin(attempt);
        }
    }
}

fn is_same(one: &Target, other: &Target) -> bool {
    one.name() == other.name() && one.fallback_model() == other.fallback_model()
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.write(&permit, Outcome::default());
        }
    }
}
