use super::not_implemented;

/// A part of the API a tenant may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/v1/messages`.
    Messages,
    /// `/v1/messages/count_tokens`.
    CountTokens,
    /// `/v1/models` and below.
    Models,
    /// `/v1/messages/batches` and below.
    Batches,
    /// `/v1/files` and below.
    Files,
}

pub(super) const ENDPOINTS: &[(&str, Endpoint)] = &[
    ("messages", Endpoint::Messages),
    ("count_tokens", Endpoint::CountTokens),
    ("models", Endpoint::Models),
    ("batches", Endpoint::Batches),
    ("files", Endpoint::Files),
];

// === impl Endpoint ===

impl Endpoint {
    /// What a tenant without a list may call: all that this build implements.
    pub fn all() -> Vec<Self> {
        let implemented = ENDPOINTS
            .iter()
            .filter(|(name, _)| !not_implemented::refuses_name("tenants.endpoints", name));
        implemented.map(|(_, endpoint)| *endpoint).collect()
    }
}
