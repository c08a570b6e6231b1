use tower_claude::pricing::{Cost, Price, PriceTable, Prices, Rate, Rates};
use tower_claude_testkit::ReportedUsage;

use crate::dice::MODEL;

/// What one call is charged, or ought to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) pico_dollars: u128,
}

// === impl Sum ===

impl Sum {
    /// Dollars a million tokens: 3, 15, 3.75, 6 and 0.30; a search is a cent.
    pub(crate) fn of(usage: ReportedUsage) -> Self {
        let tokens = [
            (usage.input_tokens, 3_000_000),
            (usage.output_tokens, 15_000_000),
            (usage.cache_creation_5m, 3_750_000),
            (usage.cache_creation_1h, 6_000_000),
            (usage.cache_read, 300_000),
            (usage.web_search_requests, 10_000_000_000),
        ];
        Self {
            input: usage.input_tokens + usage.cache_creation(),
            output: usage.output_tokens,
            pico_dollars: tokens
                .iter()
                .map(|(count, price)| u128::from(*count) * price)
                .sum(),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            output: self.output + other.output,
            pico_dollars: self.pico_dollars + other.pico_dollars,
        }
    }
}

pub(crate) fn prices() -> Prices {
    let rate = |dollars| Rate::per_million_tokens(dollars).unwrap();
    let rates = Rates::new(rate("3"), rate("15"))
        .cache_write_5m(rate("3.75"))
        .cache_write_1h(rate("6"))
        .cache_read(rate("0.3"));
    let search = Cost::from_dollars_str("0.01").unwrap();
    let price = Price::new(rates).web_search(search);
    Prices::new(PriceTable::empty().price(MODEL, price))
}
