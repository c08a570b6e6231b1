use crate::multiplier::Multiplier;
use crate::price::Price;

/// The price that a model has somewhere on some day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote {
    /// The price before multipliers.
    pub price: Price,
    /// The factor that the platform and the model id imply.
    pub multiplier: Multiplier,
}
