use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::{Delivery, UsageRecord};

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

    /// Takes the record of a call whose caller waits for the end of the answer.
    ///
    /// The last event of a stream, or the last bytes of a body, are held back until the
    /// delivery is there; if it fails, the caller does not get them. By default there is
    /// nothing to wait for.
    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        self.record(record);
        Delivery::delivered()
    }

    /// Whether records can be taken as promised. While not, calls are refused.
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether deliveries are worth waiting for. If not, the last data of a body whose length
    /// is not told passes before the body has ended.
    fn holds(&self) -> bool {
        false
    }
}

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

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        T::deliver(self, record)
    }

    fn is_ready(&self) -> bool {
        T::is_ready(self)
    }

    fn holds(&self) -> bool {
        T::holds(self)
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

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        match self {
            Some(sink) => sink.deliver(record),
            None => Delivery::delivered(),
        }
    }

    fn is_ready(&self) -> bool {
        self.as_ref().is_none_or(UsageSink::is_ready)
    }

    fn holds(&self) -> bool {
        self.as_ref().is_some_and(UsageSink::holds)
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
        record_in(&self.0, Arc::clone(&record));
        record_in(&self.1, record);
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        let first = deliver_to(&self.0, Arc::clone(&record));
        first.and(deliver_to(&self.1, record))
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready() && self.1.is_ready()
    }

    fn holds(&self) -> bool {
        self.0.holds() || self.1.holds()
    }
}

impl<A, B, C> UsageSink for (A, B, C)
where
    A: UsageSink,
    B: UsageSink,
    C: UsageSink,
{
    fn record(&self, record: Arc<UsageRecord>) {
        record_in(&self.0, Arc::clone(&record));
        record_in(&self.1, Arc::clone(&record));
        record_in(&self.2, record);
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        let first = deliver_to(&self.0, Arc::clone(&record));
        let second = deliver_to(&self.1, Arc::clone(&record));
        first.and(second).and(deliver_to(&self.2, record))
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready() && self.1.is_ready() && self.2.is_ready()
    }

    fn holds(&self) -> bool {
        self.0.holds() || self.1.holds() || self.2.holds()
    }
}

/// Gives a record to a sink. A panic of it ends here: others get the record too, and a second
/// one, while unwinding, would end the process.
pub(crate) fn record_in<K>(sink: &K, record: Arc<UsageRecord>)
where
    K: UsageSink + ?Sized,
{
    let _ = catch_unwind(AssertUnwindSafe(|| sink.record(record)));
}

/// The same for a caller who waits: for a sink that is to be waited for, a panic is a failure.
pub(crate) fn deliver_to<K>(sink: &K, record: Arc<UsageRecord>) -> Delivery
where
    K: UsageSink + ?Sized,
{
    let delivery = catch_unwind(AssertUnwindSafe(|| sink.deliver(record)));
    delivery.unwrap_or_else(|_| match sink.holds() {
        true => Delivery::failed(),
        false => Delivery::delivered(),
    })
}
