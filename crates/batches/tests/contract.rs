//! What every tower service promises.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::future::{Future as _, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use support::{Account, BATCHES, create, item, layer, object, request, tenant};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_claude_batches::{BatchBook as _, Batches};
use tower_claude_core::{CallBody, TransportError};
use tower_claude_testkit::{Answer, FakeClaude, ServiceProbe};

type Probed = Batches<ServiceProbe<FakeClaude>>;

/// Says which of the many requests it can take is meant.
fn poll_ready(batches: &mut Probed, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
    Service::<Request<Full<Bytes>>>::poll_ready(batches, cx)
}

fn message() -> Request<Full<Bytes>> {
    let body = r#"{"model":"claude-x","max_tokens":9,"messages":[]}"#;
    request(&tenant("web"), &Method::POST, "/v1/messages", body)
}

fn batch() -> Request<Full<Bytes>> {
    create(&tenant("web"), &item("a", "claude-x"))
}

#[tokio::test]
async fn the_ready_service_is_the_one_that_is_called() {
    let claude = FakeClaude::new(|asked| match asked.path() {
        BATCHES => Answer::json(200, object(&format!("b{}", asked.call()))),
        _ => Answer::cached_message(),
    });
    let probe = ServiceProbe::new(claude);
    let handle = probe.handle();
    let mut batches = layer().layer(probe);
    for request in [message(), batch(), batch(), message()] {
        poll_fn(|cx| poll_ready(&mut batches, cx)).await.unwrap();
        let response = batches.call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
    }
    assert_eq!((handle.calls(), handle.ready_polls()), (4, 4));
}

#[tokio::test]
async fn readiness_passes_through_with_its_error() {
    let probe = ServiceProbe::new(FakeClaude::default());
    let handle = probe.handle();
    let mut batches = layer().layer(probe);
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = || poll_ready(&mut batches, &mut cx);

    handle.hold_ready();
    assert!(poll().is_pending());
    handle.release_ready();
    handle.fail_ready(TransportError::not_sent("full"));
    assert!(matches!(poll(), Poll::Ready(Err(_))));
    assert!(matches!(poll(), Poll::Ready(Ok(()))));
}

#[tokio::test]
async fn dropping_the_future_drops_the_inner_call_and_claims_nothing() {
    for request in [message(), batch()] {
        let layer = layer();
        let slow = Answer::json(200, object("b")).head_delay(Duration::from_secs(60));
        let probe = ServiceProbe::new(FakeClaude::sequence([slow]));
        let handle = probe.handle();
        let mut call = Box::pin(layer.layer(probe).oneshot(request));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert_eq!(handle.in_flight(), 1);
        drop(call);
        assert_eq!((handle.in_flight(), handle.dropped_unfinished()), (0, 1));
        assert_eq!(layer.book().owner("b").await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_its_own() {
    let failing = tower::service_fn(|_: Request<CallBody>| {
        let error = TransportError::not_sent("nobody is there");
        std::future::ready(Err::<http::Response<Full<Bytes>>, _>(error))
    });
    for request in [message(), batch()] {
        let error = layer().layer(failing).oneshot(request).await.unwrap_err();
        assert!(
            error.to_string().contains("connecting to upstream failed"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn clones_are_one_layer() {
    let layer = layer();
    let claude = Account::default().claude();
    let one = layer.clone().layer(claude.clone());
    one.oneshot(batch()).await.unwrap();
    let other = layer.layer(claude);
    let path = format!("{BATCHES}/msgbatch_0");
    let said = support::ask(other, support::get(&tenant("web"), &path)).await;
    assert_eq!(said.status, 200);
}

#[test]
fn service_future_and_body_can_go_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>(_: &T) {}
    let mut batches = layer().layer(FakeClaude::default());
    is_send(&batches);
    is_sync(&batches);
    is_send(&batches.call(batch()));
}

#[test]
fn the_future_is_no_larger_than_the_inner_one() {
    let mut claude = FakeClaude::default();
    let mut batches = layer().layer(claude.clone());
    let inner = claude.call(message().map(CallBody::new));
    let future = batches.call(message());
    assert!(size_of_val(&future) <= size_of_val(&inner) + 16);
}
