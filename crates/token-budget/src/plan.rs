use std::sync::Arc;

use http::HeaderValue;
use tower_claude_core::ModelPattern;

use crate::error::Kind;
use crate::{ConfigError, Limit, LimitScope, Meter};

/// A named set of limits that apply together.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    name: Box<str>,
    limits: Vec<Limit>,
    /// The amount of each limit as callers read it, so that no answer has to print it again.
    headers: Vec<HeaderValue>,
    output: ReserveOutput,
    /// The limits of all tenants together, which are in other books.
    account: Option<Arc<Plan>>,
    cache_reads: Vec<(ModelPattern, u8)>,
}

/// How much output is set aside for a call before it is known how much there will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReserveOutput {
    /// All that the caller allows, its `max_tokens`: never overruns, and lets few calls run
    /// side by side.
    Strict,
    /// What nearly all calls of this tenant to this model have needed lately, and no less
    /// than 256 tokens. While a stream goes on, what it needs more is set aside in steps; a
    /// stream that gets no further step is ended with an error event one step later. A plain
    /// answer cannot be watched: all that it may have but one step is set aside, as far as the
    /// limits allow. So a call overruns by one step at most, as far as the output can be told
    /// from what is seen of it.
    #[default]
    Balanced,
    /// What calls of this tenant to this model have needed on average lately. More is set
    /// aside in steps while a stream goes on, but no call is ended for want of it: it leaves
    /// a debt.
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
            account: None,
            cache_reads: Vec::new(),
        }
    }

    /// Adds a limit. Whether it fits to the others is checked when the plan joins
    /// [`Plans`](crate::Plans).
    pub fn limit(mut self, limit: Limit) -> Self {
        let plan = match limit.scope {
            LimitScope::Account => {
                let account = self.account.get_or_insert_with(|| {
                    let plan = Self::new(self.name.clone());
                    Arc::new(plan)
                });
                Arc::make_mut(account)
            }
            _ => &mut self,
        };
        plan.limits.push(limit);
        plan.headers.push(HeaderValue::from(limit.amount.get()));
        self
    }

    /// Counts cache reads of some models as input, by so many percent.
    ///
    /// Upstream counts none of them against its own limits, but for a few old models. The
    /// first pattern that fits is the one that holds.
    pub fn cache_reads(mut self, models: ModelPattern, percent: u8) -> Self {
        self.cache_reads.push((models, percent));
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

    /// Its limits, in the order in which they were added, but for those of the account.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// How much output is set aside for a call.
    #[must_use]
    pub const fn output_policy(&self) -> ReserveOutput {
        self.output
    }

    /// The limits of all tenants together: a plan of their own, whose owner is
    /// [`Owner::Account`](crate::Owner::Account).
    #[must_use]
    pub const fn account(&self) -> Option<&Arc<Self>> {
        self.account.as_ref()
    }

    /// All limits, those of the account last.
    pub(crate) fn all_limits(&self) -> impl Iterator<Item = &Limit> {
        let account = self.account.iter().flat_map(|plan| &plan.limits);
        self.limits.iter().chain(account)
    }

    /// Whether a limit counts this.
    pub(crate) fn counts(&self, meter: Meter) -> bool {
        self.all_limits().any(|limit| limit.meter == meter)
    }

    /// How much of a cache read of this model counts as input.
    pub(crate) fn cache_read_percent(&self, model: &str) -> u8 {
        let mut rules = self.cache_reads.iter();
        rules
            .find(|(models, _)| models.fits(model))
            .map_or(0, |(_, percent)| *percent)
    }

    pub(crate) fn limit_header(&self, index: usize) -> Option<&HeaderValue> {
        self.headers.get(index)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        if let Some(account) = &self.account {
            account.check()?;
        }
        if self.limits.len() > Self::MOST_LIMITS {
            return Err(ConfigError::new(Kind::TooManyLimits(name())));
        }
        for (index, limit) in self.limits.iter().enumerate() {
            if let Some(why) = limit.problem() {
                let limit = limit.to_string().into();
                return Err(ConfigError::new(Kind::Impossible(name(), limit, why)));
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
