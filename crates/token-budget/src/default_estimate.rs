use std::sync::Arc;

use tower_claude_core::Call;

use crate::calibration::Calibration;
use crate::tokenizer::Tokenizer;
use crate::{Estimate, Estimated, Observed};

/// Estimates from sizes, and learns from what calls turn out to be.
///
/// Text counts by script, with the figures of the model's tokenizer: from generation 4.7 on,
/// and for models whose name does not tell, it makes about 30 % more of the same Latin text.
/// An image counts by its size, up to what the model looks at; a document by its size, and no
/// less than 3,000.
///
/// The text's part is then corrected by what calls of the same model really were, so that
/// about nine of ten need no more, by a factor of 4 at most. Of calls with much besides text
/// nothing is learned. What is known is of this process; a clone knows the same.
///
/// ```
/// use tower_claude_core::Call;
/// use tower_claude_token_budget::{DefaultEstimate, Estimate, Estimated, Observed};
///
/// /// As the default, and a tenth more.
/// #[derive(Default)]
/// struct Careful(DefaultEstimate);
///
/// impl Estimate for Careful {
///     fn estimate(&self, call: &Call) -> Estimated {
///         let estimated = self.0.estimate(call);
///         Estimated::new(estimated.input_tokens.saturating_mul(11) / 10)
///             .corrected(estimated.key, estimated.raw_tokens)
///     }
///
///     fn observe(&self, observed: &Observed) {
///         self.0.observe(observed);
///     }
/// }
/// # fn is_estimate(_: impl Estimate) {}
/// # is_estimate(Careful::default());
/// ```
#[derive(Clone, Debug, Default)]
pub struct DefaultEstimate {
    calibration: Arc<Calibration>,
}

// === impl DefaultEstimate ===

impl Estimate for DefaultEstimate {
    fn estimate(&self, call: &Call) -> Estimated {
        let model = call.model().unwrap_or_default();
        let counted = Tokenizer::of(model).count(&call.sizes());
        let key = self.calibration.key(model);
        let text = self.calibration.correct(key, counted.text);
        let estimated = Estimated::new(text.saturating_add(counted.other));
        let key = if counted.is_text() { key } else { 0 };
        estimated.corrected(key, counted.total())
    }

    fn observe(&self, observed: &Observed) {
        let Estimated {
            key, raw_tokens, ..
        } = observed.estimated;
        self.calibration
            .observe(key, raw_tokens, observed.input_tokens);
    }
}
