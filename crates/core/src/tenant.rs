use std::fmt;
use std::sync::Arc;

use crate::{Endpoint, ModelPattern};

/// Who is calling: what authentication found out. An extension of requests.
///
/// A clone is a reference count. Layers that find none treat the call as nobody's: they do
/// not guess from headers.
#[derive(Clone)]
pub struct Tenant(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    id: TenantId,
    plan: Option<Box<str>>,
    models: Option<Vec<ModelPattern>>,
    endpoints: Vec<Endpoint>,
    residency: Option<Vec<Box<str>>>,
    urgency: u8,
}

/// The name of a tenant: 1 to 64 of `[A-Za-z0-9_.:-]`.
///
/// Such a name is safe in headers, metric labels and store keys.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

/// A text that is no [`TenantId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTenantId(());

// === impl Tenant ===

impl Tenant {
    /// A tenant that may ask every model at the endpoints every tenant has.
    #[must_use]
    pub fn new(id: TenantId) -> Self {
        Self(Arc::new(Facts {
            id,
            plan: None,
            models: None,
            endpoints: vec![
                Endpoint::Messages,
                Endpoint::CountTokens,
                Endpoint::Models,
                Endpoint::Hello,
                Endpoint::Passthrough,
            ],
            residency: None,
            urgency: 3,
        }))
    }

    /// Names the plan whose limits apply.
    #[must_use]
    pub fn plan(mut self, name: impl Into<Box<str>>) -> Self {
        self.facts().plan = Some(name.into());
        self
    }

    /// Says how urgent its calls are at most: from 0, the most urgent, to 7; the default is 3.
    ///
    /// It counts only among calls that have to wait. As the `u` of HTTP's `priority` header
    /// (RFC 9218), with which a caller says that a call of its own is less urgent than that.
    #[must_use]
    pub fn urgency(mut self, urgency: u8) -> Self {
        self.facts().urgency = urgency.min(7);
        self
    }

    /// Allows only models that one of the patterns fits.
    #[must_use]
    pub fn models(mut self, patterns: impl IntoIterator<Item = ModelPattern>) -> Self {
        self.facts().models = Some(patterns.into_iter().collect());
        self
    }

    /// Allows only these endpoints, and saying hello.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        self.facts().endpoints = endpoints.into_iter().chain([Endpoint::Hello]).collect();
        self
    }

    /// Allows only targets with one of these residency labels.
    #[must_use]
    pub fn residency(mut self, labels: impl IntoIterator<Item = Box<str>>) -> Self {
        self.facts().residency = Some(labels.into_iter().collect());
        self
    }

    /// The tenant's name.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.0.id
    }

    /// The name of the plan whose limits apply, if any.
    #[must_use]
    pub fn plan_name(&self) -> Option<&str> {
        self.0.plan.as_deref()
    }

    /// Whether the endpoint is open to the tenant.
    #[must_use]
    pub fn allows_endpoint(&self, endpoint: Endpoint) -> bool {
        self.0.endpoints.contains(&endpoint)
    }

    /// How urgent its calls are at most, from 0 to 7.
    #[must_use]
    pub fn most_urgent(&self) -> u8 {
        self.0.urgency
    }

    /// Whether the model is open to the tenant; `None` where no list says so.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> Option<bool> {
        let patterns = self.0.models.as_ref()?;
        Some(patterns.iter().any(|pattern| pattern.fits(model)))
    }

    /// Whether the tenant's list names the model in full, without a wildcard.
    #[must_use]
    pub fn names_model(&self, model: &str) -> bool {
        self.0
            .models
            .iter()
            .flatten()
            .any(|pattern| pattern.is_exactly(model))
    }

    /// Whether a target with this residency label may serve the tenant.
    ///
    /// A target without a label serves only tenants without a list.
    #[must_use]
    pub fn allows_residency(&self, label: Option<&str>) -> bool {
        match (&self.0.residency, label) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(allowed), Some(label)) => allowed.iter().any(|allowed| **allowed == *label),
        }
    }

    /// The residency labels the tenant is bound to, if it is bound.
    #[must_use]
    pub fn residency_labels(&self) -> Option<&[Box<str>]> {
        self.0.residency.as_deref()
    }

    fn facts(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("id", &self.0.id)
            .field("plan", &self.0.plan)
            .finish_non_exhaustive()
    }
}

// === impl TenantId ===

impl TenantId {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, InvalidTenantId> {
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(InvalidTenantId(()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(name: &str) -> Result<Self, InvalidTenantId> {
        Self::new(name)
    }
}

// === impl InvalidTenantId ===

impl fmt::Display for InvalidTenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tenant id is 1 to 64 of A-Z a-z 0-9 _ . : -")
    }
}

impl std::error::Error for InvalidTenantId {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant::new(TenantId::new("web").unwrap())
    }

    #[test]
    fn ids_are_of_a_few_safe_characters() {
        assert!(TenantId::new("web.eu:1_a-b").is_ok());
        for bad in ["", "a b", "a{b}", "é", &"x".repeat(65)] {
            assert!(TenantId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_of_models_is_the_whole_truth_and_no_list_says_nothing() {
        assert_eq!(tenant().allows_model("claude-opus-5-5"), None);
        let tenant = tenant().models(["claude-*".into(), "mine".into()]);
        assert_eq!(tenant.allows_model("claude-opus-5-5"), Some(true));
        assert_eq!(tenant.allows_model("gpt"), Some(false));
        assert!(tenant.names_model("mine"));
        assert!(!tenant.names_model("claude-opus-5-5"));
    }

    #[test]
    fn a_target_without_a_label_serves_only_tenants_without_a_list() {
        assert!(tenant().allows_residency(None));
        assert!(tenant().allows_residency(Some("us")));
        let bound = tenant().residency(["eu".into()]);
        assert!(bound.allows_residency(Some("eu")));
        assert!(!bound.allows_residency(Some("us")));
        assert!(!bound.allows_residency(None));
    }
}
