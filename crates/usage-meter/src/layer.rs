use std::fmt;
use std::sync::Arc;

use tower_claude_core::Intake;
use tower_layer::Layer;

use crate::shared::Shared;
use crate::{BatchResults, Prices, UsageMeter};

/// Records every call: what it cost, and who pays.
///
/// Its services share the sink and the prices. See the [crate documentation](crate).
#[must_use]
pub struct UsageMeterLayer<K = ()> {
    shared: Arc<Shared<K>>,
}

// === impl UsageMeterLayer ===

impl<K> UsageMeterLayer<K> {
    /// Records into this [`UsageSink`](crate::UsageSink), at the built-in prices.
    pub fn new(sink: K) -> Self {
        Self {
            shared: Arc::new(Shared::new(sink)),
        }
    }

    /// Prices calls by this table, or by a handle whose table can be replaced later.
    pub fn prices(mut self, prices: impl Into<Prices>) -> Self {
        Arc::make_mut(&mut self.shared).settings.prices = prices.into();
        self
    }

    /// Says how requests are taken in, where this layer is the first to read them.
    pub fn intake(mut self, intake: Intake) -> Self {
        Arc::make_mut(&mut self.shared).settings.intake = intake;
        self
    }

    /// Meters the results of batches, each once, for whoever fetches them first.
    ///
    /// It takes a [`FirstSeen`](crate::FirstSeen), or a [`BatchResults`] of one, which counts.
    /// Without, results pass and are not metered.
    pub fn batch_results(mut self, results: impl Into<BatchResults>) -> Self {
        Arc::make_mut(&mut self.shared).settings.batch_results = Some(results.into());
        self
    }

    /// The sink.
    #[must_use]
    pub fn sink(&self) -> &K {
        &self.shared.sink
    }
}

impl<S, K> Layer<S> for UsageMeterLayer<K> {
    type Service = UsageMeter<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        UsageMeter::new(inner, Arc::clone(&self.shared))
    }
}

impl<K> Clone for UsageMeterLayer<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K> fmt::Debug for UsageMeterLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageMeterLayer")
            .field("prices", &self.shared.settings.prices)
            .field("intake", &self.shared.settings.intake)
            .field("batch_results", &self.shared.settings.batch_results)
            .finish_non_exhaustive()
    }
}
