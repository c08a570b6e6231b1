//! The digest of a tenant's key, the only trace of the key a file holds.

use tower_claude::tenant_auth::KeyDigest;

use super::reader::Value;

/// Reads a digest; never shows it, it may be a key in the wrong place.
pub(super) fn digest(value: &Value<'_>) -> Option<KeyDigest> {
    let text = value.string()?;
    if text.starts_with("hmac-sha256:") {
        let message = "`hmac-sha256:` digests are not implemented in this build".to_owned();
        return value.error(message, "use \"sha256:…\"");
    }
    match KeyDigest::parse(text) {
        Ok(digest) => Some(digest),
        Err(_) => value.error(
            format!("`{}` is not a digest", value.name()),
            "write \"sha256:\" and 64 lower-case hex digits, as `keygen` prints them",
        ),
    }
}
