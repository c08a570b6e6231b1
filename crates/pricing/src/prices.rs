use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::PriceTable;
use arc_swap::ArcSwap;

/// A price table that can be replaced while calls run.
///
/// A clone is the same handle. A call is priced by the table that is in force when it ends.
///
/// ```
/// use tower_claude_pricing::{Price, PriceTable, Prices, Rate, Rates};
///
/// // One handle for all layers that price.
/// let prices = Prices::default();
/// let (for_budget, for_meter) = (prices.clone(), prices.clone());
///
/// let rates = Rates::new(Rate::per_million_tokens("3")?, Rate::per_million_tokens("15")?);
/// prices.replace(PriceTable::builtin().price("my-deployment", Price::new(rates)));
/// assert!(for_meter.table().is_priced("my-deployment"));
/// # drop(for_budget);
/// # Ok::<(), tower_claude_pricing::ParseCostError>(())
/// ```
#[derive(Clone)]
pub struct Prices(Arc<ArcSwap<PriceTable>>);

// === impl Prices ===

impl Prices {
    /// Begins with a table.
    #[must_use]
    pub fn new(table: impl Into<Arc<PriceTable>>) -> Self {
        Self(Arc::new(ArcSwap::new(table.into())))
    }

    /// Replaces the table, for all calls that end from now on.
    pub fn replace(&self, table: impl Into<Arc<PriceTable>>) {
        self.0.store(table.into());
    }

    /// The table in force.
    #[must_use]
    pub fn table(&self) -> Arc<PriceTable> {
        self.0.load_full()
    }

    /// The table in force, for a moment: cheaper than [`table`](Self::table).
    #[must_use]
    pub fn load(&self) -> impl Deref<Target = Arc<PriceTable>> {
        self.0.load()
    }
}

impl Default for Prices {
    /// The built-in table.
    fn default() -> Self {
        Self::new(PriceTable::builtin())
    }
}

impl From<PriceTable> for Prices {
    fn from(table: PriceTable) -> Self {
        Self::new(table)
    }
}

impl From<Arc<PriceTable>> for Prices {
    fn from(table: Arc<PriceTable>) -> Self {
        Self::new(table)
    }
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prices({})", self.load().version())
    }
}
