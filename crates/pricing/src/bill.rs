use crate::call::Call;
use crate::cost::Cost;
use crate::multiplier::Multiplier;
use crate::price::Price;
use crate::terms::Terms;

/// A sum of products, kept exact until the end.
///
/// Each entry is a whole number of pico-dollars times three multipliers, so all of them share
/// one denominator and the division happens once.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    /// Whole pico-dollars that nothing multiplies, as nearly always all of them.
    plain: u128,
    numerator: u128,
}

/// What three multipliers are out of.
const DENOMINATOR: u128 = Multiplier::DENOMINATOR.pow(3);

// === impl Bill ===

impl Bill {
    pub(crate) fn tokens(&mut self, cost: Cost, call: &Call<'_>, price: &Price, terms: Terms) {
        let batch = if terms.batch {
            Multiplier::BATCH
        } else {
            Multiplier::ONE
        };
        let geo = if terms.us { price.us } else { Multiplier::ONE };
        let multipliers = [batch, geo, call.place(price)];
        if multipliers == [Multiplier::ONE; 3] {
            return self.add(cost);
        }
        let product = multipliers
            .into_iter()
            .fold(cost.pico_dollars(), |product, multiplier| {
                product.saturating_mul(u128::from(multiplier.thousandths()))
            });
        self.numerator = self.numerator.saturating_add(product);
    }

    pub(crate) fn web_searches(&mut self, cost: Cost) {
        self.add(cost);
    }

    const fn add(&mut self, cost: Cost) {
        self.plain = self.plain.saturating_add(cost.pico_dollars());
    }

    /// The sum, rounded up to a whole pico-dollar.
    pub(crate) const fn total(self) -> Cost {
        if self.numerator == 0 && self.plain < u128::MAX / DENOMINATOR {
            return Cost::from_pico_dollars(self.plain);
        }
        let plain = self.plain.saturating_mul(DENOMINATOR);
        let numerator = self.numerator.saturating_add(plain);
        // A sum that saturated stays at the top, where division would make it small again.
        if numerator == u128::MAX {
            return Cost::MAX;
        }
        Cost::from_pico_dollars(numerator.div_ceil(DENOMINATOR))
    }
}
