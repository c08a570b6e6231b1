use http::HeaderValue;

use crate::error::Kind;
use crate::{ConfigError, Limit};

/// A named set of limits that apply together.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    name: Box<str>,
    limits: Vec<Limit>,
    /// The amount of each limit as callers read it, so that no answer has to print it again.
    headers: Vec<HeaderValue>,
    output: ReserveOutput,
}

/// How much output is set aside for a call before it is known how much there will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReserveOutput {
    /// All that the caller allows, its `max_tokens`: never overruns, and lets few calls run
    /// side by side.
    Strict,
    /// What nearly all calls of this tenant to this model have needed lately, and no less
    /// than 256 tokens. A call that needs more leaves a debt.
    #[default]
    Balanced,
    /// What calls of this tenant to this model have needed on average lately.
    Optimistic,
}

// === impl Plan ===

impl Plan {
    /// The most limits one plan may have.
    pub const MOST_LIMITS: usize = 16;

    /// A plan without limits.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            limits: Vec::new(),
            headers: Vec::new(),
            output: ReserveOutput::default(),
        }
    }

    /// Adds a limit. Whether it fits to the others is checked when the plan joins
    /// [`Plans`](crate::Plans).
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self.headers.push(HeaderValue::from(limit.amount.get()));
        self
    }

    /// Says how much output is set aside for a call.
    pub fn reserve_output(mut self, policy: ReserveOutput) -> Self {
        self.output = policy;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its limits, in the order in which they were added.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// How much output is set aside for a call.
    #[must_use]
    pub const fn output_policy(&self) -> ReserveOutput {
        self.output
    }

    pub(crate) fn limit_header(&self, index: usize) -> Option<&HeaderValue> {
        self.headers.get(index)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        if self.limits.len() > Self::MOST_LIMITS {
            return Err(ConfigError::new(Kind::TooManyLimits(name())));
        }
        for (index, limit) in self.limits.iter().enumerate() {
            if let Some(what) = limit.unsupported() {
                return Err(ConfigError::new(Kind::Unsupported(name(), what)));
            }
            if self.limits[..index]
                .iter()
                .any(|other| limit.counts_like(other))
            {
                let limit = limit.to_string().into();
                return Err(ConfigError::new(Kind::Duplicate(name(), limit)));
            }
        }
        Ok(())
    }
}

// === impl ReserveOutput ===

impl ReserveOutput {
    /// The word for it in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Balanced => "balanced",
            Self::Optimistic => "optimistic",
        }
    }

    /// The policy of a word, as [`ReserveOutput::as_str`] writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Strict, Self::Balanced, Self::Optimistic]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}
