use std::time::Instant;

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request};
use tower_claude_core::{
    Attempt, AttemptLog, Call, CallBody, FailureKind, Replay, Target, UsageCell,
};

/// What it takes to ask once more, and what the log of attempts has to say of it.
///
/// Dropped while the further attempt runs, it leaves that open in the log.
#[derive(Debug)]
pub(crate) struct Plan {
    call: Call,
    replay: Replay,
    limit: usize,
    /// When the first attempt began.
    started: Instant,
    further: Option<Further>,
}

/// The further attempt.
#[derive(Debug)]
struct Further {
    /// Why it is made.
    reason: FailureKind,
    started: Instant,
    /// How many attempts there were before it; the last of them is gone on with.
    before: usize,
    /// Whether the inner service is at work.
    is_running: bool,
}

// === impl Plan ===

impl Plan {
    pub(crate) fn new(request: &Request<CallBody>, call: &Call, limit: usize) -> Option<Self> {
        Some(Self {
            call: call.clone(),
            replay: Replay::new(request)?,
            limit,
            started: now(),
            further: None,
        })
    }

    /// The longest text to go on with, in bytes.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// The request once more, with the text so far; `None` if it cannot be asked so.
    pub(crate) fn request(&self, text: &str) -> Option<Request<CallBody>> {
        let body = self.call.body_with_prefill(text)?;
        let length = HeaderValue::from(body.len());
        let mut request = self.replay.request()?.map(|_| CallBody::full(body));
        if let Some(announced) = request.headers_mut().get_mut(CONTENT_LENGTH) {
            *announced = length;
        }
        Some(request)
    }

    /// The first attempt has broken off so; this is what was read of its answer.
    pub(crate) fn lose(&mut self, usage: &UsageCell, reason: FailureKind) {
        if self.log().is_empty() {
            let mut attempt = Attempt::new(self.target(), self.started, None);
            attempt.status = Some(200);
            attempt.usage = Some(usage.clone());
            attempt.is_final = true;
            self.log().begin(attempt);
        }
        self.further = Some(Further {
            reason,
            started: now(),
            before: self.log().len(),
            is_running: false,
        });
    }

    /// The inner service is asked once more.
    pub(crate) const fn begin(&mut self) {
        if let Some(further) = &mut self.further {
            further.is_running = true;
        }
    }

    /// The further attempt is over as far as this goes, and nobody inside may have written so.
    pub(crate) fn end(&mut self, change: impl FnOnce(&mut Attempt)) {
        if let Some(further) = &mut self.further {
            further.is_running = false;
            let (reason, started, before) = (further.reason, further.started, further.before);
            if self.log().len() == before {
                let mut attempt = Attempt::new(self.target(), started, Some(reason));
                change(&mut attempt);
                self.log().begin(attempt);
            }
        }
        self.keep_first();
    }

    /// As long as the further attempt is not taken, the answer is the first's, whatever whoever
    /// writes inside makes of it; and only here it is known why it is made.
    pub(crate) fn keep_first(&self) {
        let Some(further) = &self.further else {
            return;
        };
        let log = self.log();
        log.update(further.before, |attempt| {
            attempt.reason.get_or_insert(further.reason);
        });
        for number in further.before..log.len() {
            log.update(number, |attempt| attempt.is_final = false);
        }
        let first = further.before.saturating_sub(1);
        log.update(first, |attempt| attempt.is_final = true);
    }

    /// The rest of the answer is the further attempt's.
    pub(crate) fn take_further(&self) {
        if let Some(further) = &self.further {
            let log = self.log();
            let first = further.before.saturating_sub(1);
            let last = log.len().saturating_sub(1);
            log.update(first, |attempt| attempt.is_final = false);
            log.update(last, |attempt| attempt.is_final = true);
        }
    }

    fn log(&self) -> &AttemptLog {
        self.call.attempts()
    }

    fn target(&self) -> Option<Target> {
        self.replay.target().cloned()
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        if self
            .further
            .as_ref()
            .is_some_and(|further| further.is_running)
        {
            self.end(|_| {});
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
