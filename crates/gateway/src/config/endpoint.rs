//! The parts of the API a tenant may call.

use tower_claude::core::Endpoint;

use super::not_implemented;

/// Those that can be written; what a server passes through is not a matter of a tenant.
pub(super) const ENDPOINTS: &[(&str, Endpoint)] = &[
    named(Endpoint::Messages),
    named(Endpoint::CountTokens),
    named(Endpoint::Models),
    named(Endpoint::Batches),
    named(Endpoint::Files),
];

const fn named(endpoint: Endpoint) -> (&'static str, Endpoint) {
    (endpoint.as_str(), endpoint)
}

/// What a tenant without a list may call: all that this build implements.
pub(super) fn all() -> Vec<Endpoint> {
    let implemented = ENDPOINTS
        .iter()
        .filter(|(name, _)| !not_implemented::refuses_name("tenants.endpoints", name));
    implemented.map(|(_, endpoint)| *endpoint).collect()
}
