use crate::cost::Cost;
use crate::day::Day;
use crate::multiplier::Multiplier;
use crate::rates::Rates;

/// What a model costs from a day on.
///
/// ```
/// use tower_claude_pricing::{Price, Rate, Rates};
///
/// let rates = Rates::new(Rate::per_million_tokens("3")?, Rate::per_million_tokens("15")?)
///     .cache_read(Rate::per_million_tokens("0.15")?);
/// let price = Price::new(rates);
/// assert_eq!(price.rates.cache_write_1h.to_string(), "6");
/// # Ok::<(), tower_claude_pricing::ParseCostError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Price {
    /// The usual row.
    pub rates: Rates,
    /// The row of fast mode; `None` where the model does not offer it.
    pub fast: Option<Rates>,
    /// The row of long prompts; `None` where length does not matter.
    pub long: Option<LongPrompt>,
    /// The factor of `inference_geo` `us`.
    pub us: Multiplier,
    /// The factor of regional endpoints on cloud platforms.
    pub regional: Multiplier,
    /// What one web search costs; no multiplier applies to it.
    pub web_search: Cost,
    /// The first day on which this price holds.
    pub effective_from: Day,
}

/// Another row for every token of a request whose prompt is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongPrompt {
    /// The row holds for prompts of more tokens than this, cache reads and writes included.
    pub over: u64,
    /// The row, for output too.
    pub rates: Rates,
}

/// Ten dollars per thousand searches.
const WEB_SEARCH: Cost = Cost::from_nano_dollars(10_000_000);

// === impl Price ===

impl Price {
    /// A price that has always held, with the usual multipliers and web search price.
    #[must_use]
    pub const fn new(rates: Rates) -> Self {
        Self {
            rates,
            fast: None,
            long: None,
            us: Multiplier::REGIONAL,
            regional: Multiplier::REGIONAL,
            web_search: WEB_SEARCH,
            effective_from: Day::EPOCH,
        }
    }

    /// Offers fast mode at these rates; without this, fast usage is unpriced.
    #[must_use]
    pub const fn fast(mut self, rates: Rates) -> Self {
        self.fast = Some(rates);
        self
    }

    /// Prices every token of a request by these rates if its prompt is over so many tokens.
    ///
    /// Fast mode has one row, whatever the length.
    #[must_use]
    pub const fn long(mut self, over: u64, rates: Rates) -> Self {
        self.long = Some(LongPrompt { over, rates });
        self
    }

    /// The factor of `inference_geo` `us`; ×1.1 unless said.
    #[must_use]
    pub const fn us(mut self, multiplier: Multiplier) -> Self {
        self.us = multiplier;
        self
    }

    /// The factor of regional endpoints on cloud platforms; ×1.1 unless said.
    #[must_use]
    pub const fn regional(mut self, multiplier: Multiplier) -> Self {
        self.regional = multiplier;
        self
    }

    /// What one web search costs; a hundredth of a dollar unless said.
    #[must_use]
    pub const fn web_search(mut self, each: Cost) -> Self {
        self.web_search = each;
        self
    }

    /// The first day on which this price holds; every day unless said.
    #[must_use]
    pub const fn effective_from(mut self, day: Day) -> Self {
        self.effective_from = day;
        self
    }

    /// The row for a request with a prompt of so many tokens.
    pub(crate) const fn rates_for(&self, fast: bool, prompt_tokens: u64) -> Option<&Rates> {
        if fast {
            return self.fast.as_ref();
        }
        match &self.long {
            Some(long) if prompt_tokens > long.over => Some(&long.rates),
            _ => Some(&self.rates),
        }
    }
}
