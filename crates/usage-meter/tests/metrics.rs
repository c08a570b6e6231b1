//! Metrics: names, labels and their bounds.
#![cfg(feature = "metrics")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use support::tenant;
use tower_claude_core::End;
use tower_claude_core::{Endpoint, FailureKind, RequestId, Target, Timestamp};
use tower_claude_pricing::Cost;
use tower_claude_usage_meter::{
    AttemptOutcome, AttemptRecord, Labels, MetricsSink, Outcome, UsageRecord, UsageSink,
};

fn record(tenant_id: &str, feature: &str, model: &str) -> UsageRecord {
    let mut record = UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
    record.tenant = Some(tenant(tenant_id).id().clone());
    record.feature = feature.into();
    record.model = Some(model.into());
    record.endpoint = Endpoint::Messages;
    record.target = Some(Target::new("anthropic"));
    record.status = Some(200);
    record.outcome = Outcome::Complete;
    record.input_tokens = Some(37);
    record.output_tokens = Some(118);
    record.cache_read_input_tokens = Some(10_240);
    record.cache_creation_5m_input_tokens = Some(1_800);
    record.cache_creation_1h_input_tokens = Some(500);
    record.cost = Some(Cost::from_nano_dollars(17_556_000));
    record.latency = Some(Duration::from_millis(1_500));
    record.time_to_first_token = Some(Duration::from_millis(250));
    let first = AttemptRecord::new(
        record.target.clone(),
        Duration::ZERO,
        AttemptOutcome::Failed(FailureKind::Overloaded),
    );
    let mut second = AttemptRecord::new(
        record.target.clone(),
        Duration::ZERO,
        AttemptOutcome::Ended(End::Complete),
    );
    second.retry_reason = Some(FailureKind::Overloaded);
    record.attempt_log = [first, second].into_iter().collect();
    record
}

fn labels() -> Labels {
    Labels::new()
        .tenants(["web"])
        .features(["search"])
        .models(["claude-opus-4-5"])
        .targets(["anthropic"])
}

/// What the recorder shows after `run`, without comments, sorted.
fn rendered(run: impl FnOnce()) -> Vec<String> {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, run);
    let mut lines: Vec<_> = recorder
        .handle()
        .render()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty() && !line.contains("quantile"))
        .filter(|line| !line.ends_with(" 0"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_record_counts_under_the_pinned_names() {
    let lines = rendered(|| {
        let sink = MetricsSink::new(labels());
        for _ in 0..2 {
            sink.record(Arc::new(record(
                "web",
                "search",
                "claude-opus-4-5-20251101",
            )));
        }
    });
    let who = r#"tenant="web",feature="search",model="claude-opus-4-5""#;
    assert_eq!(
        lines,
        [
            r#"claude_attempts_total{target="anthropic",reason="first"} 2"#.to_owned(),
            r#"claude_attempts_total{target="anthropic",reason="overloaded"} 2"#.to_owned(),
            format!("claude_cost_usd_total{{{who}}} 0.035112"),
            "claude_request_duration_seconds_count 2".to_owned(),
            "claude_request_duration_seconds_sum 3".to_owned(),
            format!(
                r#"claude_requests_total{{{who},target="anthropic",outcome="complete",status="200"}} 2"#
            ),
            "claude_time_to_first_token_seconds_count 2".to_owned(),
            "claude_time_to_first_token_seconds_sum 0.5".to_owned(),
            format!(r#"claude_tokens_total{{{who},kind="cache_creation_1h"}} 1000"#),
            format!(r#"claude_tokens_total{{{who},kind="cache_creation_5m"}} 3600"#),
            format!(r#"claude_tokens_total{{{who},kind="cache_read"}} 20480"#),
            format!(r#"claude_tokens_total{{{who},kind="input"}} 74"#),
            format!(r#"claude_tokens_total{{{who},kind="output"}} 236"#),
        ]
    );
}

#[test]
fn ten_thousand_invented_names_are_one_label_set() {
    let lines = rendered(|| {
        let sink = MetricsSink::new(labels());
        for n in 0..10_000 {
            let junk = format!("junk-{n}");
            let mut record = record(&junk, &junk, &junk);
            record.target = Some(Target::new(junk));
            sink.record(Arc::new(record));
        }
    });
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with(MetricsSink::REQUESTS))
        .collect();
    assert_eq!(
        requests,
        [
            r#"claude_requests_total{tenant="other",feature="other",model="other",target="other",outcome="complete",status="200"} 10000"#
        ]
    );
}

#[test]
fn a_call_of_nobody_for_nothing_has_labels_too_and_labels_can_change() {
    let lines = rendered(|| {
        let sink = MetricsSink::new(Labels::new());
        let nobody = || UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
        sink.record(Arc::new(nobody()));
        sink.record(Arc::new(record("web", "search", "claude-opus-4-5")));
        sink.replace(labels());
        sink.record(Arc::new(record("web", "search", "claude-opus-4-5")));
    });
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with(MetricsSink::REQUESTS))
        .collect();
    assert_eq!(
        requests,
        [
            r#"claude_requests_total{tenant="other",feature="other",model="other",target="other",outcome="complete",status="200"} 1"#,
            r#"claude_requests_total{tenant="other",feature="unknown",model="other",target="other",outcome="dropped",status="none"} 1"#,
            r#"claude_requests_total{tenant="web",feature="search",model="claude-opus-4-5",target="anthropic",outcome="complete",status="200"} 1"#,
        ]
    );
}
