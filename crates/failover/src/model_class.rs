use std::fmt;

/// A family of models that share their limits and their outages at one target.
///
/// Told by the model name the caller asks: one of its words, wherever it stands. Bounded, so
/// that names callers make up cost no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ModelClass {
    /// Opus models.
    Opus,
    /// Sonnet models.
    Sonnet,
    /// Haiku models.
    Haiku,
    /// Fable models.
    Fable,
    /// Mythos models.
    Mythos,
    /// Models of no known family, and calls that ask no model.
    Other,
}

// === impl ModelClass ===

impl ModelClass {
    /// Every class, in the order of its index.
    pub(crate) const ALL: [Self; 6] = [
        Self::Opus,
        Self::Sonnet,
        Self::Haiku,
        Self::Fable,
        Self::Mythos,
        Self::Other,
    ];

    /// The class of a model.
    #[must_use]
    pub fn of(model: &str) -> Self {
        model
            .as_bytes()
            .split(|byte| !byte.is_ascii_alphabetic())
            .find_map(|word| match word {
                b"opus" => Some(Self::Opus),
                b"sonnet" => Some(Self::Sonnet),
                b"haiku" => Some(Self::Haiku),
                b"fable" => Some(Self::Fable),
                b"mythos" => Some(Self::Mythos),
                _ => None,
            })
            .unwrap_or(Self::Other)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Sonnet => "sonnet",
            Self::Haiku => "haiku",
            Self::Fable => "fable",
            Self::Mythos => "mythos",
            Self::Other => "other",
        }
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Opus => 0,
            Self::Sonnet => 1,
            Self::Haiku => 2,
            Self::Fable => 3,
            Self::Mythos => 4,
            Self::Other => 5,
        }
    }
}

impl fmt::Display for ModelClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_told_by_a_word_of_the_name() {
        for (model, class) in [
            ("claude-opus-5-5", ModelClass::Opus),
            ("us.anthropic.claude-sonnet-4-v1:0", ModelClass::Sonnet),
            ("claude-3-haiku@latest", ModelClass::Haiku),
            ("claude-fable-1", ModelClass::Fable),
            ("claude-mythos-1", ModelClass::Mythos),
            ("my-deployment", ModelClass::Other),
            ("opusculum", ModelClass::Other),
            ("", ModelClass::Other),
        ] {
            assert_eq!(ModelClass::of(model), class, "{model}");
        }
    }

    #[test]
    fn every_class_is_at_its_index() {
        for (index, class) in ModelClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), index);
        }
    }
}
