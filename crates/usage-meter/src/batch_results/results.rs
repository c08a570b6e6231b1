use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::FirstSeen;

/// How the results of batches are metered, and how that fares. A clone is the same counters.
///
/// ```
/// use tower_claude_usage_meter::{BatchResults, SeenResults, UsageMeterLayer};
///
/// let results = BatchResults::new(SeenResults::default());
/// let layer = UsageMeterLayer::new(()).batch_results(results.clone());
/// # let _ = layer;
/// // Later, for metrics:
/// assert_eq!((results.metered(), results.failed()), (0, 0));
/// ```
#[derive(Clone)]
pub struct BatchResults(Arc<Inner>);

struct Inner {
    first_seen: Box<dyn FirstSeen + Send + Sync>,
    metered: AtomicU64,
    repeated: AtomicU64,
    failed: AtomicU64,
    unreadable: AtomicU64,
    too_long: AtomicU64,
    /// Questions that have been asked and not been dealt with.
    open: AtomicUsize,
    settled: Notify,
}

/// Why a result was not metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmetered {
    /// Nobody could say whether it was seen before.
    Failed,
    Unreadable,
    TooLong,
}

// === impl BatchResults ===

impl BatchResults {
    /// Asks this [`FirstSeen`] about every result that costs something.
    pub fn new<F>(first_seen: F) -> Self
    where
        F: FirstSeen + Send + Sync + 'static,
    {
        Self(Arc::new(Inner {
            first_seen: Box::new(first_seen),
            metered: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            too_long: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            settled: Notify::new(),
        }))
    }

    /// Results that have got a record.
    #[must_use]
    pub fn metered(&self) -> u64 {
        self.0.metered.load(Ordering::Relaxed)
    }

    /// Results that were fetched again and have got no second record.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.0.repeated.load(Ordering::Relaxed)
    }

    /// Results that were not metered, because nobody could say whether they were seen before.
    ///
    /// The next who fetches them has them metered, unless they have been remembered all the
    /// same.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Lines that were not metered, because they are none of results as we know them; an
    /// answer that came compressed counts as one.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.0.unreadable.load(Ordering::Relaxed)
    }

    /// Lines that were not metered, because they have more than 16 MiB.
    #[must_use]
    pub fn too_long(&self) -> u64 {
        self.0.too_long.load(Ordering::Relaxed)
    }

    /// Waits until no result waits for an answer of [`FirstSeen`], as after callers that left.
    ///
    /// At the end of a process: when the last call has ended, and before the sink is closed.
    /// Dropping it changes nothing.
    pub async fn settled(&self) {
        loop {
            let settled = self.0.settled.notified();
            if self.0.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            settled.await;
        }
    }

    pub(crate) fn first_seen(&self) -> &dyn FirstSeen {
        &*self.0.first_seen
    }

    pub(crate) fn count_metered(&self) {
        self.0.metered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_repeated(&self) {
        self.0.repeated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, unmetered: Unmetered) {
        let count = match unmetered {
            Unmetered::Failed => &self.0.failed,
            Unmetered::Unreadable => &self.0.unreadable,
            Unmetered::TooLong => &self.0.too_long,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.0.open.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn close(&self) {
        if self.0.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.settled.notify_waiters();
        }
    }
}

impl<F> From<F> for BatchResults
where
    F: FirstSeen + Send + Sync + 'static,
{
    fn from(first_seen: F) -> Self {
        Self::new(first_seen)
    }
}

impl fmt::Debug for BatchResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchResults")
            .field("metered", &self.metered())
            .field("repeated", &self.repeated())
            .field("failed", &self.failed())
            .field("unreadable", &self.unreadable())
            .field("too_long", &self.too_long())
            .finish_non_exhaustive()
    }
}
