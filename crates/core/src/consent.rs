use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::Request;

use crate::{Refusal, Target};

/// Says whether a call may go to a target, as somebody outside has set something aside for it
/// that may not suffice there.
///
/// An extension of requests: TokenBudget adds one to calls whose money is limited, and
/// Failover asks it before each target. Without one, every target will do.
#[derive(Clone)]
pub struct Consent(Arc<dyn Consider>);

/// Decides on [`Consent`].
pub trait Consider: Send + Sync {
    /// Whether the call may go there; `None` if it may, and that is known at once.
    ///
    /// The answer does not depend on the call having been elsewhere before. Dropping it is
    /// safe, and may leave set aside what it asked for until the call is over.
    fn consider(&self, target: &Target) -> Option<Considering>;
}

/// An answer to come: `Err` with the refusal that the caller gets if nowhere else is left.
pub type Considering = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

// === impl Consent ===

impl Consent {
    /// Consent of whoever considers it.
    pub fn new(considers: impl Consider + 'static) -> Self {
        Self(Arc::new(considers))
    }

    /// The one of a request.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// Asks for a target; `None` if it will do, and that is known at once.
    #[must_use]
    pub fn ask(&self, target: &Target) -> Option<Considering> {
        self.0.consider(target)
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consent")
    }
}
