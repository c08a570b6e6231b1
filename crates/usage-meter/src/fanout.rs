use std::fmt;
use std::sync::Arc;

use crate::usage_sink::{deliver_to, record_in};
use crate::{Delivery, UsageRecord, UsageSink};

/// Several sinks, as many as there turn out to be; each gets every record.
///
/// For a number that is known, a tuple does the same.
#[derive(Clone, Default)]
#[must_use]
pub struct Fanout(Vec<Arc<dyn UsageSink + Send + Sync>>);

// === impl Fanout ===

impl Fanout {
    /// No sink yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink.
    pub fn sink<K>(mut self, sink: K) -> Self
    where
        K: UsageSink + Send + Sync + 'static,
    {
        self.0.push(Arc::new(sink));
        self
    }
}

impl UsageSink for Fanout {
    fn record(&self, record: Arc<UsageRecord>) {
        for sink in &self.0 {
            record_in(sink, Arc::clone(&record));
        }
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        let sinks = self.0.iter();
        sinks.fold(Delivery::delivered(), |delivery, sink| {
            delivery.and(deliver_to(sink, Arc::clone(&record)))
        })
    }

    fn is_ready(&self) -> bool {
        self.0.iter().all(UsageSink::is_ready)
    }

    fn holds(&self) -> bool {
        self.0.iter().any(UsageSink::holds)
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fanout({} sinks)", self.0.len())
    }
}
