use std::fmt;

use tower_claude_core::{Tenant, TenantId};

/// Whose budget it is. A clone is a reference count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Owner {
    /// All callers that nobody has authenticated, together.
    Anonymous,
    /// A tenant.
    Tenant(TenantId),
    /// All callers together, for limits of [`LimitScope::Account`](crate::LimitScope::Account).
    Account,
}

// === impl Owner ===

impl Owner {
    /// The owner of a request's budget; without a [`Tenant`], it is nobody's.
    #[must_use]
    pub fn of(tenant: Option<&Tenant>) -> Self {
        tenant.map_or(Self::Anonymous, |tenant| Self::Tenant(tenant.id().clone()))
    }
}

impl fmt::Display for Owner {
    /// Prints `tenant web`, `anonymous` or `account`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Tenant(id) => write!(f, "tenant {id}"),
            Self::Account => f.write_str("account"),
        }
    }
}
