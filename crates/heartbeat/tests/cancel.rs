//! What is left when a call is dropped.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use http_body_util::BodyExt as _;
use support::{late_stream, layer, seconds, stream_request};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{End, UsageCell};
use tower_claude_testkit::{Answer, Ended, FakeClaude, ServiceProbe};

#[tokio::test(start_paused = true)]
async fn dropped_before_the_head_it_drops_the_call() {
    let probe = ServiceProbe::new(FakeClaude::sequence([late_stream()]));
    let handle = probe.handle();
    let mut task = tokio_test::task::spawn(layer().layer(probe).oneshot(stream_request()));
    assert!(task.poll().is_pending());
    assert_eq!(handle.in_flight(), 1);
    drop(task);
    assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_while_it_pings_drops_the_call() {
    for pings in 0..3 {
        let probe = ServiceProbe::new(FakeClaude::sequence([late_stream()]));
        let handle = probe.handle();
        let response = layer().layer(probe).oneshot(stream_request()).await;
        let response = response.unwrap();
        let cell = UsageCell::of(&response).cloned().unwrap();
        let mut body = Box::pin(response.into_body());
        for _ in 0..pings {
            body.frame().await.unwrap().unwrap();
        }
        assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (1, 0));
        drop(body);
        assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
        assert_eq!(cell.read(|metered| metered.end), Some(End::Dropped));
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_is_dropped_at_the_deadline_and_not_with_the_body() {
    let probe = ServiceProbe::new(FakeClaude::sequence([late_stream()]));
    let handle = probe.handle();
    let service = layer().deadline(seconds(4)).layer(probe);
    let response = service.oneshot(stream_request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
    assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_midway_drops_the_answer() {
    let fake = FakeClaude::sequence([late_stream()]);
    let response = layer().layer(fake.clone()).oneshot(stream_request()).await;
    let mut body = Box::pin(response.unwrap().into_body());
    for _ in 0..5 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(fake.truth().entries()[0].ended, Ended::InProgress);
    drop(body);
    assert_eq!(fake.truth().entries()[0].ended, Ended::DroppedByReceiver);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_passed_on_is_dropped_before_the_caller_hears_of_it() {
    let answers = [
        Answer::cached_message(),
        Answer::overloaded(),
        Answer::overloaded().stall_after(0),
    ];
    for answer in answers {
        let fake = FakeClaude::sequence([answer.head_delay(seconds(3))]);
        let response = layer().layer(fake.clone()).oneshot(stream_request()).await;
        let mut body = Box::pin(response.unwrap().into_body());
        loop {
            let frame = body.frame().await.unwrap().unwrap();
            if frame.into_data().unwrap().starts_with(b"event: error") {
                break;
            }
        }
        assert_ne!(fake.truth().entries()[0].ended, Ended::InProgress);
    }
}
