//! What every service may rely on.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::task::Poll;

use http_body_util::BodyExt as _;
use support::{Gated, TEXT, claude, hear, layer, request, whole};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_claude_continuation::{Continuation, ContinuationBody, ContinuationLayer};
use tower_claude_core::{CallBody, Sent, TransportError};
use tower_claude_testkit::{Answer, FakeClaude, ProbeHandle, ScriptedBody, ServiceProbe};

type Probed = ServiceProbe<FakeClaude>;

fn probed(first: Answer) -> (Continuation<Probed>, ProbeHandle) {
    let probe = ServiceProbe::new(claude(first));
    let handle = probe.handle();
    (layer().layer(probe), handle)
}

fn broken() -> Answer {
    whole().truncate_after(12)
}

#[tokio::test]
async fn polls_readiness_before_every_attempt() {
    // The probe panics if one is called that is not ready.
    let (service, probe) = probed(broken());
    let heard = hear(service, request()).await.read();
    assert_eq!(heard.blocks, [TEXT]);
    assert_eq!((probe.calls(), probe.ready_polls()), (2, 2));
    assert_eq!((probe.in_flight(), probe.max_in_flight()), (0, 1));
}

#[tokio::test]
async fn waits_until_the_inner_service_is_ready_again() {
    let (service, probe) = probed(broken());
    let response = service.oneshot(request()).await.unwrap();
    probe.hold_ready();
    let mut rest = tokio_test::task::spawn(response.into_body().collect());
    assert!(rest.poll().is_pending());
    assert_eq!(probe.calls(), 1);
    probe.release_ready();
    assert!(rest.is_woken());
    assert!(rest.poll().is_ready());
    assert_eq!(probe.calls(), 2);
}

#[tokio::test]
async fn an_inner_service_that_fails_to_be_ready_again_is_not_asked() {
    let (service, probe) = probed(broken());
    let response = service.oneshot(request()).await.unwrap();
    probe.fail_ready(TransportError::timeout(Sent::No));
    let rest = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(rest, support::bytes_of(&broken()));
    assert_eq!(probe.calls(), 1);
}

#[tokio::test]
async fn readiness_passes_through() {
    let (mut service, probe) = probed(whole());
    probe.hold_ready();
    let mut waiting = tokio_test::task::spawn(ready(&mut service));
    assert!(waiting.poll().is_pending());
    probe.release_ready();
    assert!(waiting.poll().is_ready());
    drop(waiting);
    probe.fail_ready(TransportError::timeout(Sent::No));
    assert!(ready(&mut service).await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn an_error_of_the_first_attempt_is_returned_unchanged() {
    let (service, probe) = probed(Answer::refused_connection());
    let error = service.oneshot(request()).await.unwrap_err();
    assert_eq!(error.sent(), Sent::No);
    assert_eq!(probe.calls(), 1);
}

#[tokio::test]
async fn a_clone_is_not_ready_and_calls_through_it_are_fine() {
    let probe = ServiceProbe::new(FakeClaude::sequence([whole()]));
    let (mut service, probe) = (layer().layer(probe.clone()), probe.handle());
    ready(&mut service).await.unwrap();
    let clone = service.clone();
    service.call(request()).await.unwrap();
    clone.oneshot(request()).await.unwrap();
    assert_eq!((probe.calls(), probe.ready_polls()), (2, 2));
}

#[tokio::test]
#[should_panic(expected = "without a successful poll_ready")]
async fn readiness_is_used_up_by_a_call() {
    let (mut service, _) = probed(whole());
    ready(&mut service).await.unwrap();
    let _ = service.call(request()).await;
    let _ = service.call(request()).await;
}

#[tokio::test]
#[should_panic(expected = "Continuation future polled after it was ready")]
async fn a_future_that_is_done_panics_with_its_name() {
    let (mut service, _) = probed(whole());
    let mut call = std::pin::pin!(ready(&mut service).await.unwrap().call(request()));
    call.as_mut().await.unwrap();
    let _ = call.as_mut().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused_here() {
    let (service, probe) = probed(whole());
    let request = http::Request::post("/v1/messages")
        .body(CallBody::from("{"))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), probe.calls()), (400, 0));
}

#[tokio::test]
async fn a_body_that_is_done_stays_done() {
    let (service, _) = probed(broken());
    let response = service.oneshot(request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    while body.as_mut().frame().await.is_some() {}
    assert!(body.as_mut().frame().await.is_none());
}

#[test]
fn all_of_it_can_be_sent_and_shared() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn is_body<T: Send + Sync + Unpin + 'static>() {}
    let layer = ContinuationLayer::default();
    shared(&layer);
    let mut service = layer.layer(FakeClaude::default());
    shared(&service);
    sent(&service.call(request()));
    is_body::<ContinuationBody<FakeClaude, ScriptedBody>>();
    // Its future is not `Sync`, and the body is all the same.
    is_body::<ContinuationBody<Gated, tower_claude_core::PeekedBody<ScriptedBody>>>();
}

#[test]
fn debug_prints_settings_and_states() {
    let layer = ContinuationLayer::default();
    assert!(format!("{layer:?}").contains("limit: 1048576"));
    let mut service = layer.layer(FakeClaude::default());
    assert!(format!("{service:?}").starts_with("Continuation {"));
    let call = service.call(request());
    assert_eq!(format!("{call:?}"), "Continuation::Prepare");
    let mut call = tokio_test::task::spawn(call);
    let Poll::Ready(Ok(response)) = call.poll() else {
        panic!("ready at once");
    };
    let body = format!("{:?}", response.body());
    assert!(body.contains("is_watched: true"), "{body}");
}

async fn ready(
    service: &mut Continuation<Probed>,
) -> Result<&mut Continuation<Probed>, TransportError> {
    tower::ServiceExt::<http::Request<CallBody>>::ready(service).await
}
