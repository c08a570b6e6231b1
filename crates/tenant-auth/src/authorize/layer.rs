use std::sync::Arc;

use tower_claude_core::Intake;
use tower_layer::Layer;

use super::{Authorize, Check, Residencies};

/// Lets tenants do what they may: the layer of [`Authorize`].
///
/// It goes inside [`TenantAuthLayer`](crate::TenantAuthLayer), or inside whatever else puts a
/// [`Tenant`](tower_claude_core::Tenant) into the extensions; and inside the meter, so that
/// what it refuses is recorded.
///
/// ```
/// use tower_claude_core::Intake;
/// use tower_claude_tenant_auth::AuthorizeLayer;
///
/// let layer = AuthorizeLayer::new()
///     .intake(Intake::new().prefix("/claude"))
///     .priced(|model| model.starts_with("claude-"))
///     .residencies(["us", "eu"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthorizeLayer {
    check: Arc<Check>,
}

// === impl AuthorizeLayer ===

impl AuthorizeLayer {
    /// Checks endpoint and model; takes every model for priced, and every residency for served.
    pub fn new() -> Self {
        Self {
            check: Arc::new(Check {
                intake: Intake::new(),
                priced: None,
                residencies: None,
            }),
        }
    }

    /// How requests are read, if they have not been read yet.
    pub fn intake(mut self, intake: Intake) -> Self {
        self.edit().intake = intake;
        self
    }

    /// Which models have a price.
    ///
    /// One without passes only for a tenant whose list names it in full, without a wildcard.
    pub fn priced(mut self, priced: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.edit().priced = Some(Arc::new(priced));
        self
    }

    /// The residency labels of the targets there are, as an array or as [`Residencies`] that
    /// can be replaced later.
    ///
    /// A tenant bound to others is refused here, before anything is reserved for its call.
    pub fn residencies(mut self, labels: impl Into<Residencies>) -> Self {
        self.edit().residencies = Some(labels.into());
        self
    }

    fn edit(&mut self) -> &mut Check {
        Arc::make_mut(&mut self.check)
    }
}

impl Default for AuthorizeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        Authorize::new(inner, Arc::clone(&self.check))
    }
}
