use tower_claude_core::Usage;

use crate::cost::Cost;
use crate::rates::Rates;
use crate::unpriced::Unpriced;

/// Tokens by the class they are billed as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    input: u64,
    output: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    cache_read: u64,
}

// === impl Tokens ===

impl Tokens {
    /// Reads the tokens of a usage, or of one iteration.
    pub(crate) fn read(usage: &Usage) -> Result<Self, Unpriced> {
        let (Some(input), Some(output)) = (usage.input_tokens, usage.output_tokens) else {
            return Err(Unpriced::UsageMissing);
        };
        let written = usage.cache_creation_input_tokens.unwrap_or(0);
        let cache_write_5m = usage.cache_creation_5m_input_tokens.unwrap_or(0);
        let cache_write_1h = usage.cache_creation_1h_input_tokens.unwrap_or(0);
        Ok(Self {
            input,
            output,
            // In a stream the sum keeps growing after the split was reported.
            cache_write_5m: cache_write_5m.max(written.saturating_sub(cache_write_1h)),
            cache_write_1h,
            cache_read: usage.cache_read_input_tokens.unwrap_or(0),
        })
    }

    /// The whole prompt.
    pub(crate) const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_read)
    }

    pub(crate) fn cost(&self, rates: &Rates) -> Cost {
        [
            rates.input.of(self.input),
            rates.output.of(self.output),
            rates.cache_write_5m.of(self.cache_write_5m),
            rates.cache_write_1h.of(self.cache_write_1h),
            rates.cache_read.of(self.cache_read),
        ]
        .iter()
        .sum()
    }
}
