//! Callers who leave, and what is read on without them.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{Records, cost, message, post};
use tokio::task::JoinHandle;
use tokio_test::{assert_pending, task};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_testkit::{Answer, FakeClaude, wire};
use tower_claude_usage_meter::{
    Drain, DrainLayer, Draining, Drains, Outcome, UsageMeter, UsageSource,
};

struct Setup {
    records: Records,
    service: Drain<UsageMeter<FakeClaude, Records>>,
    drains: Drains,
    task: JoinHandle<()>,
}

impl Setup {
    fn new(answer: Answer, tokens: u64) -> Self {
        Self::of(answer, tokens, Draining::MOST)
    }

    fn of(answer: Answer, tokens: u64, most: NonZeroUsize) -> Self {
        let records = Records::default();
        let draining = Draining::new(tokens, Duration::from_secs(30)).most(most);
        let (layer, drainer) = draining.pair();
        let fake = FakeClaude::new(move |_| answer.clone());
        Self {
            drains: draining.drains(),
            task: tokio::spawn(drainer.run()),
            service: layer.layer(records.meter(fake)),
            records,
        }
    }

    /// Waits until everything that was left over has ended.
    async fn settle(self) -> (Records, Drains) {
        drop(self.service);
        self.task.await.unwrap();
        (self.records, self.drains)
    }
}

fn events() -> usize {
    wire::STREAM_THINKING_TOOL_USE.matches("\n\n").count()
}

fn paced() -> Answer {
    Answer::thinking_tool_use().pace(Duration::from_millis(10))
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_at_any_event_leaves_exact_usage() {
    for taken in 0..events() {
        let setup = Setup::new(paced(), 100_000);
        let request = message("claude-opus-5-5", true);
        let mut body = setup
            .service
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_body();
        for _ in 0..taken {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert!(setup.records.all().is_empty(), "not yet, after {taken}");
        let (records, drains) = setup.settle().await;
        let record = records.only();
        assert_eq!(record.outcome, Outcome::Dropped, "after {taken}");
        assert_eq!(record.status, Some(200));
        assert_eq!(record.usage_source, UsageSource::Exact);
        assert_eq!(record.output_tokens, Some(163));
        assert_eq!(cost(&record).unwrap(), "0.0139464");
        assert_eq!(record.stop_reason.as_deref(), Some("tool_use"));
        let millis = u128::try_from(taken.saturating_sub(1) * 10).unwrap();
        assert_eq!(
            record.latency.unwrap().as_millis(),
            millis,
            "until the caller left"
        );
        assert_eq!((drains.finished(), drains.running()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_before_the_head_leaves_exact_usage_and_no_status() {
    for stream in [false, true] {
        let answer = match stream {
            true => paced(),
            false => Answer::cached_message(),
        };
        let setup = Setup::new(answer.head_delay(Duration::from_secs(5)), 100_000);
        let request = message("claude-opus-5-5", stream);
        let mut call = task::spawn(setup.service.clone().oneshot(request));
        assert_pending!(call.poll());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_pending!(call.poll());
        drop(call);
        let (records, _) = setup.settle().await;
        let record = records.only();
        assert_eq!((record.outcome, record.status), (Outcome::Dropped, None));
        assert_eq!(record.usage_source, UsageSource::Exact);
        let expected = if stream { "0.0139464" } else { "0.017556" };
        assert_eq!(cost(&record).unwrap(), expected);
        assert_eq!(record.latency, Some(Duration::from_secs(1)));
        assert_eq!(record.time_to_first_token, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_costs_more_tokens_than_allowed_is_dropped_and_partial() {
    let text = "word ".repeat(4_000);
    let answer = Answer::message("claude-opus-5-5").text(text).deltas(100);
    let answer = answer.output_tokens(5_000).into_stream();
    let setup = Setup::new(answer.pace(Duration::from_millis(1)), 500);
    let request = message("claude-opus-5-5", true);
    let mut body = setup
        .service
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    for _ in 0..20 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    let (records, drains) = setup.settle().await;
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Dropped);
    assert_eq!(record.usage_source, UsageSource::Partial);
    let seen = record.output_tokens.unwrap();
    assert!(
        (1_300..2_500).contains(&seen),
        "20 events and 500 tokens: {seen}"
    );
    assert_eq!(drains.finished(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_allowed_is_dropped() {
    let setup = Setup::new(paced().stall_after(4), 100_000);
    let request = message("claude-opus-5-5", true);
    let body = setup
        .service
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    drop(body);
    let before = tokio::time::Instant::now();
    let (records, drains) = setup.settle().await;
    assert_eq!(before.elapsed().as_secs(), 30);
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Dropped);
    assert_eq!(record.usage_source, UsageSource::Partial);
    assert_eq!((drains.finished(), drains.timed_out()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_and_without_the_task_calls_end_with_their_callers() {
    let setup = Setup::of(paced().stall_after(4), 1, NonZeroUsize::MIN);
    for _ in 0..4 {
        let request = message("claude-opus-5-5", true);
        drop(setup.service.clone().oneshot(request).await.unwrap());
        tokio::task::yield_now().await;
    }
    // One is read on, one more waits for that, two have ended.
    assert_eq!(setup.drains.refused(), 2);
    assert_eq!(setup.records.all().len(), 2);
    setup.task.abort();
    tokio::task::yield_now().await;
    assert_eq!(setup.records.all().len(), 4, "and none is missing");

    let records = Records::default();
    let service = DrainLayer::abort().layer(records.meter(FakeClaude::new(|_| paced())));
    drop(
        service
            .oneshot(message("claude-opus-5-5", true))
            .await
            .unwrap(),
    );
    assert_eq!(records.only().usage_source, UsageSource::None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_taken_whole_or_costs_nothing_is_not_read_on() {
    let setup = Setup::new(Answer::thinking_tool_use(), 100_000);
    let request = message("claude-opus-5-5", true);
    let mut body = setup
        .service
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    // Whoever has the last event may leave before the end of the body.
    while !setup
        .records
        .all()
        .iter()
        .any(|record| record.outcome == Outcome::Complete)
    {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    let other = post(
        "/v1/messages/count_tokens",
        r#"{"model":"m","messages":[]}"#,
    );
    drop(setup.service.clone().oneshot(other).await.unwrap());
    let (records, drains) = setup.settle().await;
    assert_eq!(records.all().len(), 2);
    assert_eq!(records.all()[0].outcome, Outcome::Complete);
    assert_eq!((drains.finished(), drains.refused()), (0, 0));

    let setup = Setup::new(Answer::json(529, "{}"), 100_000);
    let request = message("claude-opus-5-5", true);
    drop(setup.service.clone().oneshot(request).await.unwrap());
    let (records, drains) = setup.settle().await;
    assert_eq!(records.only().status, Some(529));
    assert_eq!(drains.finished(), 0);
}

#[tokio::test]
async fn what_passes_is_untouched() {
    let setup = Setup::new(Answer::cached_message(), 1);
    let request = message("claude-opus-5-5", false);
    let response = setup.service.clone().oneshot(request).await.unwrap();
    let length = response.body().size_hint().exact();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(length, Some(bytes.len() as u64));
    assert_eq!(bytes, wire::MESSAGE.as_bytes());
}
