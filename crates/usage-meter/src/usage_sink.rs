use std::fmt;
use std::sync::Arc;

use crate::UsageRecord;

/// Where records go.
///
/// It is called once for every call, from wherever the call ends: inside a poll, or inside a
/// drop. So it must not block and must be quick; what takes time belongs behind a bounded
/// queue, as in [`JsonLines`](crate::JsonLines). A panic of a sink is caught and ends there.
///
/// Closures, `Arc<T>`, tuples of sinks and `()` (which drops everything) are sinks too.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tower_claude_usage_meter::{UsageRecord, UsageSink};
///
/// /// Counts the output tokens of all calls.
/// #[derive(Default)]
/// struct OutputTokens(AtomicU64);
///
/// impl UsageSink for OutputTokens {
///     fn record(&self, record: Arc<UsageRecord>) {
///         self.0.fetch_add(record.output_tokens.unwrap_or(0), Ordering::Relaxed);
///     }
/// }
/// # fn is_sink<K: UsageSink>(_: K) {}
/// # is_sink((OutputTokens::default(), |record: Arc<UsageRecord>| drop(record)));
/// ```
pub trait UsageSink {
    /// Takes the record of a call that has ended.
    fn record(&self, record: Arc<UsageRecord>);
}

/// Several sinks, as many as there turn out to be; each gets every record.
///
/// For a number that is known, a tuple does the same.
#[derive(Clone, Default)]
#[must_use]
pub struct Fanout(Vec<Arc<dyn UsageSink + Send + Sync>>);

// === impl UsageSink ===

impl<F> UsageSink for F
where
    F: Fn(Arc<UsageRecord>),
{
    fn record(&self, record: Arc<UsageRecord>) {
        self(record);
    }
}

impl<T> UsageSink for Arc<T>
where
    T: UsageSink + ?Sized,
{
    fn record(&self, record: Arc<UsageRecord>) {
        T::record(self, record);
    }
}

impl<T> UsageSink for Option<T>
where
    T: UsageSink,
{
    /// Drops the record if there is no sink.
    fn record(&self, record: Arc<UsageRecord>) {
        if let Some(sink) = self {
            sink.record(record);
        }
    }
}

impl UsageSink for () {
    fn record(&self, _: Arc<UsageRecord>) {}
}

impl<A, B> UsageSink for (A, B)
where
    A: UsageSink,
    B: UsageSink,
{
    fn record(&self, record: Arc<UsageRecord>) {
        self.0.record(Arc::clone(&record));
        self.1.record(record);
    }
}

impl<A, B, C> UsageSink for (A, B, C)
where
    A: UsageSink,
    B: UsageSink,
    C: UsageSink,
{
    fn record(&self, record: Arc<UsageRecord>) {
        self.0.record(Arc::clone(&record));
        self.1.record(Arc::clone(&record));
        self.2.record(record);
    }
}

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
            sink.record(Arc::clone(&record));
        }
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fanout({} sinks)", self.0.len())
    }
}
