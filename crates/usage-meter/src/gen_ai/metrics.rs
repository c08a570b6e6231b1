use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use metrics::{Histogram, Label, Unit};
use tower_claude_core::Platform;
use tower_claude_pricing::model_name;

use super::facts;
use crate::handles::Handles;
use crate::labels::Values;
use crate::{Labels, UsageRecord, UsageSink};

/// A sink that counts calls for messages under OpenTelemetry's names, in whatever recorder of
/// the `metrics` crate is installed.
///
/// | name | kind | unit | what |
/// |---|---|---|---|
/// | [`gen_ai.client.token.usage`](Self::TOKEN_USAGE) | histogram | tokens | of a call, by `gen_ai.token.type` |
/// | [`gen_ai.client.operation.duration`](Self::OPERATION_DURATION) | histogram | seconds | start to end of the answer |
/// | [`gen_ai.client.operation.time_to_first_chunk`](Self::TIME_TO_FIRST_CHUNK) | histogram | seconds | start to the first content, streams only |
///
/// | label | of | values |
/// |---|---|---|
/// | `gen_ai.operation.name` | all | `chat` |
/// | `gen_ai.provider.name` | all | `anthropic`, `aws.bedrock`, `gcp.vertex_ai`, `azure.ai.foundry` |
/// | `gen_ai.request.model` | all, if there is one | the model asked, of [`Labels::models`], and `other` |
/// | `gen_ai.response.model` | all, if there is one | the model that answered, as above |
/// | `gen_ai.token.type` | tokens | `input`, which includes what the cache gave and took; `output` |
/// | `error.type` | duration, if it failed | the API's, `truncated`, `dropped`, and `_OTHER` |
///
/// What we refused before anybody was asked is no operation of a provider, and not in there;
/// nor are tokens that are not known. A recorder that renames, as that of Prometheus does, turns
/// dots into underscores. It takes buckets: [`TOKEN_BUCKETS`](Self::TOKEN_BUCKETS) and
/// [`SECONDS_BUCKETS`](Self::SECONDS_BUCKETS) are those of the conventions.
///
/// Install the recorder first: what is counted before is lost.
///
/// ```
/// use tower_claude_usage_meter::{GenAiMetrics, Labels, UsageMeterLayer};
///
/// let sink = GenAiMetrics::new(Labels::new().models(["claude-opus-5-5"]));
/// let layer = UsageMeterLayer::new(sink);
/// # let _ = layer;
/// ```
pub struct GenAiMetrics(ArcSwap<Book>);

/// The handles of all label sets that were met, under one set of labels.
#[derive(Default)]
struct Book {
    labels: Labels,
    operations: Handles<Key, Arc<Operation>>,
}

/// The labels of a call; models by number, `None` where there is no model.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    platform: Platform,
    request_model: Option<u16>,
    response_model: Option<u16>,
    error: Option<&'static str>,
}

/// What calls of one label set count in; each is made when there is something to count.
struct Operation {
    labels: Vec<Label>,
    error: Option<&'static str>,
    duration: OnceLock<Histogram>,
    first_chunk: OnceLock<Histogram>,
    input: OnceLock<Histogram>,
    output: OnceLock<Histogram>,
}

// === impl GenAiMetrics ===

impl GenAiMetrics {
    /// Tokens of a call.
    pub const TOKEN_USAGE: &str = "gen_ai.client.token.usage";
    /// Seconds from the start of a call to the end of its answer.
    pub const OPERATION_DURATION: &str = "gen_ai.client.operation.duration";
    /// Seconds from the start of a call to the first content of its stream.
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";

    /// The buckets of the conventions for [`TOKEN_USAGE`](Self::TOKEN_USAGE).
    pub const TOKEN_BUCKETS: [f64; 14] = [
        1.0,
        4.0,
        16.0,
        64.0,
        256.0,
        1_024.0,
        4_096.0,
        16_384.0,
        65_536.0,
        262_144.0,
        1_048_576.0,
        4_194_304.0,
        16_777_216.0,
        67_108_864.0,
    ];
    /// The buckets of the conventions for the other two.
    pub const SECONDS_BUCKETS: [f64; 14] = [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ];

