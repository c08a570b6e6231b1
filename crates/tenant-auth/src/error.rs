use std::error::Error;
use std::fmt;

use tower_claude_core::TenantId;

/// A configuration that cannot be meant.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Digest,
    Duplicate(TenantId, TenantId),
    NeverValid(TenantId),
}

// === impl ConfigError ===

impl ConfigError {
    /// Shows nothing of the text: it may be a key in the wrong place.
    pub(crate) const fn digest() -> Self {
        Self(Kind::Digest)
    }

    pub(crate) fn duplicate(first: &TenantId, second: &TenantId) -> Self {
        Self(Kind::Duplicate(first.clone(), second.clone()))
    }

    pub(crate) fn never_valid(tenant: &TenantId) -> Self {
        Self(Kind::NeverValid(tenant.clone()))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Digest => {
                f.write_str("a key digest is sha256: and 64 lower-case hexadecimal digits")
            }
            Kind::Duplicate(first, second) if first == second => {
                write!(f, "tenant {first} has the same key twice")
            }
            Kind::Duplicate(first, second) => {
                write!(f, "tenants {first} and {second} have the same key")
            }
            Kind::NeverValid(tenant) => write!(
                f,
                "a key of tenant {tenant} is never valid: not_after is before not_before"
            ),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl Error for ConfigError {}
