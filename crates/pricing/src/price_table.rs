use std::collections::HashMap;

use crate::call::Call;
use crate::day::Day;
use crate::model_id::model_name;
use crate::platform::Platform;
use crate::price::Price;
use crate::quote::Quote;
use crate::table;
use crate::unpriced::Unpriced;

/// What every model costs, by day.
///
/// Starts from the built-in table and takes prices of your own, which go first. Share one in an
/// `Arc`.
#[derive(Clone, Debug)]
pub struct PriceTable {
    own: HashMap<Box<str>, Vec<Price>>,
    builtin: &'static [(&'static [&'static str], Price)],
}

// === impl PriceTable ===

impl PriceTable {
    /// The version of the built-in prices, for records.
    pub const VERSION: &str = table::VERSION;

    /// The built-in prices.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            own: HashMap::new(),
            builtin: table::ROWS,
        }
    }

    /// No prices at all; everything has to be added.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            own: HashMap::new(),
            builtin: &[],
        }
    }

    /// Adds a price, which goes before the built-in one from its day on.
    ///
    /// `model` is a name as in the table, or an id or deployment name exactly as the platform
    /// knows it; the exact name goes first. The price is the one before multipliers. A second
    /// price for the same name and day replaces the first.
    #[must_use]
    pub fn price(mut self, model: impl Into<Box<str>>, price: Price) -> Self {
        self.own.entry(model.into()).or_default().push(price);
        self
    }

    /// The version of the prices, for records: the built-in one, marked if there are own prices.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match (self.builtin.is_empty(), self.own.is_empty()) {
            (false, true) => Self::VERSION,
            (false, false) => table::VERSION_WITH_OWN,
            (true, _) => "own",
        }
    }

    /// Whether the model has a price on any day, under any platform's name for it.
    #[must_use]
    pub fn is_priced(&self, model: &str) -> bool {
        let is_known =
            |name: &str| self.own.contains_key(name) || self.builtin_prices(name).next().is_some();
        is_known(model) || is_known(model_name(model))
    }

    /// The names of all models that have a price.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let builtin = self.builtin.iter().flat_map(|(models, _)| models.iter());
        let own = self.own.keys().map(|model| &**model);
        builtin.copied().chain(own)
    }

    /// The price of a model on a platform on a day, and the factor of its place.
    #[must_use]
    pub fn lookup(&self, model: &str, platform: Platform, at: Day) -> Option<Quote> {
        let price = *self.find(model, at)?;
        let multiplier = Call::new(model, at).platform(platform).place(&price);
        Some(Quote { price, multiplier })
    }

    /// The price of the model that served a call.
    pub(crate) fn serving(&self, call: &Call<'_>) -> Result<&Price, Unpriced> {
        let at = call.at;
        let price = if call.is_the_asked(call.served) {
            call.sent
                .and_then(|sent| self.find_own(sent, at))
                .or_else(|| self.find(call.served, at))
                .or_else(|| self.find(call.asked?, at))
        } else {
            self.find(call.served, at)
        };
        price.ok_or_else(|| Unpriced::UnknownModel(call.served.into()))
    }

    /// The price of a model by any platform's name for it.
    pub(crate) fn find(&self, model: &str, at: Day) -> Option<&Price> {
        // A name of the built-in table is its own, so it need not be taken apart to be found.
        self.find_exact(model, at)
            .or_else(|| self.find_exact(model_name(model), at))
    }

    fn find_exact(&self, name: &str, at: Day) -> Option<&Price> {
        self.find_own(name, at)
            .or_else(|| in_force(self.builtin_prices(name), at))
    }

    fn builtin_prices(&self, name: &str) -> impl Iterator<Item = &'static Price> {
        let prices = (!self.builtin.is_empty()).then(|| table::prices(name));
        prices.into_iter().flatten()
    }

    fn find_own(&self, exact: &str, at: Day) -> Option<&Price> {
        in_force(self.own.get(exact)?.iter(), at)
    }
}

impl Default for PriceTable {
    fn default() -> Self {
        Self::builtin()
    }
}

/// The latest price that holds on a day; of several from one day, the last.
fn in_force<'a>(prices: impl Iterator<Item = &'a Price>, at: Day) -> Option<&'a Price> {
    prices
        .filter(|price| price.effective_from <= at)
        .max_by_key(|price| price.effective_from)
}
