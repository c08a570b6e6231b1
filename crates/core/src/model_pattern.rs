use std::fmt;

/// A pattern for model names: the name, or with `*` for any run of characters.
#[derive(Clone, PartialEq, Eq)]
pub struct ModelPattern(Box<str>);

// === impl ModelPattern ===

impl ModelPattern {
    /// A pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Whether the pattern fits the whole name.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }

    /// Whether the pattern is this name, without a wildcard.
    #[must_use]
    pub fn is_exactly(&self, name: &str) -> bool {
        &*self.0 == name && !self.0.contains('*')
    }
}

impl From<&str> for ModelPattern {
    fn from(pattern: &str) -> Self {
        Self::new(pattern)
    }
}

impl fmt::Debug for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        let fits = |pattern, name| ModelPattern::new(pattern).fits(name);
        assert!(fits("claude-*", "claude-opus-5-5"));
        assert!(fits("claude-*-5", "claude-opus-5-5"));
        assert!(fits("*", ""));
        assert!(fits("a*b*c", "a-b-b-c"));
        assert!(fits("exact", "exact"));
        assert!(!fits("exact", "exactly"));
        assert!(!fits("claude-*", "anthropic.claude-opus"));
        assert!(!fits("ab*ba", "aba"));
    }
}
