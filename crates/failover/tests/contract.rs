//! What every layer owes the service below it.

mod support;

use std::time::Duration;

use http::{Request, Response};
use support::{Fleet, ask, good, in_order, ready};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_claude_core::{CallBody, Sent, TransportError};
use tower_claude_failover::{Failover, FailoverLayer, Hedge, Waiting};
use tower_claude_testkit::{Answer, FakeClaude, ProbeHandle, ServiceProbe};

fn probed(fleet: &Fleet) -> (Failover<ServiceProbe<Fleet>>, ProbeHandle) {
    let probe = ServiceProbe::new(fleet.clone());
    let handle = probe.handle();
    let layer = FailoverLayer::new(in_order(["a", "b", "c"])).expect("targets");
    (layer.layer(probe), handle)
}

fn failing() -> Fleet {
    Fleet::answering([
        ("a", Answer::overloaded()),
        ("b", Answer::refused_connection()),
        ("c", good()),
    ])
}

#[tokio::test]
async fn readiness_is_driven_before_every_attempt() {
    let (service, probe) = probed(&failing());
    let response = service.oneshot(ask()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(probe.calls(), 3);
    assert_eq!(probe.ready_polls(), 3);
    assert_eq!(probe.max_in_flight(), 1);
}

#[tokio::test]
async fn a_further_attempt_waits_for_readiness() {
    let (mut service, probe) = probed(&failing());
    ready(&mut service).await;
    let mut call = task::spawn(service.call(ask()));
    probe.hold_ready();
    assert_pending!(call.poll());
    assert_eq!(probe.calls(), 1);
    probe.release_ready();
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
}

#[tokio::test]
async fn an_error_of_readiness_is_returned_unchanged() {
    let (mut service, probe) = probed(&failing());
    ready(&mut service).await;
    let mut call = task::spawn(service.call(ask()));
    probe.fail_ready(TransportError::timeout(Sent::No));
    let error = assert_ready_err!(call.poll());
    assert!(error.is_timeout());
    assert_eq!(probe.calls(), 1);
}

#[tokio::test]
async fn poll_ready_passes_through() {
    let (mut service, probe) = probed(&failing());
    probe.hold_ready();
    let mut waiting = task::spawn(ready(&mut service));
    assert_pending!(waiting.poll());
    probe.release_ready();
    assert_ready!(waiting.poll());
}

#[tokio::test]
async fn a_clone_is_not_ready() {
    let (mut service, probe) = probed(&failing());
    ready(&mut service).await;
    let clone = service.clone();
    assert!(clone.oneshot(ask()).await.is_ok(), "asked for itself");
    assert_eq!(probe.ready_polls(), 4);
    service.call(ask()).await.unwrap();
    ready(&mut service).await;
    assert_eq!(probe.calls(), 6);
}

#[tokio::test]
async fn the_last_error_is_returned_unchanged() {
    let fleet = Fleet::answering([
        ("a", Answer::overloaded()),
        ("b", Answer::overloaded()),
        ("c", Answer::reset()),
    ]);
    let (service, _) = probed(&fleet);
    let error = service.oneshot(ask()).await.unwrap_err();
    assert_eq!(error.sent(), Sent::Maybe);
}

#[tokio::test]
async fn the_service_below_sees_a_plain_request() {
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
    let inner = tower::service_fn(move |request: Request<CallBody>| {
        let _ = tx.send(request);
        async { Ok::<_, TransportError>(Response::new(http_body_util::Empty::new())) }
    });
    let service = FailoverLayer::new(in_order(["a"])).unwrap().layer(inner);
    let mut request = ask();
    request.extensions_mut().insert(7_u8);
    service.oneshot(request).await.unwrap();
    let request = rx.recv().await.unwrap();
    assert_eq!(request.uri().path(), "/v1/messages");
    assert_eq!(request.extensions().get::<u8>(), Some(&7));
    assert!(request.body().as_bytes().is_some(), "buffered");
}

#[test]
fn everything_is_send_and_the_layer_and_its_parts_are_sync() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Send + Sync + Clone>(_: &T) {}
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    is_sync(&layer);
    is_sync(&layer.health());
    let mut service = layer.layer(failing());
    is_sync(&service);
    is_send(&service.call(ask()));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_drives_the_readiness_of_a_service_of_its_own() {
    let quick = || vec![good(); 40];
    let slow = good().head_delay(Duration::from_secs(30));
    let mut answers = quick();
    answers.push(slow.clone());
    let fleet = Fleet::new([
        ("a", FakeClaude::sequence(answers)),
        ("b", FakeClaude::sequence([slow])),
    ]);
    let probe = ServiceProbe::new(fleet);
    let handle = probe.handle();
    let layer = FailoverLayer::new(in_order(["a", "b"])).expect("targets");
    let service = layer.hedge(Hedge::new()).layer(probe);
    for _ in 0..40 {
        service.clone().oneshot(ask()).await.unwrap();
    }
    let mut call = task::spawn(service.oneshot(ask()));
    assert_pending!(call.poll());
    tokio::time::sleep(Duration::from_millis(999)).await;
    assert_eq!(handle.calls(), 41);
    handle.hold_ready();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_pending!(call.poll(), "nobody is ready for a second");
    assert_eq!(handle.calls(), 41);
    handle.release_ready();
    assert_pending!(call.poll());
    assert_eq!((handle.calls(), handle.max_in_flight()), (42, 2));
    drop(call);
    assert_eq!(handle.in_flight(), 0, "both are given up");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_leaves_the_readiness_it_came_with_to_others() {
    let limited = [Answer::rate_limited(3), good()];
    let fleet = Fleet::new([("a", FakeClaude::sequence(limited))]);
    let probe = ServiceProbe::new(fleet);
    let handle = probe.handle();
    let layer = FailoverLayer::new(in_order(["a"])).expect("targets");
    let service = layer.waiting(Waiting::new()).layer(probe);
    service.clone().oneshot(ask()).await.unwrap();
    let response = service.oneshot(ask()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((handle.calls(), handle.ready_polls()), (2, 3));
}
