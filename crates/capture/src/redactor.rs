use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::redact::{Finding, STANDARD, find_standard, merge};
use crate::{ConfigError, Redactions};

/// Takes out of a text what must not be written down.
///
/// | kind | what |
/// |---|---|
/// | `private_key` | private keys in PEM |
/// | `key` | keys and tokens that can be told by how they begin, and what follows `Bearer` |
/// | `card` | numbers of payment cards whose check digit fits |
/// | `iban` | bank account numbers of a country's length whose check digits fit |
/// | `email` | addresses of electronic mail |
/// | `phone` | phone numbers: international ones and common national forms |
///
/// Each becomes its kind in brackets. Where several overlap, all of it is taken out as one, in
/// the name of the longest. The time it takes grows with the text, not faster.
///
/// ```
/// use tower_claude_capture::Redactor;
///
/// # fn main() -> Result<(), tower_claude_capture::ConfigError> {
/// let redactor = Redactor::standard().pattern("staff", r"\bE-[0-9]{6}\b")?;
/// assert_eq!(
///     redactor.redact("E-104233 paid with 4111 1111 1111 1111, write to ann@example.org"),
///     "[staff] paid with [card], write to [email]",
/// );
/// assert_eq!(redactor.redact("2 of 3 at 10:15"), "2 of 3 at 10:15");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Redactor {
    /// The standard ones, then one for each pattern.
    kinds: Vec<Kind>,
    patterns: Vec<Regex>,
}

#[derive(Clone)]
struct Kind {
    name: Arc<str>,
    replacement: Box<str>,
}

// === impl Redactor ===

impl Redactor {
    /// The most memory a pattern may take when compiled, in bytes.
    pub const LARGEST_PATTERN: usize = 256 * 1024;

    /// Knows the kinds in the table above.
    pub fn standard() -> Self {
        Self {
            kinds: STANDARD.into_iter().map(Kind::new).collect(),
            patterns: Vec::new(),
        }
    }

    /// Also takes out what fits this regular expression, as `[name]`.
    ///
    /// The syntax is that of the `regex` crate. Matching takes no longer than the square of a
    /// text's length, and that only for patterns that look far ahead for little; the layer's
    /// limit bounds the length.
    ///
    /// # Errors
    ///
    /// When the name is not 1 to 32 of `[a-z0-9_-]`, or the expression cannot be read, is too
    /// large, or fits the empty text.
    pub fn pattern(mut self, name: &str, expression: &str) -> Result<Self, ConfigError> {
        let is_of_name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if !(1..=32).contains(&name.len()) || !name.bytes().all(is_of_name) {
            return Err(ConfigError::name(name));
        }
        let pattern = RegexBuilder::new(expression)
            .size_limit(Self::LARGEST_PATTERN)
            .dfa_size_limit(4 * Self::LARGEST_PATTERN)
            .build()
            .map_err(|error| ConfigError::pattern(name, &error))?;
        if pattern.is_match("") {
            return Err(ConfigError::fits_nothing(name));
        }
        self.kinds.push(Kind::new(name));
        self.patterns.push(pattern);
        Ok(self)
    }

    /// The text without what must not be written down.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let findings = self.find(text);
        if findings.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(self.replace(text, text.len(), &findings, &mut Redactions::default()))
    }

    /// The first `kept` bytes of the text, redacted; what stands behind them is only looked at,
    /// so that nothing is missed because it is cut.
    pub(crate) fn redact_cut(
        &self,
        text: &str,
        kept: usize,
        redactions: &mut Redactions,
    ) -> String {
        self.replace(text, kept, &self.find(text), redactions)
    }

    fn find(&self, text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        find_standard(text, &mut findings);
        for (index, pattern) in self.patterns.iter().enumerate() {
            let kind = STANDARD.len() + index;
            // One that fits nothing between others, such as `\b`, hides nothing.
            let matches = pattern.find_iter(text).filter(|found| !found.is_empty());
            findings.extend(matches.map(|found| Finding::new(found.range(), kind)));
        }
        merge(&mut findings);
        findings
    }

    fn replace(
        &self,
        text: &str,
        kept: usize,
        findings: &[Finding],
        redactions: &mut Redactions,
    ) -> String {
        let mut redacted = String::with_capacity(kept);
        let mut at = 0;
        for Finding { place, kind, .. } in findings {
            if place.start >= kept {
                break;
            }
            redacted.push_str(text.get(at..place.start).unwrap_or_default());
            if let Some(kind) = self.kinds.get(*kind) {
                redacted.push_str(&kind.replacement);
                redactions.count(&kind.name);
            }
            at = place.end;
        }
        redacted.push_str(text.get(at..kept).unwrap_or_default());
        redacted
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::standard()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.kinds.iter().map(|kind| &kind.name);
        f.debug_list().entries(names).finish()
    }
}

// === impl Kind ===

impl Kind {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            replacement: format!("[{name}]").into(),
        }
    }
}
