//! Metrics under OpenTelemetry's names: what is counted, and what labels it may have.
#![cfg(feature = "metrics")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use support::{message, take};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{End, Endpoint, Platform, RequestId, Target, Timestamp};
use tower_claude_testkit::{Answer, FakeClaude, Split};
use tower_claude_usage_meter::{
    AttemptOutcome, AttemptRecord, GenAiMetrics, Labels, Outcome, UsageMeterLayer, UsageRecord,
    UsageSink,
};

fn record(model: &str) -> UsageRecord {
    let mut record = UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
    record.endpoint = Endpoint::Messages;
    record.model = Some(model.into());
    record.served_model = Some(model.into());
    record.target = Some(Target::new("first"));
    record.outcome = Outcome::Complete;
    record.stream = true;
    record.input_tokens = Some(37);
    record.output_tokens = Some(118);
    record.cache_read_input_tokens = Some(10_240);
    record.cache_creation_5m_input_tokens = Some(1_800);
    record.cache_creation_1h_input_tokens = Some(500);
    record.latency = Some(Duration::from_millis(1_500));
    record.time_to_first_token = Some(Duration::from_millis(250));
    record
}

fn sink() -> GenAiMetrics {
    GenAiMetrics::new(Labels::new().models(["claude-opus-4-5", "claude-opus-5-5"]))
}

/// The sums and counts that the recorder shows after `run`, sorted.
fn rendered(run: impl FnOnce()) -> Vec<String> {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, run);
    let text = recorder.handle().render();
    let is_sum = |line: &&str| {
        let name = line.split('{').next().unwrap();
        name.ends_with("_sum") || name.ends_with("_count")
    };
    let mut lines: Vec<_> = text.lines().filter(is_sum).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The lines of one name, with `chat` and what every label's name begins with left out.
