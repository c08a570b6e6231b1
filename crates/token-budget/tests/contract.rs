//! What `tower` and the hosts expect of every service.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use support::{messages, wide};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer as _, Service, ServiceExt, service_fn};
use tower_claude_core::{CallBody, TransportError};
use tower_claude_testkit::{FakeClaude, ScriptedBody, ServiceProbe};
use tower_claude_token_budget::{
    MemoryStore, Plan, Plans, TokenBudget, TokenBudgetLayer, WhenStoreIsDown,
};

type Probed = TokenBudget<ServiceProbe<FakeClaude>, MemoryStore>;

fn layer() -> TokenBudgetLayer<MemoryStore> {
    TokenBudgetLayer::new(MemoryStore::new(), Plans::for_all(wide()).unwrap())
}

fn probed() -> (Probed, tower_claude_testkit::ProbeHandle) {
    let probe = ServiceProbe::new(FakeClaude::default());
    let handle = probe.handle();
    (layer().layer(probe), handle)
}

#[tokio::test]
async fn calls_the_service_that_was_ready_and_no_fresh_clone() {
    let (mut service, probe) = probed();
    for _ in 0..3 {
        let ready = ServiceExt::<Request<CallBody>>::ready(&mut service);
        let response = ready.await.unwrap().call(messages(16, false)).await;
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!((probe.calls(), probe.in_flight()), (3, 0));
}

#[tokio::test]
async fn a_clone_has_to_become_ready_by_itself() {
    let (mut service, probe) = probed();
    ServiceExt::<Request<CallBody>>::ready(&mut service)
        .await
        .unwrap();
    let clone = service.clone();
    clone.oneshot(messages(16, false)).await.unwrap();
    service.call(messages(16, false)).await.unwrap();
    assert_eq!(probe.calls(), 2);
}

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let (mut service, probe) = probed();
    probe.hold_ready();
    let mut ready = task::spawn(async {
        let ready = ServiceExt::<Request<CallBody>>::ready(&mut service);
        ready.await.map(|_| ())
    });
    assert_pending!(ready.poll());
    probe.fail_ready(TransportError::not_sent("no route"));
    probe.release_ready();
    let error = assert_ready!(ready.poll()).unwrap_err();
    assert_eq!(error.to_string(), "connecting to upstream failed");
}

#[tokio::test]
async fn the_error_of_the_inner_service_comes_out_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Odd(u8);
    let inner = service_fn(async |_: Request<CallBody>| Err::<Response<ScriptedBody>, _>(Odd(7)));
    let result = layer().layer(inner).oneshot(messages(16, false)).await;
    assert_eq!(result.err(), Some(Odd(7)));
}

#[tokio::test]
async fn any_request_body_is_taken() {
    let (service, _) = probed();
    let request = Request::head("/api/hello").body(Empty::new()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_costs_nothing_passes_untouched() {
    let (service, probe) = probed();
    let request = Request::get("/v1/models").body(CallBody::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // The account's own headers of the fake.
    assert_eq!(
        response.headers()["anthropic-ratelimit-requests-limit"],
        "1000"
    );
    let plain = FakeClaude::default();
    let request = Request::get("/v1/models").body(CallBody::empty()).unwrap();
    let expected = plain.oneshot(request).await.unwrap().into_body();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        expected.collect().await.unwrap().to_bytes(),
    );
    assert_eq!(probe.calls(), 1);
}

#[test]
fn everything_is_send_and_layers_are_cheap_to_clone() {
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn send<T: Send>(_: &T) {}
    let layer = layer()
        .estimate(())
        .when_store_is_down(WhenStoreIsDown::Allow);
    check(&layer.clone());
    let inner = service_fn(async |_: Request<CallBody>| {
        Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
    });
    let service = layer.layer(inner);
    send(&service.clone().oneshot(messages(1, false)));
    check(&service);
    check(&Plans::new([Plan::new("p")]).unwrap());
}

#[test]
fn neither_the_future_nor_the_body_is_large() {
    fn size_of_future<S, R>(_: &S) -> usize
    where
        S: Service<R>,
    {
        size_of::<S::Future>()
    }
    let service = layer().layer(FakeClaude::default());
    let future = size_of_future::<_, Request<CallBody>>(&service);
    let inner = size_of_future::<_, Request<CallBody>>(&FakeClaude::default());
    println!("future {future}, of the inner service {inner}");
    assert!(future <= 1_100, "{future}");
    let body = size_of::<tower_claude_token_budget::BudgetBody<()>>();
    println!("body {body}");
    assert!(body <= 576, "{body}");
}
