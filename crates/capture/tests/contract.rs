//! What every tower service promises.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use support::{Records, message};
use tower::{Service, ServiceExt as _};
use tower_claude_capture::Capture;
use tower_claude_core::TransportError;
use tower_claude_testkit::{Answer, FakeClaude, ServiceProbe};

type Probed = Capture<ServiceProbe<FakeClaude>, Records>;

/// Says which of the many requests it can take is meant.
fn poll_ready(capture: &mut Probed, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
    Service::<Request<Full<Bytes>>>::poll_ready(capture, cx)
}

#[tokio::test]
async fn the_ready_service_is_the_one_that_is_called() {
    let records = Records::default();
    let probe = ServiceProbe::new(FakeClaude::default());
    let handle = probe.handle();
    let mut capture = records.capture(probe);
    for _ in 0..3 {
        poll_fn(|cx| poll_ready(&mut capture, cx)).await.unwrap();
        let response = capture.call(message("[]")).await;
        let response = response.unwrap();
        response.into_body().collect().await.unwrap();
    }
    assert_eq!(handle.calls(), 3);
    assert_eq!(handle.ready_polls(), 3);
    assert_eq!(records.all().len(), 3);
}

#[tokio::test]
async fn readiness_passes_through_with_its_error() {
    let probe = ServiceProbe::new(FakeClaude::default());
    let handle = probe.handle();
    let mut capture = Records::default().capture(probe);
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = || poll_ready(&mut capture, &mut cx);

    handle.hold_ready();
    assert!(poll().is_pending());
    handle.release_ready();
    handle.fail_ready(TransportError::not_sent("full"));
    assert!(matches!(poll(), Poll::Ready(Err(_))));
    assert!(matches!(poll(), Poll::Ready(Ok(()))));
}

#[tokio::test]
async fn dropping_the_future_drops_the_inner_call() {
    let records = Records::default();
    let slow = Answer::cached_message().head_delay(Duration::from_secs(60));
    let probe = ServiceProbe::new(FakeClaude::sequence([slow]));
    let handle = probe.handle();
    let mut call = Box::pin(records.capture(probe).oneshot(message("[]")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert_eq!(handle.in_flight(), 1);
    drop(call);
    assert_eq!(handle.in_flight(), 0);
    assert_eq!(handle.dropped_unfinished(), 1);
    records.only();
}

#[test]
fn service_future_and_body_can_go_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>(_: &T) {}
    let mut capture = Records::default().capture(FakeClaude::default());
    is_send(&capture);
    is_sync(&capture);
    is_send(&capture.call(message("[]")));
}

#[test]
fn the_future_is_no_larger_than_what_it_holds() {
    let mut capture = Records::default().capture(FakeClaude::default());
    let future = capture.call(message("[]"));
    let prepare = size_of::<tower_claude_core::Prepare>();
    let most = prepare + size_of::<FakeClaude>() + 160;
    assert!(size_of_val(&future) <= most, "{}", size_of_val(&future));
}
