//! What every service may rely on.

mod support;

use std::task::Poll;
use std::time::Duration;

use support::{CallsClaude as _, good, layer, ready, request};
use tower::{Layer as _, Service as _};
use tower_claude_core::{Sent, TransportError};
use tower_claude_retry::{Retry, RetryLayer};
use tower_claude_testkit::{Answer, FakeClaude, ServiceProbe};

fn probed(
    answers: impl IntoIterator<Item = Answer>,
) -> (
    Retry<ServiceProbe<FakeClaude>>,
    tower_claude_testkit::ProbeHandle,
) {
    let probe = ServiceProbe::new(FakeClaude::sequence(answers));
    let handle = probe.handle();
    (layer().layer(probe), handle)
}

#[tokio::test(start_paused = true)]
async fn polls_readiness_before_every_attempt() {
    // The probe panics if one is called that is not ready.
    let (service, probe) = probed([Answer::overloaded()]);
    let response = service.ask(request()).await.unwrap();
    assert_eq!(response.status(), 529);
    assert_eq!((probe.calls(), probe.ready_polls()), (3, 3));
    assert_eq!((probe.in_flight(), probe.max_in_flight()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn waits_until_the_inner_service_is_ready_again() {
    let (mut service, probe) = probed([Answer::overloaded(), good()]);
    let call = ready(&mut service).await.unwrap().call(request());
    probe.hold_ready();
    let mut call = tokio_test::task::spawn(call);
    assert!(call.poll().is_pending());
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(call.poll().is_pending());
    assert_eq!(probe.calls(), 1);
    probe.release_ready();
    assert!(call.is_woken());
    let Poll::Ready(response) = call.poll() else {
        panic!("ready now");
    };
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(probe.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_returned_unchanged() {
    let (mut service, probe) = probed([Answer::overloaded(), good()]);
    probe.fail_ready(TransportError::timeout(Sent::No));
    let error = ready(&mut service).await.unwrap_err();
    assert!(error.is_timeout());

    let call = ready(&mut service).await.unwrap().call(request());
    probe.fail_ready(TransportError::timeout(Sent::No));
    let error = call.await.unwrap_err();
    assert!(error.is_timeout() && error.sent() == Sent::No);
    assert_eq!(probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_passes_through() {
    let (mut service, probe) = probed([good()]);
    probe.hold_ready();
    let mut waiting = tokio_test::task::spawn(ready(&mut service));
    assert!(waiting.poll().is_pending());
    probe.release_ready();
    assert!(waiting.poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_not_ready_and_calls_through_it_are_fine() {
    let (mut service, probe) = probed([good()]);
    ready(&mut service).await.unwrap();
    let clone = service.clone();
    service.call(request()).await.unwrap();
    clone.ask(request()).await.unwrap();
    assert_eq!((probe.calls(), probe.ready_polls()), (2, 2));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "without a successful poll_ready")]
async fn readiness_is_used_up_by_a_call() {
    let (mut service, _) = probed([good()]);
    ready(&mut service).await.unwrap();
    let _ = service.call(request()).await;
    let _ = service.call(request()).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "Retry future polled after it was ready")]
async fn a_future_that_is_done_panics_with_its_name() {
    let (mut service, _) = probed([good()]);
    let mut call = std::pin::pin!(ready(&mut service).await.unwrap().call(request()));
    call.as_mut().await.unwrap();
    let _ = call.as_mut().await;
}

#[test]
fn all_of_it_can_be_sent_and_shared() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let layer = RetryLayer::default();
    shared(&layer);
    let mut service = layer.layer(FakeClaude::default());
    shared(&service);
    sent(&service.call(request()));
}

#[test]
fn debug_prints_settings_and_states() {
    let layer = RetryLayer::default();
    assert!(format!("{layer:?}").contains("attempts: 3"));
    let mut service = layer.layer(FakeClaude::default());
    assert!(format!("{service:?}").starts_with("Retry {"));
    assert_eq!(format!("{:?}", service.call(request())), "Retry::Prepare");
}
