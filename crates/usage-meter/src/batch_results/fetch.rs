use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::header::CONTENT_ENCODING;
use http::{Method, Request, response};
use tower_claude_core::{Call, Endpoint, RequestId, ServiceTier, Target};
use tower_claude_pricing::{Answered, Day, Unpriced};

use super::line::meter;
use super::results::Unmetered;
use super::{BatchResults, Reading};
use crate::bill::is_success;
use crate::shared::{Ledger, Settings};
use crate::{AttemptRecords, Delivery, Outcome, UsageRecord, UsageSource, metered};

/// A call that asks for the results of a batch: the ledger of its own record, and of those of
/// the results.
pub(crate) struct Fetch {
    ledger: Arc<dyn Ledger>,
    results: BatchResults,
    batch: Box<str>,
    /// Whether there may be results that cost something and have no record.
    has_missed: AtomicBool,
    /// Whether the record of a result is not where it should be.
    is_undelivered: AtomicBool,
}

// === impl Fetch ===

impl Fetch {
    /// The ledger for a request: one of this kind where it asks for results that are metered.
    pub(crate) fn ledger_for<B>(ledger: Arc<dyn Ledger>, request: &Request<B>) -> Arc<dyn Ledger> {
        let Some(results) = &ledger.settings().batch_results else {
            return ledger;
        };
        let is_get = request.method() == Method::GET;
        // Whether it is one of the API at all, the endpoint tells later.
        match batch(request.uri().path()).filter(|_| is_get) {
            Some(batch) => Arc::new(Self {
                results: results.clone(),
                batch: batch.into(),
                has_missed: AtomicBool::new(false),
                is_undelivered: AtomicBool::new(false),
                ledger,
            }),
            None => ledger,
        }
    }

    /// Begins to read the answer along, if it has results that can be read; `call_record` is
    /// that of the call so far.
    pub(crate) fn read(
        self: Arc<Self>,
        head: &response::Parts,
        call: &Call,
        call_record: &UsageRecord,
    ) -> Option<Reading> {
        if call.endpoint() != Endpoint::Batches || !head.status.is_success() {
            return None;
        }
        let mut codings = head.headers.get_all(CONTENT_ENCODING).iter();
        if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            self.miss(Unmetered::Unreadable);
            return None;
        }
        let template = UsageRecord {
            target: asked_last(call).or_else(|| call_record.target.clone()),
            status: Some(head.status.as_u16()),
            outcome: Outcome::Complete,
            attempt_log: AttemptRecords::EMPTY,
            usage_source: UsageSource::None,
            latency: None,
            ..call_record.clone()
        };
        Some(Reading::new(self, template))
    }

    pub(crate) fn results(&self) -> &BatchResults {
        &self.results
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    pub(crate) fn batch(&self) -> &str {
        &self.batch
    }

    /// A result was not metered.
    pub(crate) fn miss(&self, unmetered: Unmetered) {
        self.has_missed.store(true, Relaxed);
        self.results.count(unmetered);
    }

    /// The caller must not get the end of the results.
    pub(crate) fn undelivered(&self) {
        self.is_undelivered.store(true, Relaxed);
    }

    /// The record of a result.
    pub(crate) fn record(
        &self,
        template: &UsageRecord,
        custom_id: &str,
        message: bytes::Bytes,
    ) -> UsageRecord {
        let settings = self.ledger.settings();
        let mut record = template.clone();
        record.request_id = RequestId::generate();
        record.session = Some(format!("{}/{custom_id}", self.batch).into());
        let mut metered = meter(message);
        let tier = &mut metered.usage.service_tier;
        // A tier that nobody knows is left as it is: what it costs is not known either.
        if !matches!(tier, Some(ServiceTier::Other(_))) {
            *tier = Some(ServiceTier::Batch);
        }
        metered::write(&mut record, &metered, &settings.names);
        let prices = settings.prices.load();
        let seconds = record.timestamp.unix_millis() / 1_000;
        let known = Answered {
            asked: None,
            target: record.target.as_ref(),
            at: Day::from_unix_seconds(u64::try_from(seconds).unwrap_or(0)),
        };
        let cost = prices.answer_cost(&metered, known);
        record.bill(cost);
        record.price_version = metered.usage.is_known().then(|| prices.version());
        record
    }

    /// The call itself costs nothing, unless a result is missing: then it is not known.
    fn price(&self, record: &mut Arc<UsageRecord>) {
        if self.has_missed.load(Relaxed)
            && let Some(record) = Arc::get_mut(record)
            && record.endpoint == Endpoint::Batches
            && is_success(record.status)
        {
            record.bill(Err(Unpriced::UsageMissing));
        }
    }
}

impl Ledger for Fetch {
    fn settings(&self) -> &Settings {
        self.ledger.settings()
    }

    fn hand_over(&self, mut record: Arc<UsageRecord>) {
        self.price(&mut record);
        self.ledger.hand_over(record);
    }

    fn deliver(&self, mut record: Arc<UsageRecord>) -> Delivery {
        self.price(&mut record);
        let delivery = self.ledger.deliver(record);
        match self.is_undelivered.load(Relaxed) {
            true => delivery.and(Delivery::failed()),
            false => delivery,
        }
    }

    fn is_ready(&self) -> bool {
        self.ledger.is_ready()
    }

    fn holds(&self) -> bool {
        self.ledger.holds()
    }

    fn fetch(self: Arc<Self>) -> Option<Arc<Fetch>> {
        Some(self)
    }
}

/// The batch whose results are at a path.
fn batch(path: &str) -> Option<&str> {
    let mut segments = path.rsplit('/');
    let is_results = segments.next() == Some("results");
    let batch = segments.next().filter(|batch| !batch.is_empty());
    let is_batch = segments.next() == Some("batches");
    batch.filter(|_| is_results && is_batch)
}

/// Where the answer came from, as far as there is a log.
fn asked_last(call: &Call) -> Option<Target> {
    let mut target = None;
    let mut is_final = false;
    call.attempts().for_each(|attempt| {
        if attempt.is_final || !is_final {
            target.clone_from(&attempt.target);
        }
        is_final |= attempt.is_final;
    });
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_told_by_the_path_of_its_results() {
        for (path, expected) in [
            (
                "/v1/messages/batches/msgbatch_1/results",
                Some("msgbatch_1"),
            ),
            (
                "/claude/v1/messages/batches/results/results",
                Some("results"),
            ),
            ("/v1/messages/batches/results", None),
            ("/v1/messages/batches/msgbatch_1", None),
            ("/v1/messages/batches/msgbatch_1/cancel", None),
            ("/v1/messages/batches//results", None),
            ("results", None),
            ("", None),
        ] {
            assert_eq!(batch(path), expected, "{path}");
        }
    }
}
