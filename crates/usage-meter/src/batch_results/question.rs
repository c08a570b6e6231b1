use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sync_wrapper::SyncFuture;

use super::results::Unmetered;
use super::{Fetch, FirstSeenFuture};
use crate::{Delivery, UsageRecord};

/// A result about which it was asked whether it is seen for the first time.
///
/// Dropped before the answer, it counts as one that failed.
pub(crate) struct Question {
    answer: SyncFuture<FirstSeenFuture>,
    pending: Option<Pending>,
}

/// What is to be done with a result once there is an answer.
#[must_use = "it counts as failed unless it is settled"]
pub(crate) struct Answered {
    /// `None` where there was none.
    is_first: Option<bool>,
    pending: Pending,
}

/// A result that is not settled.
struct Pending {
    fetch: Arc<Fetch>,
    /// Taken when it is.
    record: Option<Arc<UsageRecord>>,
}

// === impl Question ===

impl Question {
    /// Asks; `None` if asking failed, which is counted.
    pub(crate) fn ask(fetch: Arc<Fetch>, custom_id: &str, record: UsageRecord) -> Option<Self> {
        let first_seen = fetch.results().first_seen();
        let ask = || first_seen.first_seen(fetch.batch(), custom_id);
        let answer = catch_unwind(AssertUnwindSafe(ask)).ok();
        fetch.results().open();
        let pending = Pending {
            record: Some(Arc::new(record)),
            fetch,
        };
        Some(Self {
            answer: SyncFuture::new(answer?),
            pending: Some(pending),
        })
    }
}

impl Future for Question {
    type Output = Answered;

    /// A panic in there is a failure of one result.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        let this = self.get_mut();
        let answer = AssertUnwindSafe(|| Pin::new(&mut this.answer).poll(cx));
        let is_first = match catch_unwind(answer) {
            Ok(answer) => ready!(answer).ok(),
            Err(_) => None,
        };
        let Some(pending) = this.pending.take() else {
            panic!("Question polled after it was ready");
        };
        Poll::Ready(Answered { is_first, pending })
    }
}

// === impl Answered ===

impl Answered {
    /// Records the result if it is the first time, for a caller who waits.
    pub(crate) fn settle(self) -> Delivery {
        self.finish(|fetch, record| fetch.ledger().deliver(record))
    }

    /// The same where nobody waits.
    pub(crate) fn settle_unheard(self) {
        drop(self.finish(|fetch, record| {
            fetch.ledger().hand_over(record);
            Delivery::delivered()
        }));
    }

    fn finish(mut self, record: impl FnOnce(&Fetch, Arc<UsageRecord>) -> Delivery) -> Delivery {
        let fetch = &self.pending.fetch;
        let Some(is_first) = self.is_first else {
            return Delivery::delivered();
        };
        let Some(taken) = self.pending.record.take() else {
            return Delivery::delivered();
        };
        if !is_first {
            fetch.results().count_repeated();
            return Delivery::delivered();
        }
        let delivery = record(fetch, taken);
        fetch.results().count_metered();
        delivery
    }
}

// === impl Pending ===

impl Drop for Pending {
    fn drop(&mut self) {
        if self.record.is_some() {
            self.fetch.miss(Unmetered::Failed);
        }
        self.fetch.results().close();
    }
}