    /// Counts under these labels, of which only the models are used.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        metrics::describe_histogram!(Self::TOKEN_USAGE, Unit::Count, "Tokens of a call.");
        metrics::describe_histogram!(
            Self::OPERATION_DURATION,
            Unit::Seconds,
            "To the end of the answer."
        );
        metrics::describe_histogram!(
            Self::TIME_TO_FIRST_CHUNK,
            Unit::Seconds,
            "To the first content of a stream."
        );
        Self(ArcSwap::from_pointee(Book::new(labels)))
    }

    /// Counts under other labels from now on, as after a change of configuration.
    pub fn replace(&self, labels: Labels) {
        self.0.store(Arc::new(Book::new(labels)));
    }
}

impl UsageSink for GenAiMetrics {
    fn record(&self, record: Arc<UsageRecord>) {
        if facts::is_chat(&record) && !facts::is_our_own(&record) {
            self.0.load().record(&record);
        }
    }
}

impl fmt::Debug for GenAiMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GenAiMetrics")
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
        let models = &self.labels.models;
        let key = Key {
            platform: facts::platform(record),
            request_model: record.model.as_deref().map(|model| number(models, model)),
            response_model: record
                .served_model
                .as_deref()
                .map(|model| number(models, model)),
            error: facts::error_type(record),
        };
        self.operations.with(
            key,
            |key| Arc::new(Operation::new(key, models)),
            |operation| operation.record(record),
        );
    }
}

// === impl Operation ===

impl Operation {
    fn new(key: Key, models: &Values) -> Self {
        let mut labels = vec![
            Label::from_static_parts("gen_ai.operation.name", facts::CHAT),
            Label::from_static_parts("gen_ai.provider.name", facts::provider(key.platform)),
        ];
        for (name, model) in [
            ("gen_ai.request.model", key.request_model),
            ("gen_ai.response.model", key.response_model),
        ] {
            labels.extend(model.map(|model| Label::new(name, models.value(model).to_owned())));
        }
        Self {
            labels,
            error: key.error,
            duration: OnceLock::new(),
            first_chunk: OnceLock::new(),
            input: OnceLock::new(),
            output: OnceLock::new(),
        }
    }

    fn record(&self, record: &UsageRecord) {
        if let Some(latency) = record.latency {
            self.duration
                .get_or_init(|| {
                    let error = self.error.map(|error| ("error.type", error));
                    self.histogram(GenAiMetrics::OPERATION_DURATION, error)
                })
                .record(latency.as_secs_f64());
        }
        if let Some(time) = record.time_to_first_token.filter(|_| record.stream) {
            self.first_chunk
                .get_or_init(|| self.histogram(GenAiMetrics::TIME_TO_FIRST_CHUNK, None))
                .record(time.as_secs_f64());
        }
        for (handle, kind, tokens) in [
            (&self.input, "input", facts::input_tokens(record)),
            (&self.output, "output", record.output_tokens),
        ] {
            if let Some(tokens) = tokens {
                let kind = Some(("gen_ai.token.type", kind));
                handle
                    .get_or_init(|| self.histogram(GenAiMetrics::TOKEN_USAGE, kind))
                    .record(fraction(tokens));
            }
        }
    }

    fn histogram(
        &self,
        name: &'static str,
        further: Option<(&'static str, &'static str)>,
    ) -> Histogram {
        let mut labels = self.labels.clone();
        labels.extend(further.map(|(name, value)| Label::from_static_parts(name, value)));
        metrics::histogram!(name, labels)
    }
}

/// The number of a model's label; 0 if it is not listed.
fn number(models: &Values, model: &str) -> u16 {
    match models.number(Some(model)) {
        // The same model by the name of a platform, or with its date.
        0 => models.number(Some(model_name(model))),
        exact => exact,
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are binary fractions")]
const fn fraction(tokens: u64) -> f64 {
    tokens as f64
}
