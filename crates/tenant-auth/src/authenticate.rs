use std::future::Future;
use std::sync::Arc;

use tower_claude_core::{Refusal, Tenant};

use crate::Credential;

/// Finds out whose credential it is. The seam of [`TenantAuth`](crate::TenantAuth).
///
/// [`StaticKeys`](crate::StaticKeys) is one; closures and an `Arc` of one are others. An
/// implementation that looks into a table of its own:
///
/// ```
/// use std::future::{Ready, ready};
/// use tower_claude_core::{Refusal, Tenant};
/// use tower_claude_tenant_auth::{AuthFailure, Authenticate, Credential};
///
/// struct OneTenant {
///     key: Credential,
///     tenant: Tenant,
/// }
///
/// impl Authenticate for OneTenant {
///     type Future = Ready<Result<Tenant, Refusal>>;
///
///     fn authenticate(&self, credential: Credential) -> Self::Future {
///         ready(if credential == self.key {
///             Ok(self.tenant.clone())
///         } else {
///             Err(AuthFailure::Unknown.into())
///         })
///     }
/// }
/// ```
///
/// The credential is not checked beyond its alphabet: it may be a key, a token of any length,
/// or a guess. Dropping the future must have no effect.
pub trait Authenticate {
    /// The answer to come; one that is ready at once costs no allocation.
    type Future: Future<Output = Result<Tenant, Refusal>>;

    /// Looks the credential up.
    ///
    /// What is refused as [`Unauthenticated`] reaches the caller in the one text all such
    /// refusals have, whatever this one says; its cause stays. Other refusals (a store that
    /// is down, a tenant nobody knows) pass as they are.
    ///
    /// [`Unauthenticated`]: tower_claude_core::RefusalKind::Unauthenticated
    fn authenticate(&self, credential: Credential) -> Self::Future;
}

// === impl Authenticate ===

impl<F, Fut> Authenticate for F
where
    F: Fn(Credential) -> Fut,
    Fut: Future<Output = Result<Tenant, Refusal>>,
{
    type Future = Fut;

    fn authenticate(&self, credential: Credential) -> Fut {
        self(credential)
    }
}

impl<A> Authenticate for Arc<A>
where
    A: Authenticate + ?Sized,
{
    type Future = A::Future;

    fn authenticate(&self, credential: Credential) -> A::Future {
        (**self).authenticate(credential)
    }
}
