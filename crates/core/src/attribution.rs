use http::{HeaderMap, HeaderName};

use crate::Text;

/// Whom a call is for within its tenant: feature, user and session.
///
/// Callers choose these themselves: they attribute, they do not authenticate. A value of other
/// characters than `[A-Za-z0-9_.:@/-]`, or of more than 200, counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribution {
    /// `x-feature`.
    pub feature: Option<Text>,
    /// `x-user-id`, else `metadata.user_id` of the body.
    pub user: Option<Text>,
    /// `x-session-id`, else `x-claude-code-session-id`.
    pub session: Option<Text>,
}

const FEATURE: HeaderName = HeaderName::from_static("x-feature");
const USER: HeaderName = HeaderName::from_static("x-user-id");
const SESSION: HeaderName = HeaderName::from_static("x-session-id");
const CLAUDE_CODE_SESSION: HeaderName = HeaderName::from_static("x-claude-code-session-id");

// === impl Attribution ===

impl Attribution {
    /// What a record says of a call without a feature.
    pub const UNKNOWN_FEATURE: &'static str = "unknown";

    /// Reads the headers of a request.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let read = |name| headers.get(name)?.to_str().ok().and_then(Self::value);
        Self {
            feature: read(FEATURE),
            user: read(USER),
            session: read(SESSION).or_else(|| read(CLAUDE_CODE_SESSION)),
        }
    }

    /// The feature, or [`Attribution::UNKNOWN_FEATURE`].
    #[must_use]
    pub fn feature_or_unknown(&self) -> &str {
        self.feature.as_deref().unwrap_or(Self::UNKNOWN_FEATURE)
    }

    /// A value, if it is made of what values are made of.
    pub(crate) fn value(text: &str) -> Option<Text> {
        Self::is_value(text).then(|| Text::from(text))
    }

    pub(crate) fn is_value(text: &str) -> bool {
        (1..=200).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.:@/-".contains(&byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn values_of_other_characters_are_absent() {
        let mut headers = HeaderMap::new();
        headers.insert(FEATURE, HeaderValue::from_static("search box"));
        headers.insert(USER, HeaderValue::from_static("ann@example.org"));
        headers.insert(CLAUDE_CODE_SESSION, HeaderValue::from_static("s-1"));
        let attribution = Attribution::from_headers(&headers);
        assert_eq!(attribution.feature_or_unknown(), "unknown");
        assert_eq!(attribution.user.as_deref(), Some("ann@example.org"));
        assert_eq!(attribution.session.as_deref(), Some("s-1"));
        assert!(Attribution::value(&"x".repeat(201)).is_none());
        assert!(Attribution::value("").is_none());
    }
}
