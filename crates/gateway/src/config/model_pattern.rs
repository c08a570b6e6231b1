use super::reader::Value;
use super::text;

/// A model name in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelPattern {
    text: String,
}

// === impl ModelPattern ===

impl ModelPattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names one model, without a wildcard.
    pub fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether the pattern covers this model.
    pub fn matches(&self, model: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = model.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The leftmost place of each part is enough: it leaves most for the next.
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        text::name(value).map(|text| Self { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, model: &str) -> bool {
        let text = pattern.to_owned();
        ModelPattern { text }.matches(model)
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("claude-*", "claude-opus-5-5"));
        assert!(matches("claude-*", "claude-"));
        assert!(matches("*", ""));
        assert!(matches("*-opus-*", "claude-opus-5"));
        assert!(matches("a*a", "aa"));
        assert!(matches("a*bc*bc", "abcbcbc"));
    }

    #[test]
    fn the_rest_is_literal_and_whole() {
        assert!(!matches("claude", "claude-opus"));
        assert!(!matches("claude-?", "claude-5"));
        assert!(!matches("a*a", "a"));
        assert!(!matches("*-opus", "claude-opus-5"));
        assert!(!matches("a*b*c", "acb"));
    }
}
