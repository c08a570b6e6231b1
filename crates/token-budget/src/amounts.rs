use crate::Meter;

/// What one call takes of every meter, expected or actual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amounts {
    /// Calls: 1, or 0 where the call does not count.
    pub requests: u64,
    /// Calls that run at the same time: 1 while it is set aside, never spent.
    pub running: u64,
    /// Input and cache creation, and cache reads where they count.
    pub input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
    /// Money, rounded up.
    pub nano_dollars: u64,
}

// === impl Amounts ===

impl Amounts {
    /// Amounts without money, of so many calls that run.
    #[must_use]
    pub const fn new(requests: u64, input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            requests,
            running: requests,
            input_tokens,
            output_tokens,
            nano_dollars: 0,
        }
    }

    /// The amount of one meter.
    #[must_use]
    pub const fn of(&self, meter: Meter) -> u64 {
        match meter {
            Meter::Requests => self.requests,
            Meter::Concurrency => self.running,
            Meter::InputTokens => self.input_tokens,
            Meter::OutputTokens => self.output_tokens,
            Meter::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            Meter::Usd => self.nano_dollars,
        }
    }

    /// Both together, meter by meter.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            running: self.running.saturating_add(other.running),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            nano_dollars: self.nano_dollars.saturating_add(other.nano_dollars),
        }
    }

    /// What is left of these after `other`, meter by meter; nothing is below 0.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            running: self.running.saturating_sub(other.running),
            input_tokens: self.input_tokens.saturating_sub(other.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(other.output_tokens),
            nano_dollars: self.nano_dollars.saturating_sub(other.nano_dollars),
        }
    }

    /// The larger of both, meter by meter.
    pub(crate) const fn max(self, other: Self) -> Self {
        self.plus(other.minus(self))
    }
}
