use tower_claude_core::{Tenant, Timestamp};

use crate::{AuthFailure, ConfigError, KeyDigest};

/// One key of a tenant, and when it is good. An entry of [`StaticKeys`](crate::StaticKeys).
#[derive(Clone, Debug)]
#[must_use]
pub struct StaticKey {
    digest: KeyDigest,
    tenant: Tenant,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

// === impl StaticKey ===

impl StaticKey {
    /// A key that was always good and always will be.
    pub const fn new(digest: KeyDigest, tenant: Tenant) -> Self {
        Self {
            digest,
            tenant,
            not_before: None,
            not_after: None,
        }
    }

    /// The first moment at which it is good.
    pub const fn not_before(mut self, moment: Timestamp) -> Self {
        self.not_before = Some(moment);
        self
    }

    /// The last moment at which it is good.
    pub const fn not_after(mut self, moment: Timestamp) -> Self {
        self.not_after = Some(moment);
        self
    }

    pub(crate) const fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    pub(crate) const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match (self.not_before, self.not_after) {
            (Some(first), Some(last)) if last < first => {
                Err(ConfigError::never_valid(self.tenant.id()))
            }
            _ => Ok(()),
        }
    }

    /// The tenant, if the key is good; asks the clock only where time matters.
    pub(crate) fn redeem(&self, now: impl FnOnce() -> Timestamp) -> Result<Tenant, AuthFailure> {
        if self.not_before.is_some() || self.not_after.is_some() {
            let now = now();
            if self.not_before.is_some_and(|first| now < first) {
                return Err(AuthFailure::NotYetValid);
            }
            if self.not_after.is_some_and(|last| now > last) {
                return Err(AuthFailure::Expired);
            }
        }
        Ok(self.tenant.clone())
    }
}

impl From<(KeyDigest, Tenant)> for StaticKey {
    fn from((digest, tenant): (KeyDigest, Tenant)) -> Self {
        Self::new(digest, tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_claude_core::TenantId;

    #[test]
    fn is_good_from_its_first_moment_to_its_last() {
        let at = Timestamp::from_unix_millis;
        let tenant = Tenant::new(TenantId::new("web").unwrap());
        let key = StaticKey::new(KeyDigest::of("key"), tenant)
            .not_before(at(100))
            .not_after(at(200));
        for (now, expected) in [
            (99, Some(AuthFailure::NotYetValid)),
            (100, None),
            (200, None),
            (201, Some(AuthFailure::Expired)),
        ] {
            assert_eq!(key.redeem(|| at(now)).err(), expected, "{now}");
        }
    }
}
