use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::{Call, Failure, Target};

/// Decides whether a failed attempt is worth repeating at the same place.
///
/// It is pure and synchronous: sleeping, counting, the quota and the copy of the request are
/// the layer's. A closure is one, and so is an [`Arc`] of one.
///
/// ```
/// use std::time::Duration;
/// use tower_claude_core::{Failure, FailureKind};
/// use tower_claude_retry::{AttemptContext, Classify, DefaultClassify, Verdict};
///
/// /// Leaves a rate limit to whoever is outside; for the rest, the default.
/// struct LeaveRateLimits(DefaultClassify);
///
/// impl Classify for LeaveRateLimits {
///     fn classify(&self, attempt: &AttemptContext<'_>, failure: &Failure) -> Verdict {
///         match failure.kind {
///             FailureKind::RateLimited => Verdict::Return,
///             _ => self.0.classify(attempt, failure),
///         }
///     }
/// }
/// ```
pub trait Classify {
    /// Judges one failed attempt.
    ///
    /// Asked only where another attempt is possible: the request can be sent again and there
    /// are attempts left.
    fn classify(&self, attempt: &AttemptContext<'_>, failure: &Failure) -> Verdict;
}

/// What is known of a failed attempt besides its failure.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptContext<'a> {
    /// The call it belongs to, with the log of all attempts.
    pub call: &'a Call,
    /// Where it went, if a target was named.
    pub target: Option<&'a Target>,
    /// How often this layer has asked in a row, this attempt included.
    pub tries: u32,
    /// How long ago the first attempt of the call began, at whatever target.
    pub elapsed: Duration,
}

/// What becomes of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is the answer.
    Return,
    /// The same place is asked again, if the layer's limits allow it.
    Retry {
        /// How long upstream says to wait. Never shortened: where it is longer than
        /// `max_delay` or the time left, the answer is returned at once.
        wait: Option<Duration>,
    },
}

/// Repeats what may pass a little later, where nothing can have been billed.
///
/// | failure | repeated |
/// |---|---|
/// | 408, 409, 429, 503, 529 | yes |
/// | nothing was sent: refused, unresolved, reset before sending | yes |
/// | an `error` event before content, of a passing kind | yes |
/// | 500 and other 5xx, 504, no reply, a stream cut before content | only if told to |
/// | the monthly spend cap, the owner's spend limit | no |
/// | other 4xx, redirects | no |
///
/// An answer that says `x-should-retry: true` is repeated whatever it is, one that says
/// `false` never. A 429 of a platform that names no reset is repeated after our own backoff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultClassify {
    possibly_billed: bool,
}

// === impl AttemptContext ===

impl<'a> AttemptContext<'a> {
    /// The first attempt of a call, no time ago: to test a [`Classify`] with.
    #[must_use]
    pub const fn new(call: &'a Call) -> Self {
        Self {
            call,
            target: None,
            tries: 1,
            elapsed: Duration::ZERO,
        }
    }
}

// === impl DefaultClassify ===

impl DefaultClassify {
    /// Repeats nothing that may have been billed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            possibly_billed: false,
        }
    }

    /// Also repeats what may have been billed, so that one call may cost twice.
    #[must_use]
    pub const fn possibly_billed(mut self, repeat: bool) -> Self {
        self.possibly_billed = repeat;
        self
    }
}

impl Classify for DefaultClassify {
    fn classify(&self, _: &AttemptContext<'_>, failure: &Failure) -> Verdict {
        let is_worth_it = failure.should_retry.unwrap_or_else(|| {
            failure.kind.is_passing() && (self.possibly_billed || !failure.possibly_billed())
        });
        if is_worth_it {
            Verdict::Retry { wait: failure.wait }
        } else {
            Verdict::Return
        }
    }
}

// === impl Classify ===

impl<F> Classify for F
where
    F: Fn(&AttemptContext<'_>, &Failure) -> Verdict,
{
    fn classify(&self, attempt: &AttemptContext<'_>, failure: &Failure) -> Verdict {
        self(attempt, failure)
    }
}

impl<T> Classify for Arc<T>
where
    T: Classify + ?Sized,
{
    fn classify(&self, attempt: &AttemptContext<'_>, failure: &Failure) -> Verdict {
        (**self).classify(attempt, failure)
    }
}
