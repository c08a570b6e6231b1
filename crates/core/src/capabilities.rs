use std::fmt;

use crate::Capability;

/// A set of [`Capability`]; one word, copied for free.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u32);

// === impl Capabilities ===

impl Capabilities {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// The set of all there are.
    #[must_use]
    pub const fn all() -> Self {
        let mut all = Self::new();
        let mut rest = Capability::ALL;
        while let [first, others @ ..] = rest {
            all = all.with(*first);
            rest = others;
        }
        all
    }

    /// The same, with one in it.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | bit(capability))
    }

    /// The same, with one not in it.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !bit(capability))
    }

    /// All that is in this one or in the other.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one and not in the other: what is lacking, say.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether one is in it.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & bit(capability) != 0
    }

    /// Whether the other has all that is in this one.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.difference(other).is_empty()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        let all = Capability::ALL.iter().copied();
        all.filter(move |capability| self.contains(*capability))
    }
}

const fn bit(capability: Capability) -> u32 {
    1 << capability as u32
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let capabilities = capabilities.into_iter();
        capabilities.fold(Self::new(), Self::with)
    }
}

impl fmt::Debug for Capabilities {
    /// Prints a list of words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(Capability::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_there_and_nothing_else() {
        let set = Capabilities::new()
            .with(Capability::Files)
            .with(Capability::Batches)
            .with(Capability::Files);
        let list: Vec<_> = set.iter().collect();
        assert_eq!(list, [Capability::Batches, Capability::Files]);
        assert_eq!(format!("{set:?}"), r#"["batches", "files"]"#);
        assert_eq!(set.iter().collect::<Capabilities>(), set);
        let less = set.without(Capability::Files);
        assert!(!less.contains(Capability::Files));
        assert!(less.is_subset(set) && !set.is_subset(less));
        assert_eq!(set.difference(less).union(less), set);
        assert!(set.difference(set).is_empty());
    }

    #[test]
    fn every_capability_has_a_place_of_its_own() {
        assert_eq!(Capabilities::all().iter().count(), Capability::ALL.len());
        assert_eq!(
            Capability::ALL.iter().copied().collect::<Capabilities>(),
            Capabilities::all()
        );
    }
}
