//! What every service may rely on.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use http_body_util::BodyExt as _;
use support::{late_stream, layer, prepared, ready, request, seconds, stream_request};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_claude_core::{Sent, TransportError};
use tower_claude_heartbeat::{Heartbeat, HeartbeatLayer};
use tower_claude_testkit::{Answer, FakeClaude, ProbeHandle, ServiceProbe};

fn probed(answer: Answer) -> (Heartbeat<ServiceProbe<FakeClaude>>, ProbeHandle) {
    let probe = ServiceProbe::new(FakeClaude::sequence([answer]));
    let handle = probe.handle();
    (layer().layer(probe), handle)
}

#[tokio::test(start_paused = true)]
async fn the_service_that_is_ready_is_the_one_that_is_called() {
    // The probe panics if one is called that is not ready.
    for answer in [Answer::thinking_tool_use(), late_stream()] {
        let (mut service, probe) = probed(answer);
        let (known, _) = prepared(stream_request()).await;
        for request in [request(), stream_request(), known] {
            let response = ready(&mut service).await.unwrap().call(request);
            response.await.unwrap().into_body().collect().await.unwrap();
        }
        assert_eq!((probe.calls(), probe.ready_polls()), (3, 3));
        assert_eq!((probe.in_flight(), probe.dropped_unfinished()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_pass_through() {
    let (mut service, probe) = probed(late_stream());
    probe.hold_ready();
    let mut waiting = tokio_test::task::spawn(ready(&mut service));
    assert!(waiting.poll().is_pending());
    probe.release_ready();
    assert!(waiting.poll().is_ready());
    drop(waiting);
    probe.fail_ready(TransportError::timeout(Sent::No));
    assert!(ready(&mut service).await.unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_not_ready_and_calls_through_it_are_fine() {
    let (mut service, probe) = probed(Answer::cached_message());
    ready(&mut service).await.unwrap();
    let clone = service.clone();
    service.call(request()).await.unwrap();
    clone.oneshot(request()).await.unwrap();
    assert_eq!((probe.calls(), probe.ready_polls()), (2, 2));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "without a successful poll_ready")]
async fn readiness_is_used_up_by_a_call() {
    let (mut service, _) = probed(Answer::cached_message());
    ready(&mut service).await.unwrap();
    let _ = service.call(request()).await;
    let _ = service.call(request()).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "Heartbeat future polled after it was ready")]
async fn a_future_that_is_done_panics_with_its_name() {
    let (mut service, _) = probed(late_stream());
    let ready = ready(&mut service).await.unwrap();
    let mut call = std::pin::pin!(ready.call(stream_request()));
    call.as_mut().await.unwrap();
    let _ = call.as_mut().await;
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_do_not_know_of_each_other() {
    let service = layer().layer(FakeClaude::sequence([late_stream()]));
    let calls = (0..50).map(|_| tokio::spawn(service.clone().oneshot(stream_request())));
    let began = tokio::time::Instant::now();
    let calls: Vec<_> = calls.collect();
    for call in calls {
        let body = call.await.unwrap().unwrap().into_body();
        let whole = tokio::spawn(body.collect()).await.unwrap().unwrap();
        assert!(whole.to_bytes().ends_with(b"message_stop\"}\n\n"));
    }
    assert!(began.elapsed() >= seconds(10));
}

#[tokio::test(start_paused = true)]
async fn all_of_it_can_be_sent_and_shared() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn moved<T: Unpin>(_: &T) {}
    let layer = layer();
    shared(&layer);
    let mut service = layer.layer(FakeClaude::sequence([late_stream()]));
    shared(&service);
    let call = service.call(stream_request());
    sent(&call);
    let body = call.await.unwrap().into_body();
    sent(&body);
    moved(&body);
}

#[tokio::test(start_paused = true)]
async fn debug_prints_settings_and_states() {
    let layer = HeartbeatLayer::new();
    let printed = format!("{layer:?}");
    assert!(printed.contains("after: 5s") && printed.contains("deadline: None"));
    let mut service = layer.layer(FakeClaude::sequence([late_stream()]));
    assert!(format!("{service:?}").starts_with("Heartbeat {"));
    let call = service.call(stream_request());
    assert_eq!(format!("{call:?}"), "Heartbeat::Prepare");
    let (known, _) = prepared(stream_request()).await;
    assert_eq!(format!("{:?}", service.call(known)), "Heartbeat::Wait");
    let (known, _) = prepared(request()).await;
    assert_eq!(format!("{:?}", service.call(known)), "Heartbeat::Pass");
    let body = format!("{:?}", call.await.unwrap().into_body());
    assert!(body.contains("HeartbeatBody::Early"), "{body}");
}
