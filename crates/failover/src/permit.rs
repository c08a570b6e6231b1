use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use tokio::time::Instant;
use tower_claude_core::{Failure, Target, Usage};

use crate::ModelClass;
use crate::allowance::Outgoing;
use crate::circuit::Pass;
use crate::ladder::Step;
use crate::pool::Pool;
use crate::slot::Slot;

/// The right to one attempt at a target, and the duty to say what came of it.
///
/// Dropped without a word, it gives back what it reserved and judges nothing.
pub(crate) struct Permit {
    pool: Arc<Pool>,
    slot: usize,
    class: ModelClass,
    /// Which model is asked instead of the caller's.
    step: Option<Step>,
    /// When the attempt began.
    since: Instant,
    /// `None` once it has been used up.
    pass: Option<Pass>,
    /// `None` if the limits of messages do not count it, and once it has ended.
    outgoing: Option<Outgoing>,
}

// === impl Permit ===

impl Permit {
    pub(crate) const fn new(
        pool: Arc<Pool>,
        slot: usize,
        (class, step): (ModelClass, Option<Step>),
        (pass, since): (Pass, Instant),
    ) -> Self {
        Self {
            pool,
            slot,
            class,
            step,
            since,
            pass: Some(pass),
            outgoing: None,
        }
    }

    /// A call about a message goes out with it.
    pub(crate) fn start(&mut self) {
        self.outgoing = Some(self.slot().account().start(self.class, self.since));
    }

    /// The head of an answer has come.
    pub(crate) fn learn(&mut self, headers: &HeaderMap) {
        if let Some(mut outgoing) = self.outgoing.take() {
            let account = self.slot().account();
            account.learn(self.class, &mut outgoing, headers);
            self.outgoing = Some(outgoing);
        }
    }

    /// The answer took so much, as the limits count it.
    pub(crate) fn took(&mut self, usage: &Usage) {
        if let Some(outgoing) = self.outgoing.take() {
            let input = usage
                .input_tokens
                .map(|input| input.saturating_add(usage.cache_creation_tokens()));
            let account = self.slot().account();
            account.end(self.class, outgoing, (input, usage.output_tokens));
        }
    }

    /// Says that the attempt begins only now.
    pub(crate) const fn begun(mut self, now: Instant) -> Self {
        self.since = now;
        self
    }

    /// When the attempt began.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn target(&self) -> &Target {
        self.pool.target(self.slot, self.step)
    }

    pub(crate) fn succeed(mut self) {
        if let Some(pass) = self.pass.take() {
            self.slot().succeed(self.class, pass, &self.pool.breaker);
        }
    }

    pub(crate) fn fail(mut self, failure: &Failure) {
        if let Some(pass) = self.pass.take() {
            self.slot()
                .fail(self.class, pass, failure, &self.pool.breaker);
        }
    }

    fn slot(&self) -> &Slot {
        &self.pool.slots[self.slot]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(outgoing) = self.outgoing.take() {
            let account = self.slot().account();
            account.end(self.class, outgoing, (None, None));
        }
        if let Some(pass @ Pass::Probe(_)) = self.pass {
            self.slot().release(self.class, pass);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("target", self.target())
            .field("class", &self.class)
            .field("pass", &self.pass)
            .finish()
    }
}
