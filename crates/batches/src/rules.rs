use std::sync::Arc;

use tower_claude_core::Tenant;

/// Which models a tenant may ask for in a batch: the same as in a message.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// `None` where every model counts as priced.
    pub(crate) priced: Option<Arc<Priced>>,
}

/// Whether a model has a price.
pub(crate) type Priced = dyn Fn(&str) -> bool + Send + Sync;

// === impl Rules ===

impl Rules {
    pub(crate) fn allow(&self, tenant: &Tenant, model: &str) -> bool {
        let priced = || self.priced.as_ref().is_none_or(|priced| priced(model));
        match tenant.allows_model(model) {
            None => priced(),
            // A wildcard stands for models whose price is known; the others have to be meant.
            Some(allowed) => allowed && (tenant.names_model(model) || priced()),
        }
    }
}
