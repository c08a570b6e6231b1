//! The probe notices every breach of the contract of a service.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};

use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};
use tower::{Service, ServiceExt as _, service_fn};
use tower_claude_testkit::ServiceProbe;

fn echo(request: u32) -> Ready<Result<u32, &'static str>> {
    ready(Ok(request))
}

#[tokio::test]
async fn counts_calls_that_keep_the_contract() {
    let mut service = ServiceProbe::new(service_fn(echo));
    let probe = service.handle();
    assert_eq!(service.ready().await.unwrap().call(1).await, Ok(1));
    assert_eq!(service.clone().oneshot(2).await, Ok(2));
    assert_eq!(probe.calls(), 2);
    assert_eq!(probe.ready_polls(), 2);
    assert_eq!(probe.in_flight(), 0);
    assert_eq!(probe.dropped_unfinished(), 0);
}

#[tokio::test]
#[should_panic(expected = "call without a successful poll_ready on this very clone")]
async fn panics_when_a_fresh_clone_is_called() {
    let mut service = ServiceProbe::new(service_fn(echo));
    service.ready().await.unwrap();
    drop(service.clone().call(1));
}

#[tokio::test]
#[should_panic(expected = "call without a successful poll_ready on this very clone")]
async fn panics_when_one_readiness_is_used_twice() {
    let mut service = ServiceProbe::new(service_fn(echo));
    service.ready().await.unwrap();
    drop(service.call(1));
    drop(service.call(2));
}

#[test]
#[should_panic(expected = "call without a successful poll_ready on this very clone")]
fn panics_when_readiness_was_pending() {
    let service = ServiceProbe::new(service_fn(echo));
    service.handle().hold_ready();
    let mut service = tokio_test::task::spawn(service);
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    drop(service.call(1));
}

#[test]
#[should_panic(expected = "the error given to fail_ready is not a &str")]
fn panics_when_told_to_fail_with_a_foreign_error() {
    let service = ServiceProbe::new(service_fn(echo));
    service.handle().fail_ready(7_u32);
    let mut service = tokio_test::task::spawn(service);
    let _ = service.enter(|cx, mut service| service.poll_ready(cx));
}

#[test]
fn wakes_who_waits_when_readiness_is_released() {
    let service = ServiceProbe::new(service_fn(echo));
    let probe = service.handle();
    probe.hold_ready();
    let mut service = tokio_test::task::spawn(service);
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert!(!service.is_woken());
    probe.release_ready();
    assert!(service.is_woken());
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
}

#[test]
fn fails_readiness_once_when_told_to() {
    let service = ServiceProbe::new(service_fn(echo));
    service.handle().fail_ready("not today");
    let mut service = tokio_test::task::spawn(service);
    let error = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(error, "not today");
    assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
}

#[tokio::test]
async fn counts_what_is_in_flight_and_what_was_dropped() {
    let service = ServiceProbe::new(service_fn(|(): ()| pending::<Result<(), Infallible>>()));
    let probe = service.handle();
    let mut calls: Vec<_> = (0..3)
        .map(|_| tokio_test::task::spawn(service.clone().oneshot(())))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert_eq!(probe.in_flight(), 3);
    calls.pop();
    assert_eq!(probe.in_flight(), 2);
    assert_eq!(probe.max_in_flight(), 3);
    assert_eq!(probe.dropped_unfinished(), 1);
}
