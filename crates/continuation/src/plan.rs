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
    /// How many attempts there were before it.
    before: usize,
    /// Which of them is gone on with.
    first: usize,
    /// Which of those since is the one whose answer it is, as far as whoever is inside has said.
    answered: Option<usize>,
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
    ///
    /// It is the one that says that its answer is the caller's; if none does, the last, as
    /// everybody has it who reads the log.
    pub(crate) fn lose(&mut self, usage: &UsageCell, reason: FailureKind) {
        if self.log().is_empty() {
            let mut attempt = Attempt::new(self.target(), self.started, None);
            attempt.status = Some(200);
            attempt.usage = Some(usage.clone());
            attempt.is_final = true;
            self.log().begin(attempt);
        }
        let before = self.log().len();
        let mut said = None;
        self.log().revise(|number, attempt| {
            if attempt.is_final {
                said.get_or_insert(number);
            }
        });
        self.further = Some(Further {
            reason,
            started: now(),
            before,
            first: said.unwrap_or_else(|| before.saturating_sub(1)),
            answered: None,
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
    pub(crate) fn keep_first(&mut self) {
        let Some(further) = &mut self.further else {
            return;
        };
        let mut said = None;
        self.call.attempts().revise(|number, attempt| {
            if number >= further.before && attempt.is_final {
                said.get_or_insert(number);
            }
            // Whoever asks another target meanwhile has a reason of its own to write.
            if number == further.before {
                attempt.reason.get_or_insert(further.reason);
            }
            attempt.is_final = number == further.first;
        });
        // What is taken back here is to be found again. Never by its place: of two targets that
        // are asked at a time, either may be the last in the log.
        further.answered = said.or(further.answered);
    }

    /// The rest of the answer is the further attempt's.
    pub(crate) fn take_further(&self) {
        if let Some(further) = &self.further {
            let log = self.log();
            let last = log.len().saturating_sub(1);
            let answered = further.answered.unwrap_or(last);
            log.revise(|number, attempt| {
                if number >= further.before {
                    attempt.reason.get_or_insert(further.reason);
                }
                attempt.is_final = number == answered;
            });
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
