use tower_claude::core::Timestamp;
use tower_claude::tenant_auth::KeyDigest;

use super::digest::digest;
use super::reader::{TableReader, Value};
use super::timestamp::timestamp;

/// One key of a tenant, and when it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantKey {
    /// The digest of the key.
    pub digest: KeyDigest,
    /// From when; absent is ever since.
    pub not_before: Option<Timestamp>,
    /// Until when; absent is for ever.
    pub not_after: Option<Timestamp>,
}

// === impl TenantKey ===

impl TenantKey {
    pub(super) fn read(mut table: TableReader<'_>) -> Option<Self> {
        let digest = table.required("digest", |value| {
            let digest = digest(value)?;
            value.once_unnamed("key digest", digest.to_string(), "key digest");
            Some(digest)
        });
        let not_before = table.optional("not_before", timestamp);
        let not_after = table.optional("not_after", |value| {
            let not_after = timestamp(value)?;
            check_end(value, not_before, not_after);
            Some(not_after)
        });
        table.finish();
        Some(Self {
            digest: digest?,
            not_before,
            not_after,
        })
    }
}

fn check_end(value: &Value<'_>, not_before: Option<Timestamp>, not_after: Timestamp) {
    let source = value.source();
    if not_before.is_some_and(|not_before| not_after < not_before) {
        let message = "`not_after` is before `not_before`: the key is never good".to_owned();
        value.error::<()>(message, "swap them or correct one");
    } else if not_after < Timestamp::from(source.surroundings().time()) {
        let message = "expired key: `not_after` is past".to_owned();
        source.warning(value.line(), message, "remove the key");
    }
}
