use crate::Estimated;

/// What a call really was, next to what it was estimated to be.
///
/// Only of calls whose answer came to its end and reported its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// What [`Estimate::estimate`](crate::Estimate::estimate) said.
    pub estimated: Estimated,
    /// The whole input: uncached, written to the cache, and read from it.
    pub input_tokens: u64,
}

// === impl Observed ===

impl Observed {
    /// A call that was so many tokens of input.
    #[must_use]
    pub const fn new(estimated: Estimated, input_tokens: u64) -> Self {
        Self {
            estimated,
            input_tokens,
        }
    }
}
