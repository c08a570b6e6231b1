use crate::Anthropic;

/// A platform of any kind, as [`Platforms`](crate::Platforms) holds them beside each other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Adapter {
    /// Anthropic's API, or anything that speaks it.
    Anthropic(Anthropic),
}

// === impl Adapter ===

impl From<Anthropic> for Adapter {
    fn from(platform: Anthropic) -> Self {
        Self::Anthropic(platform)
    }
}
