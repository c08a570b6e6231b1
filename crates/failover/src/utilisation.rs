use crate::ModelClass;

/// How much of an account's limits is used at a target, for one class of models.
///
/// Each is the share that is used or taken by calls under way, from 0 to 1; `None` where
/// upstream has not said.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Utilisation {
    /// The class of models that share the limits.
    pub class: ModelClass,
    /// Of the requests a minute.
    pub requests: Option<f64>,
    /// Of the tokens a minute, of whichever limit is the tightest.
    pub tokens: Option<f64>,
    /// Of the input tokens a minute; what is read from the cache is free.
    pub input_tokens: Option<f64>,
    /// Of the output tokens a minute.
    pub output_tokens: Option<f64>,
}

// === impl Utilisation ===

impl Utilisation {
    /// `None` if nothing is known.
    pub(crate) fn of(class: ModelClass, used: [Option<f64>; 4]) -> Option<Self> {
        let [requests, tokens, input_tokens, output_tokens] = used;
        used.iter().any(Option::is_some).then_some(Self {
            class,
            requests,
            tokens,
            input_tokens,
            output_tokens,
        })
    }

    /// The limits that are known, by their words for metrics.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let limits = [
            ("requests", self.requests),
            ("tokens", self.tokens),
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
        ];
        limits
            .into_iter()
            .filter_map(|(name, used)| Some((name, used?)))
    }
}
