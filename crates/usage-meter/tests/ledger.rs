//! The line of the ledger, and who gets a record.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Records, ask, message};
use tower_claude_core::{
    End, Endpoint, FailureKind, Platform, RequestId, ServiceTier, Speed, Target, TenantId, Text,
    Timestamp,
};
use tower_claude_pricing::{Cost, Unpriced};
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_usage_meter::{
    AttemptOutcome, AttemptRecord, Fanout, Outcome, UsageRecord, UsageSink, UsageSource,
};

fn record() -> UsageRecord {
    UsageRecord::new(
        Timestamp::from_unix_millis(1_795_169_701_250),
        RequestId::generate(),
    )
}

#[test]
fn a_full_record_is_this_line() {
    let target = Target::new("eu").platform(Platform::Bedrock);
    let mut first = AttemptRecord::new(
        Some(Target::new("us")),
        Duration::from_micros(1_900),
        AttemptOutcome::Failed(FailureKind::Overloaded),
    );
    first.status = Some(529);
    let mut second = AttemptRecord::new(
        Some(target.clone()),
        Duration::from_millis(640),
        AttemptOutcome::Ended(End::Complete),
    );
    second.status = Some(200);
    second.retry_reason = Some(FailureKind::Overloaded);

    let mut record = record();
    record.upstream_request_id = Some("req_up".into());
    record.tenant = TenantId::new("web").ok();
    record.user = Some("ann".into());
    record.feature = "search".into();
    record.session = Some("s-1".into());
    record.endpoint = Endpoint::Messages;
    record.model = Some("claude-opus-5-5".into());
    record.served_model = Some("claude-opus-5-5".into());
    record.target = Some(target);
    record.attempt_log = [first, second].into_iter().collect();
    record.stream = true;
    record.status = Some(200);
    record.outcome = Outcome::Complete;
    record.stop_reason = Some(Text::from_static("end_turn"));
    record.input_tokens = Some(37);
    record.output_tokens = Some(118);
    record.cache_read_input_tokens = Some(10_240);
    record.cache_creation_5m_input_tokens = Some(1_800);
    record.cache_creation_1h_input_tokens = Some(500);
    record.web_search_requests = Some(0);
    record.service_tier = Some(ServiceTier::Standard);
    record.speed = Some(Speed::Fast);
    record.usage_source = UsageSource::Exact;
    record.cost = Some(Cost::from_nano_dollars(17_556_000));
    record.price_version = Some("v1");
    record.estimated_input_tokens = Some(40);
    record.system_prompt_sha256 = Some([0xab; 32]);
    record.latency = Some(Duration::from_micros(2_345_999));
    record.time_to_first_token = Some(Duration::from_millis(811));
    let expected = format!(
        concat!(
            r#"{{"timestamp":"2026-11-20T10:15:01.250Z","request_id":"{id}","#,
            r#""upstream_request_id":"req_up","tenant":"web","user":"ann","feature":"search","#,
            r#""session":"s-1","endpoint":"messages","model":"claude-opus-5-5","#,
            r#""served_model":"claude-opus-5-5","target":"eu","platform":"bedrock","attempts":2,"#,
            r#""attempt_log":[{{"target":"us","started_ms":1,"status":529,"outcome":"overloaded","#,
            r#""retry_reason":null}},{{"target":"eu","started_ms":640,"status":200,"#,
            r#""outcome":"complete","retry_reason":"overloaded"}}],"stream":true,"status":200,"#,
            r#""outcome":"complete","error_type":null,"stop_reason":"end_turn","input_tokens":37,"#,
            r#""output_tokens":118,"cache_read_input_tokens":10240,"#,
            r#""cache_creation_5m_input_tokens":1800,"cache_creation_1h_input_tokens":500,"#,
            r#""web_search_requests":0,"service_tier":"standard","speed":"fast","#,
            r#""usage_source":"exact","cost_usd":"0.017556","price_version":"v1","unpriced":null,"#,
            r#""estimated_input_tokens":40,"system_prompt_sha256":"{hash}","latency_ms":2345,"#,
            r#""time_to_first_token_ms":811}}"#,
        ),
        id = record.request_id,
        hash = "ab".repeat(32),
    );
    assert_eq!(serde_json::to_string(&record).unwrap(), expected);
}

#[test]
fn what_is_absent_is_null_and_never_zero() {
    let mut record = record();
    record.cost = None;
    record.unpriced = Some(Unpriced::UsageMissing);
    let expected = format!(
        concat!(
            r#"{{"timestamp":"2026-11-20T10:15:01.250Z","request_id":"{id}","#,
            r#""upstream_request_id":null,"tenant":null,"user":null,"feature":"unknown","#,
            r#""session":null,"endpoint":"unknown","model":null,"served_model":null,"#,
            r#""target":null,"platform":null,"attempts":0,"attempt_log":[],"stream":false,"#,
            r#""status":null,"outcome":"dropped","error_type":null,"stop_reason":null,"#,
            r#""input_tokens":null,"output_tokens":null,"cache_read_input_tokens":null,"#,
            r#""cache_creation_5m_input_tokens":null,"cache_creation_1h_input_tokens":null,"#,
            r#""web_search_requests":null,"service_tier":null,"speed":null,"#,
            r#""usage_source":"none","cost_usd":null,"price_version":null,"#,
            r#""unpriced":"usage_missing","estimated_input_tokens":null,"#,
            r#""system_prompt_sha256":null,"latency_ms":null,"time_to_first_token_ms":null}}"#,
        ),
        id = record.request_id,
    );
    assert_eq!(serde_json::to_string(&record).unwrap(), expected);
}

#[tokio::test]
async fn every_sink_gets_every_record_and_two_meters_read_once() {
    let (a, b, c) = (Records::default(), Records::default(), Records::default());
    let closure = {
        let c = c.clone();
        move |record: Arc<UsageRecord>| c.record(record)
    };
    let fanout = Fanout::new().sink(a.clone()).sink((b.clone(), closure, ()));
    let layer = tower_claude_usage_meter::UsageMeterLayer::new(Arc::new(Some(fanout)));
    let meter = tower::Layer::layer(&layer, FakeClaude::sequence([Answer::cached_message()]));
    let all = Records::default();
    ask(&all, meter, message("claude-opus-5-5", false))
        .await
        .unwrap();
    for records in [a, b, c, all] {
        assert_eq!(records.only().output_tokens, Some(118));
    }
}
