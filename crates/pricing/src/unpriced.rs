use std::error::Error;
use std::fmt;

/// Why a call has no price; never the same as costing nothing.
///
/// The caller has to decide: refuse such models beforehand, hold a reservation as it is, or
/// record the call as unpriced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpriced {
    /// The table has no price for this model on that day.
    UnknownModel(Box<str>),
    /// The answer reports a service tier whose price is not known.
    UnknownServiceTier(Box<str>),
    /// The answer reports a speed whose price is not known.
    UnknownSpeed(Box<str>),
    /// The answer reports a place of inference whose price is not known.
    UnknownInferenceGeo(Box<str>),
    /// The answer holds an iteration of a kind whose price is not known.
    UnknownIterationKind(Box<str>),
    /// The answer reports fast mode, which has no price on this model on that day.
    FastNotOffered(Box<str>),
    /// The answer reports fast mode in a batch, which has no price.
    FastInBatch,
    /// The answer's usage has a field that cannot be right, or counts something unheard of.
    UnknownUsage(Box<str>),
    /// The answer, or a part of it, does not say its input or its output.
    UsageMissing,
}

// === impl Unpriced ===

impl Unpriced {
    /// A short word for metrics and records; one of a fixed set.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnknownModel(_) => "unknown_model",
            Self::UnknownServiceTier(_) => "unknown_service_tier",
            Self::UnknownSpeed(_) => "unknown_speed",
            Self::UnknownInferenceGeo(_) => "unknown_inference_geo",
            Self::UnknownIterationKind(_) => "unknown_iteration_kind",
            Self::FastNotOffered(_) => "fast_not_offered",
            Self::FastInBatch => "fast_in_batch",
            Self::UnknownUsage(_) => "unknown_usage",
            Self::UsageMissing => "usage_missing",
        }
    }
}

impl fmt::Display for Unpriced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pricing a call: ")?;
        match self {
            Self::UnknownModel(model) => write!(f, "no price is known for model {model:?}"),
            Self::UnknownServiceTier(tier) => {
                write!(f, "no price is known for service tier {tier:?}")
            }
            Self::UnknownSpeed(speed) => write!(f, "no price is known for speed {speed:?}"),
            Self::UnknownInferenceGeo(geo) => {
                write!(f, "no price is known for inference geo {geo:?}")
            }
            Self::UnknownIterationKind(kind) => {
                write!(f, "no price is known for iterations of type {kind:?}")
            }
            Self::FastNotOffered(model) => {
                write!(f, "no fast mode price is known for model {model:?}")
            }
            Self::FastInBatch => f.write_str("fast mode has no price in a batch"),
            Self::UnknownUsage(field) => {
                write!(f, "it is not known what usage field {field:?} costs")
            }
            Self::UsageMissing => f.write_str("the answer does not say what it used"),
        }
    }
}

impl Error for Unpriced {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_upstream_said_so_that_it_cannot_break_a_log_line() {
        let unpriced = Unpriced::UnknownModel("x\ny".into());
        assert_eq!(
            unpriced.to_string(),
            r#"pricing a call: no price is known for model "x\ny""#
        );
        assert_eq!(unpriced.reason(), "unknown_model");
    }
}
