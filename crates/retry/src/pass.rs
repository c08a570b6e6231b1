use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use tower_claude_core::{
    Attempt, Call, CallBody, Failure, FailureKind, Peeked, PeekedBody, Replay, Target, UsageCell,
};

use crate::layer::{Settings, Shared};
use crate::quota::Cost;
use crate::{AttemptContext, Classify, Verdict};

/// One call on its way through the layer: what has been tried and what may still be.
pub(crate) struct Pass {
    call: Call,
    replay: Option<Replay>,
    /// Attempts begun by this pass, and the number of the last in the log of the call.
    tries: u32,
    number: usize,
    /// When the first attempt of the call began, in this pass or before it.
    first: Option<Instant>,
    /// Whether the caller says that it has asked before.
    is_repeat: bool,
}

/// What an attempt has led to.
pub(crate) enum Next<R> {
    /// The answer.
    Return(R),
    /// Another attempt; rare enough for a box.
    Again(Box<Again>),
}

/// The next attempt: when, and what with.
pub(crate) struct Again {
    pub(crate) delay: Duration,
    pub(crate) request: Request<CallBody>,
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Which retry of the caller's own this is, as the official SDKs count them.
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");

// === impl Pass ===

impl Pass {
    pub(crate) fn new(request: &Request<CallBody>, call: Call, settings: &Settings) -> Self {
        let is_repeat = request
            .headers()
            .get(RETRY_COUNT)
            .is_some_and(|count| count.as_bytes() != b"0");
        // The log has entries already if this is not the first target.
        if is_repeat && call.attempts().is_empty() {
            settings.quota.charge(Cost::THROTTLE);
        }
        let may_repeat = settings.attempts.get() > 1 && !settings.quota.is_empty(now);
        Self {
            call,
            replay: may_repeat.then(|| Replay::new(request)).flatten(),
            tries: 0,
            number: 0,
            first: None,
            is_repeat,
        }
    }

    pub(crate) const fn call(&self) -> &Call {
        &self.call
    }

    /// Writes down that an attempt with this request begins now.
    pub(crate) fn begin(&mut self, request: &Request<CallBody>) {
        let log = self.call.attempts();
        let started = now().into_std();
        let target = request.extensions().get::<Target>().cloned();
        self.number = log.begin_after(|last| {
            let reason = last.and_then(|last| {
                // Whatever was to be the answer before, at another target, is not.
                last.is_final = false;
                last.failure
            });
            Attempt::new(target, started, reason)
        });
        self.tries = self.tries.saturating_add(1);
        if self.first.is_none() {
            let mut first = None;
            if self.number > 0 {
                log.for_each(|attempt| first = first.or(Some(attempt.started)));
            }
            self.first = Some(first.unwrap_or(started));
        }
    }

    /// Writes down how an attempt ended that was answered.
    fn answered<B>(&self, response: &Response<B>, failure: Option<FailureKind>, is_final: bool) {
        let usage = UsageCell::of(response).cloned();
        self.call.attempts().update(self.number, |attempt| {
            attempt.status = Some(response.status().as_u16());
            attempt.failure = failure;
            attempt.usage = usage;
            attempt.is_final = is_final;
        });
    }

    /// Writes down how an attempt ended that was not answered.
    pub(crate) fn unanswered(&self, failure: FailureKind) {
        let change = |attempt: &mut Attempt| attempt.failure = Some(failure);
        self.call.attempts().update(self.number, change);
    }

    /// What to do with an answer that came through the gate.
    pub(crate) fn opened<B, C>(
        &self,
        shared: &Shared<C>,
        peeked: Peeked<B>,
    ) -> Next<Response<PeekedBody<B>>>
    where
        B: Body,
        C: Classify,
    {
        let Peeked {
            mut response,
            failure,
            ..
        } = peeked;
        let Some(failure) = failure else {
            self.answered(&response, None, true);
            if self.number == 0 && !self.is_repeat {
                shared.settings.quota.deposit();
            }
            return Next::Return(response);
        };
        let again = self.again(shared, &failure);
        self.answered(&response, Some(failure.kind), again.is_none());
        match again {
            // The answer is dropped before the sleep: its connection is free for others.
            Some(again) => Next::Again(Box::new(again)),
            None => {
                if self.tries > 1 {
                    let no = HeaderValue::from_static("false");
                    response.headers_mut().insert(SHOULD_RETRY, no);
                }
                Next::Return(response)
            }
        }
    }

    /// What comes after a failure; `None` if it is the answer.
    pub(crate) fn again<C>(&self, shared: &Shared<C>, failure: &Failure) -> Option<Again>
    where
        C: Classify,
    {
        let settings = &shared.settings;
        let may_ask = self.tries < settings.attempts.get();
        let replay = self.replay.as_ref().filter(|_| may_ask)?;
        let elapsed = self.first.map_or(Duration::ZERO, |first| {
            now().into_std().saturating_duration_since(first)
        });
        let context = AttemptContext {
            target: replay.target(),
            tries: self.tries,
            elapsed,
            ..AttemptContext::new(&self.call)
        };
        let Verdict::Retry { wait } = shared.classify.classify(&context, failure) else {
            return None;
        };
        let wait = wait.unwrap_or_default();
        if wait > settings.max_delay {
            return None;
        }
        let delay = wait.max(settings.backoff(self.tries));
        if elapsed.saturating_add(delay) > settings.total_timeout {
            return None;
        }
        let request = replay.request()?;
        // Last, so that nothing is paid for what does not happen.
        if !settings.quota.withdraw(Cost::of(failure.kind), now()) {
            return None;
        }
        Some(Again { delay, request })
    }
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