fn lines_of(name: &str, lines: &[String]) -> Vec<String> {
    let shorten = |line: &String| {
        let labels = line.strip_prefix(name)?.strip_prefix('{')?;
        let labels = labels.replace(r#"gen_ai_operation_name="chat","#, "");
        Some(labels.replace("gen_ai_", "").replace('}', ""))
    };
    lines.iter().filter_map(shorten).collect()
}

#[test]
fn a_call_counts_under_the_names_of_the_conventions() {
    let lines = rendered(|| {
        let sink = sink();
        for _ in 0..2 {
            sink.record(Arc::new(record("claude-opus-4-5-20251101")));
        }
    });
    let who = r#"gen_ai_operation_name="chat",gen_ai_provider_name="anthropic",gen_ai_request_model="claude-opus-4-5",gen_ai_response_model="claude-opus-4-5""#;
    let mut expected = Vec::new();
    for (name, labels, count, sum) in [
        ("gen_ai_client_operation_duration", "", 2, "3"),
        ("gen_ai_client_operation_time_to_first_chunk", "", 2, "0.5"),
        (
            "gen_ai_client_token_usage",
            r#",gen_ai_token_type="input""#,
            2,
            // 37 + 10,240 + 1,800 + 500, twice.
            "25154",
        ),
        (
            "gen_ai_client_token_usage",
            r#",gen_ai_token_type="output""#,
            2,
            "236",
        ),
    ] {
        expected.push(format!("{name}_count{{{who}{labels}}} {count}"));
        expected.push(format!("{name}_sum{{{who}{labels}}} {sum}"));
    }
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
fn names_are_those_of_the_conventions() {
    assert_eq!(GenAiMetrics::TOKEN_USAGE, "gen_ai.client.token.usage");
    assert_eq!(
        GenAiMetrics::OPERATION_DURATION,
        "gen_ai.client.operation.duration"
    );
    assert_eq!(
        GenAiMetrics::TIME_TO_FIRST_CHUNK,
        "gen_ai.client.operation.time_to_first_chunk"
    );
}

#[test]
fn the_provider_is_who_was_asked() {
    let lines = rendered(|| {
        let sink = sink();
        for platform in [Platform::Bedrock, Platform::Vertex, Platform::Foundry] {
            let mut record = record("claude-opus-5-5");
            record.target = Some(Target::new("t").platform(platform));
            sink.record(Arc::new(record));
        }
        let mut unnamed = record("claude-opus-5-5");
        unnamed.target = None;
        sink.record(Arc::new(unnamed));
    });
    let durations = lines_of("gen_ai_client_operation_duration_count", &lines);
    let providers: Vec<_> = durations
        .iter()
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert_eq!(
        providers,
        [
            "anthropic",
            "aws.bedrock",
            "azure.ai.foundry",
            "gcp.vertex_ai"
        ]
    );
}

#[test]
fn models_nobody_listed_are_other_and_no_model_is_no_label() {
    let lines = rendered(|| {
        let sink = sink();
        for number in 0..100 {
            let mut record = record(&format!("junk-{number}"));
            record.served_model = None;
            sink.record(Arc::new(record));
        }
        let mut none = record("x");
        none.model = None;
        sink.record(Arc::new(none));
    });
    assert_eq!(
        lines_of("gen_ai_client_operation_duration_count", &lines),
        [
            r#"provider_name="anthropic",request_model="other" 100"#,
            r#"provider_name="anthropic",response_model="other" 1"#,
        ]
    );
}

#[test]
fn what_failed_says_how_in_one_of_a_few_words() {
    let lines = rendered(|| {
        let sink = sink();
        for (outcome, error_type) in [
            (Outcome::Errored, Some("overloaded_error")),
            (Outcome::Errored, Some("anything <script>")),
            (Outcome::Errored, None),
            (Outcome::Truncated, None),
            (Outcome::Dropped, None),
        ] {
            let mut record = record("claude-opus-5-5");
            record.outcome = outcome;
            record.error_type = error_type.map(Arc::from);
            record.input_tokens = None;
            record.output_tokens = None;
            sink.record(Arc::new(record));
        }
    });
    let errors: Vec<_> = lines_of("gen_ai_client_operation_duration_count", &lines)
        .iter()
        .map(|line| line.split_once("error_type=").unwrap().1.to_owned())
        .collect();
    assert_eq!(
        errors,
        [
            r#""_OTHER" 2"#,
            r#""dropped" 1"#,
            r#""overloaded_error" 1"#,
            r#""truncated" 1"#
        ]
    );
    let tokens = |line: &String| line.starts_with("gen_ai_client_token_usage");
    assert!(!lines.iter().any(tokens), "not known is not 0");
    let first = lines_of("gen_ai_client_operation_time_to_first_chunk_count", &lines);
    assert!(
        first.iter().all(|line| !line.contains("error_type")),
        "{first:?}"
    );
}

#[test]
fn only_what_a_provider_was_asked_counts() {
    let lines = rendered(|| {
        let sink = sink();
        let mut count_tokens = record("claude-opus-5-5");
        count_tokens.endpoint = Endpoint::CountTokens;
        sink.record(Arc::new(count_tokens));
        let mut refused = record("claude-opus-5-5");
        refused.outcome = Outcome::Refused;
        sink.record(Arc::new(refused));
    });
    assert!(lines.is_empty(), "{lines:?}");

    let lines = rendered(|| {
        let mut after_all = record("claude-opus-5-5");
        after_all.outcome = Outcome::Refused;
        after_all.error_type = Some("api_error".into());
        let attempt = AttemptOutcome::Ended(End::Truncated);
        after_all.attempt_log = [AttemptRecord::new(None, Duration::ZERO, attempt)]
            .into_iter()
            .collect();
        sink().record(Arc::new(after_all));
    });
    let durations = lines_of("gen_ai_client_operation_duration_count", &lines);
    assert!(
        durations[0].contains(r#"error_type="api_error""#),
        "{durations:?}"
    );
}

#[test]
fn the_time_to_the_first_chunk_is_of_streams_only() {
    let lines = rendered(|| {
        let mut plain = record("claude-opus-5-5");
        plain.stream = false;
        sink().record(Arc::new(plain));
    });
    assert!(!lines.iter().any(|line| line.contains("first_chunk")));
    assert!(lines.iter().any(|line| line.contains("operation_duration")));
}

#[test]
fn other_labels_apply_from_then_on() {
    let lines = rendered(|| {
        let sink = GenAiMetrics::new(Labels::new());
        sink.record(Arc::new(record("claude-opus-5-5")));
        sink.replace(Labels::new().models(["claude-opus-5-5"]));
        sink.record(Arc::new(record("claude-opus-5-5")));
    });
    let durations = lines_of("gen_ai_client_operation_duration_count", &lines);
    assert_eq!(durations.len(), 2);
    assert!(durations[0].contains(r#"request_model="claude-opus-5-5""#));
    assert!(durations[1].contains(r#"request_model="other""#));
}

#[test]
fn the_buckets_are_taken_by_a_recorder() {
    let matcher = Matcher::Full(GenAiMetrics::TOKEN_USAGE.to_owned());
    let builder = PrometheusBuilder::new();
    let recorder = builder
        .set_buckets_for_metric(matcher, &GenAiMetrics::TOKEN_BUCKETS)
        .unwrap()
        .set_buckets_for_metric(
            Matcher::Prefix("gen_ai.client.operation".to_owned()),
            &GenAiMetrics::SECONDS_BUCKETS,
        )
        .unwrap()
        .build_recorder();
    metrics::with_local_recorder(&recorder, || {
        sink().record(Arc::new(record("claude-opus-5-5")));
    });
    let text = recorder.handle().render();
    for bucket in [
        r#"gen_ai_token_type="output",le="64"} 0"#,
        r#"gen_ai_token_type="output",le="256"} 1"#,
        r#"le="1.28"} 0"#,
        r#"le="2.56"} 1"#,
    ] {
        assert!(text.contains(bucket), "{bucket} in {text}");
    }
}

#[test]
fn a_stream_through_the_meter_counts() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let lines = rendered(|| {
        runtime.block_on(async {
            let answer = Answer::thinking_tool_use().split(Split::Events);
            let layer = UsageMeterLayer::new(sink());
            let meter = layer.layer(FakeClaude::sequence([answer]));
            let response = meter.oneshot(message("claude-opus-5-5", true)).await;
            take(response.unwrap().into_body()).await;
        });
    });
    for name in [
        "gen_ai_client_operation_duration_count",
        "gen_ai_client_operation_time_to_first_chunk_count",
    ] {
        let of_name = lines_of(name, &lines);
        assert_eq!(of_name.len(), 1, "{lines:?}");
        assert!(!of_name[0].contains("error_type"), "{of_name:?}");
    }
    assert_eq!(lines_of("gen_ai_client_token_usage_count", &lines).len(), 2);
}
