/// Whose endpoint served a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// Anthropic's own API, under any base URL, also where AWS or Google Cloud carry it as
    /// "Claude Platform" or "Anthropic managed".
    #[default]
    Anthropic,
    /// Amazon Bedrock's `InvokeModel`; the prefix of the model id tells the region.
    Bedrock,
    /// "Claude in Amazon Bedrock" (mantle), whose endpoints are regional.
    BedrockMantle,
    /// Google Cloud's Vertex AI, managed by Google.
    Vertex,
    /// Microsoft Foundry.
    Foundry,
}

// === impl Platform ===

impl Platform {
    /// Whether `inference_geo` prices a call here; elsewhere the endpoint decides the place.
    pub(crate) const fn prices_inference_geo(self) -> bool {
        matches!(self, Self::Anthropic)
    }
}
