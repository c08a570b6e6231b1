use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use metrics::{Counter, Histogram, Unit};
use tower_claude_core::{Attribution, FailureKind};
use tower_claude_pricing::model_name;

use crate::handles::Handles;
use crate::spending::Spending;
use crate::{Labels, Outcome, UsageRecord, UsageSink};

/// A sink that counts calls in whatever recorder of the `metrics` crate is installed.
///
/// | name | kind | labels | what |
/// |---|---|---|---|
/// | [`claude_requests_total`](Self::REQUESTS) | counter | tenant, feature, model, target, outcome, status | calls; not the results of batches |
/// | [`claude_tokens_total`](Self::TOKENS) | counter | tenant, feature, model, kind | tokens, as recorded |
/// | [`claude_cost_usd_total`](Self::COST) | gauge that only rises | tenant, feature, model | dollars |
/// | [`claude_request_duration_seconds`](Self::DURATION) | histogram | | start to end of the answer |
/// | [`claude_time_to_first_token_seconds`](Self::FIRST_TOKEN) | histogram | | start to the first content |
/// | [`claude_attempts_total`](Self::ATTEMPTS) | counter | target, reason | attempts, `first` or why they were made |
///
/// `model` is the model asked; `kind` is `input`, `output`, `cache_read`, `cache_creation_5m`
/// or `cache_creation_1h`; `status` is `none` where nothing was sent. The first four labels
/// have the values of [`Labels`] and `other`; a feature nobody named is `unknown`.
///
/// Counters of the `metrics` crate hold integers, so the cost is a gauge. It is a binary
/// fraction, for charts; exact costs are in the records.
///
/// Install the recorder first: what is counted before is lost.
///
/// ```
/// use tower_claude_usage_meter::{Labels, MetricsSink, UsageMeterLayer};
///
/// let sink = MetricsSink::new(Labels::new().tenants(["web"]).models(["claude-opus-5-5"]));
/// let layer = UsageMeterLayer::new(sink);
/// # let _ = layer;
/// ```
pub struct MetricsSink(ArcSwap<Book>);

/// The handles of all label sets that were met, under one set of labels.
#[derive(Default)]
struct Book {
    labels: Labels,
    calls: Handles<CallKey, Arc<Calls>>,
    spending: Handles<SpendingKey, Arc<Spending>>,
    attempts: Handles<AttemptKey, Counter>,
    duration: OnceLock<Histogram>,
    first_token: OnceLock<Histogram>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct CallKey {
    spending: SpendingKey,
    target: u16,
    outcome: Outcome,
    status: Option<u16>,
}

/// Who pays; numbers of label values, `None` for the feature that nobody named.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SpendingKey {
    tenant: u16,
    feature: Option<u16>,
    model: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct AttemptKey {
    target: u16,
    reason: Option<FailureKind>,
}

/// What a call of one label set counts in, so that all of it is found at once.
struct Calls {
    count: Counter,
    spending: Arc<Spending>,
    /// First attempts at the same target; only made for a call that has one.
    first_attempts: OnceLock<Counter>,
}

// === impl MetricsSink ===

impl MetricsSink {
    /// Calls.
    pub const REQUESTS: &str = "claude_requests_total";
    /// Tokens.
    pub const TOKENS: &str = "claude_tokens_total";
    /// Dollars.
    pub const COST: &str = "claude_cost_usd_total";
    /// Seconds from the start of a call to the end of its answer.
    pub const DURATION: &str = "claude_request_duration_seconds";
    /// Seconds from the start of a call to the first content.
    pub const FIRST_TOKEN: &str = "claude_time_to_first_token_seconds";
    /// Attempts.
    pub const ATTEMPTS: &str = "claude_attempts_total";

    /// Counts under these labels.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        metrics::describe_counter!(Self::REQUESTS, Unit::Count, "Calls, however they ended.");
        metrics::describe_counter!(Self::TOKENS, Unit::Count, "Tokens that answers report.");
        metrics::describe_gauge!(Self::COST, "Dollars spent; only rises.");
        metrics::describe_histogram!(Self::DURATION, Unit::Seconds, "To the end of the answer.");
        metrics::describe_histogram!(Self::FIRST_TOKEN, Unit::Seconds, "To the first content.");
        metrics::describe_counter!(
            Self::ATTEMPTS,
            Unit::Count,
            "Attempts at targets, by cause."
        );
        Self(ArcSwap::from_pointee(Book::new(labels)))
    }

    /// Counts under other labels from now on, as after a change of configuration.
    pub fn replace(&self, labels: Labels) {
        self.0.store(Arc::new(Book::new(labels)));
    }
}

impl UsageSink for MetricsSink {
    fn record(&self, record: Arc<UsageRecord>) {
        self.0.load().record(&record);
    }
}

impl fmt::Debug for MetricsSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MetricsSink")
            .field(&self.0.load().labels)
            .finish()
    }
}

// === impl Book ===

