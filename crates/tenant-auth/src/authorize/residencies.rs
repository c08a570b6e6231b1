use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tower_claude_core::Tenant;

/// The residency labels of the targets there are.
///
/// A cheap handle: clones share the labels, and [`replace`](Residencies::replace) is seen by
/// the next call. Targets without a label need no mention: they serve no tenant that is bound
/// to a residency.
#[derive(Clone)]
pub struct Residencies(Arc<ArcSwap<Box<[Box<str>]>>>);

// === impl Residencies ===

impl Residencies {
    /// Takes the labels; repeated ones do no harm.
    pub fn new<L>(labels: impl IntoIterator<Item = L>) -> Self
    where
        L: Into<Box<str>>,
    {
        Self(Arc::new(ArcSwap::from_pointee(boxed(labels))))
    }

    /// Puts other labels in the place of all there are.
    pub fn replace<L>(&self, labels: impl IntoIterator<Item = L>)
    where
        L: Into<Box<str>>,
    {
        self.0.store(Arc::new(boxed(labels)));
    }

    /// Whether the tenant is bound to residencies of which there is no target.
    pub(super) fn exclude(&self, tenant: &Tenant) -> bool {
        tenant.residency_labels().is_some()
            && !self
                .0
                .load()
                .iter()
                .any(|label| tenant.allows_residency(Some(label)))
    }
}

impl<L, const N: usize> From<[L; N]> for Residencies
where
    L: Into<Box<str>>,
{
    fn from(labels: [L; N]) -> Self {
        Self::new(labels)
    }
}

impl<L> From<Vec<L>> for Residencies
where
    L: Into<Box<str>>,
{
    fn from(labels: Vec<L>) -> Self {
        Self::new(labels)
    }
}

impl<L> FromIterator<L> for Residencies
where
    L: Into<Box<str>>,
{
    fn from_iter<I>(labels: I) -> Self
    where
        I: IntoIterator<Item = L>,
    {
        Self::new(labels)
    }
}

impl fmt::Debug for Residencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Residencies").field(&*self.0.load()).finish()
    }
}

fn boxed<L>(labels: impl IntoIterator<Item = L>) -> Box<[Box<str>]>
where
    L: Into<Box<str>>,
{
    labels.into_iter().map(Into::into).collect()
}
