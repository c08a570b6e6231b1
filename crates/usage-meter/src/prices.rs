use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tower_claude_pricing::PriceTable;

/// A price table that can be replaced while calls run.
///
/// A clone is the same handle. A call is priced by the table that is in force when it ends.
///
/// ```
/// use tower_claude_pricing::{Price, PriceTable, Rate, Rates};
/// use tower_claude_usage_meter::{Prices, UsageMeterLayer};
///
/// let prices = Prices::default();
/// let layer = UsageMeterLayer::new(()).prices(prices.clone());
///
/// let rates = Rates::new(Rate::per_million_tokens("3")?, Rate::per_million_tokens("15")?);
/// prices.replace(PriceTable::builtin().price("my-deployment", Price::new(rates)));
/// # let _ = layer;
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

    pub(crate) fn load(&self) -> Guard<Arc<PriceTable>> {
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