impl Book {
    fn new(labels: Labels) -> Self {
        Self {
            labels,
            ..Self::default()
        }
    }

    fn record(&self, record: &UsageRecord) {
        let spending = SpendingKey::of(record, &self.labels);
        let target = record.target.as_ref().map(tower_claude_core::Target::name);
        let call = CallKey {
            spending,
            target: self.labels.targets.number(target),
            outcome: record.outcome,
            status: record.status,
        };
        self.calls.with(
            call,
            |key| Arc::new(self.calls(key)),
            |calls| {
                if record.is_of_call() {
                    calls.count.increment(1);
                    self.record_attempts(record, call, calls);
                }
                calls.spending.record(record);
            },
        );
        if let Some(latency) = record.latency {
            self.duration
                .get_or_init(|| metrics::histogram!(MetricsSink::DURATION))
                .record(latency.as_secs_f64());
        }
        if let Some(first_token) = record.time_to_first_token {
            self.first_token
                .get_or_init(|| metrics::histogram!(MetricsSink::FIRST_TOKEN))
                .record(first_token.as_secs_f64());
        }
    }

    fn record_attempts(&self, record: &UsageRecord, call: CallKey, calls: &Calls) {
        let last = record.target.as_ref().map(tower_claude_core::Target::name);
        for attempt in record.attempt_log.iter() {
            let target = attempt.target.as_ref().map(tower_claude_core::Target::name);
            let key = AttemptKey {
                target: if target == last {
                    call.target
                } else {
                    self.labels.targets.number(target)
                },
                reason: attempt.retry_reason,
            };
            if key.target == call.target && key.reason.is_none() {
                let count = &calls.first_attempts;
                count.get_or_init(|| self.attempt_counter(key)).increment(1);
            } else {
                self.attempts.with(
                    key,
                    |key| self.attempt_counter(key),
                    |count| count.increment(1),
                );
            }
        }
    }

    fn calls(&self, key: CallKey) -> Calls {
        let mut found = None;
        self.spending.with(
            key.spending,
            |key| Arc::new(self.spending_handles(key)),
            |spending| found = Some(Arc::clone(spending)),
        );
        Calls {
            count: self.call_counter(key),
            // It has run: the handles are there or were made.
            spending: found.unwrap_or_else(|| Arc::new(self.spending_handles(key.spending))),
            first_attempts: OnceLock::new(),
        }
    }

    fn call_counter(&self, key: CallKey) -> Counter {
        let [tenant, feature, model] = self.spending_labels(key.spending);
        metrics::counter!(
            MetricsSink::REQUESTS,
            "tenant" => tenant,
            "feature" => feature,
            "model" => model,
            "target" => self.labels.targets.value(key.target).to_owned(),
            "outcome" => key.outcome.as_str(),
            "status" => key.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
        )
    }

    fn attempt_counter(&self, key: AttemptKey) -> Counter {
        metrics::counter!(
            MetricsSink::ATTEMPTS,
            "target" => self.labels.targets.value(key.target).to_owned(),
            "reason" => key.reason.map_or("first", FailureKind::as_str),
        )
    }

    fn spending_handles(&self, key: SpendingKey) -> Spending {
        let [tenant, feature, model] = self.spending_labels(key);
        let tokens = |kind: &'static str| {
            metrics::counter!(
                MetricsSink::TOKENS,
                "tenant" => tenant.clone(),
                "feature" => feature.clone(),
                "model" => model.clone(),
                "kind" => kind,
            )
        };
        Spending {
            input: tokens("input"),
            output: tokens("output"),
            cache_read: tokens("cache_read"),
            cache_creation_5m: tokens("cache_creation_5m"),
            cache_creation_1h: tokens("cache_creation_1h"),
            cost: metrics::gauge!(
                MetricsSink::COST,
                "tenant" => tenant.clone(),
                "feature" => feature.clone(),
                "model" => model.clone(),
            ),
        }
    }

    fn spending_labels(&self, key: SpendingKey) -> [String; 3] {
        let feature = match key.feature {
            Some(number) => self.labels.features.value(number),
            None => Attribution::UNKNOWN_FEATURE,
        };
        [
            self.labels.tenants.value(key.tenant).to_owned(),
            feature.to_owned(),
            self.labels.models.value(key.model).to_owned(),
        ]
    }
}

// === impl SpendingKey ===

impl SpendingKey {
    fn of(record: &UsageRecord, labels: &Labels) -> Self {
        let model = record.model.as_deref();
        let exact = labels.models.number(model);
        Self {
            tenant: labels.tenants.number(
                record
                    .tenant
                    .as_ref()
                    .map(tower_claude_core::TenantId::as_str),
            ),
            feature: (*record.feature != *Attribution::UNKNOWN_FEATURE)
                .then(|| labels.features.number(Some(&record.feature))),
            model: match exact {
                // The same model by the name of a platform, or with its date.
                0 => labels.models.number(model.map(model_name)),
                exact => exact,
            },
        }
    }
}
