use crate::day::Day;
use crate::model_id::{Scope, model_name};
use crate::multiplier::Multiplier;
use crate::platform::Platform;
use crate::price::Price;

/// What is known about a call besides its usage: which model, where, when and how.
///
/// ```
/// use tower_claude_pricing::{Call, Day, Platform};
///
/// let call = Call::new("claude-opus-5-5", Day::from_unix_seconds(1_800_000_000))
///     .sent("us.anthropic.claude-opus-5-5")
///     .platform(Platform::Bedrock);
/// # let _ = call;
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Call<'a> {
    pub(crate) served: &'a str,
    pub(crate) asked: Option<&'a str>,
    pub(crate) sent: Option<&'a str>,
    pub(crate) at: Day,
    pub(crate) platform: Platform,
    place: Place,
    pub(crate) batch: bool,
    pub(crate) refused: bool,
    pub(crate) fast: bool,
    pub(crate) us: bool,
}

/// How the place of inference bears on the price.
#[derive(Clone, Copy, Debug)]
enum Place {
    AsTheIdSays,
    Regional,
    Times(Multiplier),
}

// === impl Call ===

impl<'a> Call<'a> {
    /// A call that `served` answered, the `model` of the answer, on a day.
    ///
    /// Before there is an answer, `served` is the model that is going to be asked.
    pub const fn new(served: &'a str, at: Day) -> Self {
        Self {
            served,
            asked: None,
            sent: None,
            at,
            platform: Platform::Anthropic,
            place: Place::AsTheIdSays,
            batch: false,
            refused: false,
            fast: false,
            us: false,
        }
    }

    /// The model that the caller asked for.
    ///
    /// Its price holds where the model was sent under another name, the answer repeats that
    /// name, and the table does not have it: a deployment, an inference profile, a private name.
    pub const fn asked(mut self, model: &'a str) -> Self {
        self.asked = Some(model);
        self
    }

    /// The model id that the platform was sent, prefix and all.
    ///
    /// Its prefix tells the region if the answer's model has none. A price of your own for
    /// exactly this id holds, unless another model answered.
    pub const fn sent(mut self, model: &'a str) -> Self {
        self.sent = Some(model);
        self
    }

    /// Whose endpoint served it; Anthropic's own unless said.
    pub const fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// Served by a regional endpoint that its model id does not show.
    ///
    /// A region or multi-region of Vertex AI, the US data zone of Microsoft Foundry, a regional
    /// inference profile by ARN.
    pub const fn regional(mut self) -> Self {
        self.place = Place::Regional;
        self
    }

    /// The factor of the place, instead of the one that platform and model id imply.
    pub const fn multiplier(mut self, multiplier: Multiplier) -> Self {
        self.place = Place::Times(multiplier);
        self
    }

    /// Whether it was part of a batch; usage that reports the batch tier says so by itself.
    pub const fn batch(mut self, batch: bool) -> Self {
        self.batch = batch;
        self
    }

    /// Whether it ended with `stop_reason` `refusal`.
    pub const fn refused(mut self, refused: bool) -> Self {
        self.refused = refused;
        self
    }

    /// Whether fast mode was asked for; holds where usage does not report a speed.
    pub const fn fast(mut self, fast: bool) -> Self {
        self.fast = fast;
        self
    }

    /// Whether `inference_geo` `us` was asked for; holds where usage does not report a place.
    pub const fn us(mut self, us: bool) -> Self {
        self.us = us;
        self
    }

    /// Whether `model` is another name of the model that was asked for.
    pub(crate) fn is_the_asked(&self, model: &str) -> bool {
        let known = || [self.sent, self.asked].into_iter().flatten();
        known().any(|known| known == model)
            || known().any(|known| model_name(known) == model_name(model))
    }

    /// The factor of the place at a price.
    pub(crate) fn place(&self, price: &Price) -> Multiplier {
        match self.place {
            Place::Times(multiplier) => multiplier,
            Place::Regional => price.regional,
            Place::AsTheIdSays => {
                let scope = Scope::of(self.served).or_else(|| Scope::of(self.sent?));
                match scope {
                    Some(Scope::Global) => Multiplier::ONE,
                    Some(Scope::Regional) => price.regional,
                    Some(Scope::UsGov) => Multiplier::US_GOV,
                    None if self.platform == Platform::BedrockMantle => price.regional,
                    None => Multiplier::ONE,
                }
            }
        }
    }
}
