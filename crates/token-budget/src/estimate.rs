use std::sync::Arc;

use tower_claude_core::Call;

use crate::Observed;
use crate::tokenizer::Tokenizer;

/// Says how much input a call will be, before upstream does.
///
/// Synchronous and short: it runs on the way of every call.
///
/// ```
/// use tower_claude_core::Call;
/// use tower_claude_token_budget::{Estimate, Estimated};
///
/// /// A token for every three bytes of the messages, and no images.
/// struct TextOnly;
///
/// impl Estimate for TextOnly {
///     fn estimate(&self, call: &Call) -> Estimated {
///         Estimated::new(call.sizes().message_bytes / 3)
///     }
/// }
///
/// // A closure does as well.
/// fn is_estimate(_: impl Estimate) {}
/// is_estimate(|call: &Call| Estimated::new(call.sizes().message_bytes / 3));
/// ```
pub trait Estimate {
    /// Estimates a call.
    fn estimate(&self, call: &Call) -> Estimated;

    /// Takes note of what an estimated call really was, to estimate the next ones better.
    ///
    /// By default nothing is learned.
    fn observe(&self, observed: &Observed) {
        let _ = observed;
    }
}

/// What a call is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimated {
    /// Input, cached or not; at least 1. So much is set aside.
    pub input_tokens: u64,
    /// What it was before it was corrected by what has been observed.
    pub raw_tokens: u64,
    /// By which observations it was corrected, in the estimate's own terms; 0 if by none.
    pub key: u64,
}

// === impl Estimate ===

impl<F> Estimate for F
where
    F: Fn(&Call) -> Estimated,
{
    fn estimate(&self, call: &Call) -> Estimated {
        self(call)
    }
}

impl<T> Estimate for Arc<T>
where
    T: Estimate + ?Sized,
{
    fn estimate(&self, call: &Call) -> Estimated {
        T::estimate(self, call)
    }

    fn observe(&self, observed: &Observed) {
        T::observe(self, observed);
    }
}

impl Estimate for () {
    /// The same as a [`DefaultEstimate`](crate::DefaultEstimate) that never learns.
    fn estimate(&self, call: &Call) -> Estimated {
        Tokenizer::of(call.model().unwrap_or_default())
            .count(&call.sizes())
            .estimated()
    }
}

// === impl Estimated ===

impl Estimated {
    /// So many tokens of input; no call has less than one.
    #[must_use]
    pub const fn new(input_tokens: u64) -> Self {
        let input_tokens = if input_tokens == 0 { 1 } else { input_tokens };
        Self {
            input_tokens,
            raw_tokens: input_tokens,
            key: 0,
        }
    }

    /// Notes what it was before it was corrected, and by which observations.
    #[must_use]
    pub const fn corrected(mut self, key: u64, raw_tokens: u64) -> Self {
        self.key = key;
        self.raw_tokens = raw_tokens;
        self
    }
}
