use tower_claude_core::{InferenceGeo, ServiceTier, Speed, Usage};

use crate::call::Call;
use crate::unpriced::Unpriced;

/// What usage says about how it is billed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) batch: bool,
    pub(crate) fast: bool,
    pub(crate) us: bool,
}

/// What answers of models without `inference_geo` report; it costs nothing.
const GEO_NOT_AVAILABLE: &str = "not_available";

// === impl Terms ===

impl Terms {
    /// What `part` says, else what the `whole` answer says, else what was asked.
    pub(crate) fn read(call: &Call<'_>, part: &Usage, whole: &Usage) -> Result<Self, Unpriced> {
        let batch = match part.service_tier.as_ref().or(whole.service_tier.as_ref()) {
            // Committed capacity is drawn down at the rates of the standard tier.
            None | Some(ServiceTier::Standard | ServiceTier::Priority) => call.batch,
            Some(ServiceTier::Batch) => true,
            Some(other) => return Err(Unpriced::UnknownServiceTier(other.as_str().into())),
        };
        let fast = match part.speed.as_ref().or(whole.speed.as_ref()) {
            None => call.fast,
            Some(Speed::Standard) => false,
            Some(Speed::Fast) => true,
            Some(other) => return Err(Unpriced::UnknownSpeed(other.as_str().into())),
        };
        let us = match part.inference_geo.as_ref().or(whole.inference_geo.as_ref()) {
            _ if !call.platform.prices_inference_geo() => false,
            None => call.us,
            Some(InferenceGeo::Global) => false,
            Some(InferenceGeo::Us) => true,
            Some(other) if other.as_str() == GEO_NOT_AVAILABLE => false,
            Some(other) => return Err(Unpriced::UnknownInferenceGeo(other.as_str().into())),
        };
        Ok(Self { batch, fast, us })
    }
}
