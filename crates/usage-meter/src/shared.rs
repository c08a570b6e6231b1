use std::sync::Arc;

use tower_claude_core::{Attribution, Intake};

use crate::batch_results::Fetch;
use crate::names::Names;
use crate::usage_sink::{deliver_to, record_in};
use crate::{BatchResults, Delivery, Prices, UsageRecord, UsageSink};

/// What a layer and all its services have in common.
pub(crate) struct Shared<K> {
    pub(crate) sink: Arc<K>,
    pub(crate) settings: Settings,
}

/// All of it but the sink.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) intake: Intake,
    pub(crate) prices: Prices,
    pub(crate) names: Arc<Names>,
    /// Where the results of batches are metered.
    pub(crate) batch_results: Option<BatchResults>,
    /// The feature of calls that name none, kept so that it is not looked up.
    pub(crate) unknown_feature: Arc<str>,
}

/// The same without its type, so that futures and bodies do not carry the sink's.
pub(crate) trait Ledger: Send + Sync {
    fn settings(&self) -> &Settings;

    /// Gives a record to the sink. Never panics: it is called in drops, and while unwinding.
    fn hand_over(&self, record: Arc<UsageRecord>);

    /// As [`hand_over`](Self::hand_over), for a caller who waits.
    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery;

    /// Whether the sink can take records as it promises.
    fn is_ready(&self) -> bool;

    /// Whether the sink holds the ends of answers back.
    fn holds(&self) -> bool;

    /// The same where the call asks for the results of a batch that are to be metered.
    fn fetch(self: Arc<Self>) -> Option<Arc<Fetch>> {
        None
    }
}

// === impl Shared ===

impl<K> Shared<K> {
    pub(crate) fn new(sink: K) -> Self {
        Self {
            sink: Arc::new(sink),
            settings: Settings {
                intake: Intake::new(),
                prices: Prices::default(),
                names: Arc::default(),
                batch_results: None,
                unknown_feature: Attribution::UNKNOWN_FEATURE.into(),
            },
        }
    }
}

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self {
            sink: Arc::clone(&self.sink),
            settings: self.settings.clone(),
        }
    }
}

impl<K> Ledger for Shared<K>
where
    K: UsageSink + Send + Sync,
{
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn hand_over(&self, record: Arc<UsageRecord>) {
        record_in(&*self.sink, record);
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        deliver_to(&*self.sink, record)
    }

    fn is_ready(&self) -> bool {
        self.sink.is_ready()
    }

    fn holds(&self) -> bool {
        self.sink.holds()
    }
}
