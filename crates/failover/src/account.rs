use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::Instant;
use tower_claude_core::RateLimits;

use crate::ModelClass;
use crate::allowance::{Allowance, Outgoing};

/// What the account behind a target has left, by class of models.
#[derive(Debug, Default)]
pub(crate) struct Account {
    allowances: [Mutex<Allowance>; ModelClass::ALL.len()],
    /// How many values of headers were not believed.
    distrusted: AtomicU64,
}

// === impl Account ===

impl Account {
    /// A call about a message goes out.
    pub(crate) fn start(&self, class: ModelClass, now: Instant) -> Outgoing {
        self.allowance(class).start(now)
    }

    /// The head of its answer has come.
    pub(crate) fn learn(&self, class: ModelClass, call: &mut Outgoing, headers: &HeaderMap) {
        if !RateLimits::are_in(headers) {
            return self.allowance(class).hear(call);
        }
        let told = RateLimits::read(headers, SystemTime::now());
        self.distrust(told.distrusted);
        self.allowance(class).learn(call, &told, Instant::now());
    }

    /// The call has ended; input is without what was read from the cache.
    pub(crate) fn end(
        &self,
        class: ModelClass,
        call: Outgoing,
        (input, output): (Option<u64>, Option<u64>),
    ) {
        self.allowance(class).end(call, input, output);
    }

    /// How long one more call would be too much; `None` if it is not, as far as is known.
    pub(crate) fn short_for(&self, class: ModelClass, now: Instant) -> Option<Duration> {
        self.allowance(class).closed_for(now)
    }

    /// The share of each limit that is used; see [`Allowance::used`].
    pub(crate) fn used(&self, class: ModelClass, now: Instant) -> [Option<f64>; 4] {
        self.allowance(class).used(now)
    }

    /// Values of headers were ignored or cut.
    pub(crate) fn distrust(&self, values: u8) {
        if values > 0 {
            self.distrusted.fetch_add(values.into(), Relaxed);
        }
    }

    pub(crate) fn distrusted(&self) -> u64 {
        self.distrusted.load(Relaxed)
    }

    fn allowance(&self, class: ModelClass) -> MutexGuard<'_, Allowance> {
        let allowance = self.allowances[class.index()].lock();
        allowance.unwrap_or_else(PoisonError::into_inner)
    }
}
