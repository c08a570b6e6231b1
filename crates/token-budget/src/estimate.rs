use std::sync::Arc;

use tower_claude_core::Call;

use crate::DefaultEstimate;

/// Says how much input a call will be, before upstream does.
///
/// Synchronous and pure: it runs on the way of every call.
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
}

/// What a call is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimated {
    /// Input, cached or not; at least 1.
    pub input_tokens: u64,
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
}

impl Estimate for () {
    /// The same as [`DefaultEstimate`].
    fn estimate(&self, call: &Call) -> Estimated {
        DefaultEstimate.estimate(call)
    }
}

// === impl Estimated ===

impl Estimated {
    /// So many tokens of input; no call has less than one.
    #[must_use]
    pub const fn new(input_tokens: u64) -> Self {
        Self {
            input_tokens: if input_tokens == 0 { 1 } else { input_tokens },
        }
    }
}
