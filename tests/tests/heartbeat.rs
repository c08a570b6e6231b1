//! A second attempt takes over the stream of a caller who has only seen pings, and it is all
//! recorded as if the head had been held.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_claude::core::{CallBody, End, FailureKind, Target};
use tower_claude::platforms::BoundaryLayer;
use tower_claude::pricing::{Cost, Price, PriceTable, Prices, Rate, Rates};
use tower_claude::usage_meter::{AttemptOutcome, Outcome, UsageRecord, UsageSource};
use tower_claude::{FailoverLayer, HeartbeatLayer, RetryLayer, UsageMeterLayer};
use tower_claude_testkit::{Answer, FakeClaude};
use tower_layer::Layer as _;

const MODEL: &str = "claude-of-the-heart";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

fn prices() -> Prices {
    let rate = |dollars| Rate::per_million_tokens(dollars).unwrap();
    let price = Price::new(Rates::new(rate("3"), rate("15")));
    Prices::new(PriceTable::empty().price(MODEL, price))
}

fn good() -> Answer {
    Answer::message(MODEL)
        .text("the tide is out until seven")
        .deltas(3)
        .input_tokens(120)
        .output_tokens(40)
        .into_stream()
}

/// What a caller sees of a stream (when, what) and the record of the call.
async fn play(answers: impl IntoIterator<Item = Answer>) -> (Vec<(Duration, String)>, UsageRecord) {
    let records = Arc::new(Mutex::new(Vec::<Arc<UsageRecord>>::new()));
    let sink = Arc::clone(&records);
    let meter = UsageMeterLayer::new(move |record| sink.lock().unwrap().push(record));
    let failover = FailoverLayer::new([Target::new("only")]).unwrap();
    // Tests are exact where nothing is left to chance.
    let retry = RetryLayer::default().jitter(|most: Duration| most);
    let inner = failover.layer(retry.layer(FakeClaude::sequence(answers)));
    let heartbeat = HeartbeatLayer::new().every(Duration::from_secs(1));
    let service = heartbeat.layer(BoundaryLayer::new().layer(inner));
    let service = meter.prices(prices()).layer(service);

    let body = format!(r#"{{"model":"{MODEL}","max_tokens":64,"stream":true,"messages":[]}}"#);
    let request = Request::post("/v1/messages")
        .body(CallBody::from(body))
        .unwrap();
    let began = Instant::now();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = std::pin::pin!(response.into_body());
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let data = String::from_utf8(data.to_vec()).unwrap();
        seen.push((began.elapsed(), data));
    }
    let mut records = records.lock().unwrap();
    let record = records.pop().unwrap();
    assert!(records.is_empty(), "one record a call");
    (seen, Arc::try_unwrap(record).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_takes_over_the_stream_of_a_caller_who_has_seen_pings() {
    // Its head comes at once, its error after 8 s of silence.
    let broken = good().error_event_after(1, "overloaded_error", "no");
    let broken = broken.pace(Duration::from_secs(8));
    let (seen, record) = play([broken, good()]).await;

    let pings: Vec<u64> = seen
        .iter()
        .take_while(|(_, data)| data == PING)
        .map(|(at, _)| at.as_secs())
        .collect();
    assert_eq!(pings, [5, 6, 7, 8]);
    let (taken_over, rest) = (seen[4].0, &seen[4..]);
    assert_eq!(taken_over, Duration::from_millis(8_500));
    let rest: String = rest.iter().map(|(_, data)| data.as_str()).collect();
    let whole = good().response().unwrap().into_body();
    assert_eq!(rest.as_bytes(), whole.collect().await.unwrap().to_bytes());
    assert_eq!(rest.matches("event: message_start\n").count(), 1);
    assert!(!rest.contains("event: error"));

    assert_eq!(
        (record.outcome, record.status),
        (Outcome::Complete, Some(200))
    );
    assert_eq!(record.usage_source, UsageSource::Exact);
    assert_eq!(
        (record.input_tokens, record.output_tokens),
        (Some(120), Some(40))
    );
    let cost = (120 * 3 + 40 * 15) * 1_000_000;
    assert_eq!(record.cost.map(Cost::pico_dollars), Some(cost));
    assert_eq!(record.latency, Some(taken_over));
    assert_eq!(record.time_to_first_token, Some(taken_over));
    let outcomes: Vec<_> = record.attempt_log.iter().map(|one| one.outcome).collect();
    assert_eq!(
        outcomes,
        [
            AttemptOutcome::Failed(FailureKind::Overloaded),
            AttemptOutcome::Ended(End::Complete)
        ]
    );
    let second = record.attempt_log.iter().nth(1).unwrap();
    assert_eq!(second.retry_reason, Some(FailureKind::Overloaded));
    assert_eq!(second.started, taken_over);
}
