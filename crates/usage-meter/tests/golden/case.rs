use std::sync::Arc;

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_claude_core::{ServiceTier, Speed, Target};
use tower_claude_pricing::Unpriced;
use tower_claude_testkit::FakeClaude;
use tower_claude_usage_meter::UsageRecord;

use crate::sample::Sample;
use crate::support::{Records, message};

/// One call and the forms in which upstream may answer it, all to be recorded alike.
pub(crate) struct Case {
    asked: &'static str,
    target: Option<Target>,
    samples: Vec<Sample>,
}

// === impl Case ===

impl Case {
    /// A call for a model, answered by each of these files of recorded shapes.
    pub(crate) fn of(asked: &'static str, samples: &[&str]) -> Self {
        assert!(!samples.is_empty());
        Self {
            asked,
            target: None,
            samples: samples.iter().map(|name| Sample::read(name)).collect(),
        }
    }

    /// Upstream says something else at one place of each answer.
    #[track_caller]
    pub(crate) fn but(mut self, field: &str, value: &str) -> Self {
        for sample in &mut self.samples {
            replace(sample, field, value);
        }
        self
    }

    /// The stream breaks off before the last place where it says this.
    #[track_caller]
    pub(crate) fn cut_before(mut self, said: &str) -> Self {
        for sample in &mut self.samples {
            let text = str::from_utf8(&sample.bytes).unwrap();
            let end = text.rfind(said).unwrap();
            sample.bytes.truncate(end);
        }
        self
    }

    /// The call goes to a target of a platform, where the model may have another name.
    pub(crate) fn at(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Each answer passes untouched and is recorded so: by whom and how it ended, what it
    /// used, and what it costs in dollars or why that is not known.
    pub(crate) async fn gives(&self, ended: &str, used: &str, cost: &str) {
        for sample in &self.samples {
            let record = self.record(sample).await;
            let name = &sample.name;
            assert_eq!(ended_of(&record), ended, "{name}: how it ended");
            assert_eq!(used_of(&record), used, "{name}: what it used");
            assert_eq!(cost_of(&record), cost, "{name}: what it costs");
        }
    }

    /// The record of the first form of the answer.
    pub(crate) async fn only_record(&self) -> Arc<UsageRecord> {
        self.record(&self.samples[0]).await
    }

    async fn record(&self, sample: &Sample) -> Arc<UsageRecord> {
        let records = Records::default();
        let meter = records.meter(FakeClaude::sequence([sample.answer(sample.bytes.clone())]));
        let mut request = message(self.asked, sample.is_stream());
        if let Some(target) = &self.target {
            request.extensions_mut().insert(target.clone());
        }
        let response = meter.oneshot(request).await.unwrap();
        let passed = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(passed, sample.bytes, "{}: untouched", sample.name);
        records.only()
    }
}

/// Gives a field another value wherever it stands; documents have a space before it.
#[track_caller]
fn replace(sample: &mut Sample, field: &str, value: &str) {
    let text = str::from_utf8(&sample.bytes).unwrap();
    let (name, old) = field.split_once(':').unwrap();
    let space = if text.contains("\": ") { " " } else { "" };
    let old = format!("\"{name}\":{space}{old}");
    assert!(text.contains(&old), "{} has no {old}", sample.name);
    let new = format!("\"{name}\":{value}");
    sample.bytes = text.replace(&old, &new).into_bytes();
}

fn ended_of(record: &UsageRecord) -> String {
    assert_eq!(record.status, Some(200));
    assert_eq!(record.attempt_log.len(), 1);
    format!(
        "{} {} {} {}",
        word(record.served_model.as_deref()),
        word(record.stop_reason.as_deref()),
        record.outcome.as_str(),
        record.usage_source.as_str()
    )
}

/// Input, output, cache reads, cache writes for five minutes and an hour, web searches; tier
/// and speed.
fn used_of(record: &UsageRecord) -> String {
    let counts = [
        record.input_tokens,
        record.output_tokens,
        record.cache_read_input_tokens,
        record.cache_creation_5m_input_tokens,
        record.cache_creation_1h_input_tokens,
        record.web_search_requests,
    ]
    .map(|count| count.map_or("-".to_owned(), |count| count.to_string()));
    let [input, output, read, write_5m, write_1h, searches] = counts;
    let tier = record.service_tier.as_ref().map(ServiceTier::as_str);
    let speed = record.speed.as_ref().map(Speed::as_str);
    format!(
        "in {input} out {output} read {read} write {write_5m} {write_1h} search {searches} {} {}",
        word(tier),
        word(speed)
    )
}

fn cost_of(record: &UsageRecord) -> String {
    assert_eq!(record.cost.is_none(), record.unpriced.is_some());
    let unpriced = record.unpriced.as_ref();
    match (record.cost, unpriced) {
        (Some(cost), _) => cost.to_string(),
        (None, reason) => format!("unpriced: {}", word(reason.map(Unpriced::reason))),
    }
}

fn word(word: Option<&str>) -> &str {
    word.unwrap_or("-")
}
