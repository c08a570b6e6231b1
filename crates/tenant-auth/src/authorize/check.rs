use std::fmt;
use std::sync::Arc;

use http::Request;
use tower_claude_core::{Call, Intake, Refusal, RefusalKind, Tenant};

use super::Residencies;
use crate::AuthFailure;

/// What is asked about every call, and how its body is read for that.
#[derive(Clone)]
pub(super) struct Check {
    pub(super) intake: Intake,
    /// `None` where every model counts as priced.
    pub(super) priced: Option<Arc<Priced>>,
    /// `None` where residency is left to others.
    pub(super) residencies: Option<Residencies>,
}

/// Whether a model has a price.
pub(super) type Priced = dyn Fn(&str) -> bool + Send + Sync;

// === impl Check ===

impl Check {
    /// Asks what the tenant of a request may.
    pub(super) fn permit<B>(&self, request: &Request<B>, call: &Call) -> Result<(), Refusal> {
        let tenant = request.extensions().get().ok_or(AuthFailure::Missing)?;
        self.check(tenant, call)
    }

    /// Endpoint first, then model, then residency: the first that fails answers.
    fn check(&self, tenant: &Tenant, call: &Call) -> Result<(), Refusal> {
        let id = tenant.id();
        if !tenant.allows_endpoint(call.endpoint()) {
            let endpoint = call.endpoint().as_str();
            return Err(forbidden(format!(
                "tenant {id} may not use endpoint {endpoint}"
            )));
        }
        if let Some(model) = call.model()
            && !self.allows_model(tenant, model)
        {
            let model = Shortened(model);
            return Err(forbidden(format!("tenant {id} may not use model {model}")));
        }
        if let Some(residencies) = &self.residencies
            && residencies.exclude(tenant)
        {
            let labels = tenant.residency_labels().unwrap_or_default().join(", ");
            return Err(forbidden(format!(
                "tenant {id} is bound to residency {labels}, and no target is there"
            )));
        }
        Ok(())
    }

    fn allows_model(&self, tenant: &Tenant, model: &str) -> bool {
        let priced = || self.priced.as_ref().is_none_or(|priced| priced(model));
        match tenant.allows_model(model) {
            None => priced(),
            // A wildcard stands for models whose price is known; the others have to be meant.
            Some(allowed) => allowed && (tenant.names_model(model) || priced()),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("residencies", &self.residencies)
            .finish_non_exhaustive()
    }
}

fn forbidden(message: String) -> Refusal {
    Refusal::new(RefusalKind::Forbidden, message)
}

/// A caller's text, of which as much is given back as a name has.
struct Shortened<'a>(&'a str);

// === impl Shortened ===

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 200;
        match self.0.char_indices().nth(LONGEST) {
            None => f.write_str(self.0),
            Some((end, _)) => write!(f, "{}…", &self.0[..end]),
        }
    }
}
