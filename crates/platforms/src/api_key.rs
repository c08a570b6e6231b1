use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::ConfigError;

/// The key of an account, sent as `x-api-key`; it is never shown.
///
/// Clones are one key: [`replace`](Self::replace) changes them all, as when the file it came
/// from has changed. The memory is wiped when the last request that carries the key is gone;
/// copies in the buffers of connections are out of reach.
///
/// ```
/// use tower_claude_platforms::ApiKey;
///
/// let key = ApiKey::new("sk-ant-example")?;
/// assert_eq!(format!("{key:?}"), "ApiKey(..)");
/// key.replace("sk-ant-another\n")?;
/// # Ok::<_, tower_claude_platforms::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(Arc<ArcSwap<HeaderValue>>);

// === impl ApiKey ===

impl ApiKey {
    /// Takes a key, without the white space around it.
    ///
    /// # Errors
    ///
    /// When nothing is left, or something that no header can carry.
    pub fn new(key: impl Into<String>) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(header(key.into())?))))
    }

    /// Puts another key in its place, for all requests from now on.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); the old key then stays.
    pub fn replace(&self, key: impl Into<String>) -> Result<(), ConfigError> {
        self.0.store(Arc::new(header(key.into())?));
        Ok(())
    }

    /// The header that carries it: a reference count, not a copy.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::clone(&self.0.load())
    }
}

fn header(key: String) -> Result<HeaderValue, ConfigError> {
    const UNFIT: ConfigError = ConfigError::new("the key holds what no header can carry");
    let key = Zeroizing::new(key);
    let visible = key.trim().as_bytes();
    if visible.is_empty() {
        return Err(ConfigError::new("the key is empty"));
    }
    if !visible.iter().all(u8::is_ascii_graphic) {
        return Err(UNFIT);
    }
    let owner = Zeroizing::new(Box::<[u8]>::from(visible));
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(owner)).map_err(|_| UNFIT)?;
    header.set_sensitive(true);
    Ok(header)
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_sees_the_key_that_replaced_it() {
        let key = ApiKey::new("  first\r\n").unwrap();
        let clone = key.clone();
        assert_eq!(clone.header(), "first");
        key.replace("second").unwrap();
        assert_eq!(clone.header(), "second");
    }

    #[test]
    fn an_unfit_key_leaves_the_old_one_in_place() {
        let key = ApiKey::new("first").unwrap();
        for unfit in ["", " \n", "two words", "line\nline", "naïve", "a\0b"] {
            assert!(ApiKey::new(unfit).is_err());
            assert!(key.replace(unfit).is_err());
        }
        assert_eq!(key.header(), "first");
    }

    #[test]
    fn nothing_shows_the_key() {
        let key = ApiKey::new("sk-secret").unwrap();
        let header = key.header();
        let error = ApiKey::new("sk-secret\u{7f}").unwrap_err();
        let shown = format!("{key:?} {header:?} {error:?} {error}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
