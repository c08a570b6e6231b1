//! What is left when a call is dropped.

mod support;

use std::time::Duration;

use support::{attempts, layer, prepared, request, stream_request};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::FailureKind;
use tower_claude_testkit::{Answer, Ended, FakeClaude, ServiceProbe};

#[tokio::test(start_paused = true)]
async fn dropped_while_an_attempt_runs_it_drops_the_attempt() {
    let slow = Answer::overloaded().head_delay(Duration::from_secs(5));
    let probe = ServiceProbe::new(FakeClaude::sequence([slow]));
    let handle = probe.handle();
    let (request, call) = prepared(request()).await;
    let mut task = tokio_test::task::spawn(layer().layer(probe).oneshot(request));
    assert!(task.poll().is_pending());
    assert_eq!(handle.in_flight(), 1);
    drop(task);
    assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
    let log = attempts(&call);
    assert_eq!(log.len(), 1);
    assert_eq!(
        (log[0].status, log[0].failure, log[0].is_final),
        (None, None, false)
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_sleeps_nothing_is_in_flight() {
    let probe = ServiceProbe::new(FakeClaude::sequence([Answer::overloaded()]));
    let handle = probe.handle();
    let (request, call) = prepared(request()).await;
    let mut task = tokio_test::task::spawn(layer().layer(probe).oneshot(request));
    assert!(task.poll().is_pending());
    assert_eq!((handle.calls(), handle.in_flight()), (1, 0));
    drop(task);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!((handle.calls(), handle.dropped_unfinished()), (1, 0));
    let log = attempts(&call);
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].failure, Some(FailureKind::Overloaded));
    assert!(!log[0].is_final);
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_is_dropped_before_the_sleep() {
    let broken = Answer::thinking_tool_use().error_event_after(1, "overloaded_error", "no");
    let fake = FakeClaude::sequence([broken.stall_after(2)]);
    let truth = fake.truth();
    let mut task = tokio_test::task::spawn(layer().layer(fake).oneshot(stream_request()));
    assert!(task.poll().is_pending());
    assert_ne!(truth.entries()[0].ended, Ended::InProgress);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_head_is_held_it_drops_the_answer() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().pace(Duration::from_secs(1))]);
    let truth = fake.truth();
    let mut task = tokio_test::task::spawn(layer().layer(fake).oneshot(stream_request()));
    assert!(task.poll().is_pending());
    assert_eq!(truth.entries()[0].ended, Ended::InProgress);
    drop(task);
    assert_eq!(truth.entries()[0].ended, Ended::DroppedByReceiver);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_midway_drops_the_answer() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use()]);
    let truth = fake.truth();
    let response = layer().layer(fake).oneshot(stream_request()).await.unwrap();
    drop(response);
    assert_eq!(truth.entries()[0].ended, Ended::DroppedByReceiver);
}
