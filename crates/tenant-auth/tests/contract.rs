//! What both layers owe to the services around them.

mod support;

use std::convert::Infallible;
use std::future::Ready;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use support::{KEY, Recorder, call, keys, tenant};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt as _};
use tower_claude_core::TransportError;
use tower_claude_tenant_auth::{AuthorizeLayer, TenantAuthLayer};
use tower_claude_testkit::{FakeClaude, ServiceProbe};

/// An error that is not even an error.
#[derive(Debug, PartialEq)]
struct Broken(u8);

/// Fails every call.
#[derive(Clone, Debug)]
struct Failing;

// === impl Failing ===

impl<B> Service<Request<B>> for Failing {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = Ready<Result<Self::Response, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Err(Broken(7)))
    }
}

/// A call that passes either layer.
fn good() -> Request<Full<Bytes>> {
    let mut request = call(&[("x-api-key", KEY)]);
    request.extensions_mut().insert(tenant("web"));
    request
}

async fn calls_the_service_that_was_ready<L>(layer: L)
where
    L: Layer<ServiceProbe<Recorder>>,
    L::Service: Service<Request<Full<Bytes>>, Error = Infallible> + Clone,
{
    let inner = ServiceProbe::new(Recorder::default());
    let probe = inner.handle();
    let mut service = layer.layer(inner);
    for _ in 0..3 {
        // The probe panics where a clone is called that was not asked.
        let service = service.ready().await.expect("infallible");
        service.call(good()).await.expect("infallible");
    }
    service.clone().oneshot(good()).await.expect("infallible");
    assert_eq!(probe.calls(), 4);
    assert_eq!(probe.dropped_unfinished(), 0);
}

fn waits_and_fails_as_the_inner_service_does<L>(layer: L)
where
    L: Layer<ServiceProbe<FakeClaude>>,
    L::Service: Service<Request<Full<Bytes>>, Error = TransportError> + std::fmt::Debug,
{
    let inner = ServiceProbe::new(FakeClaude::default());
    let probe = inner.handle();
    let mut service = layer.layer(inner);
    probe.hold_ready();
    let mut ready = task::spawn(service.ready());
    assert_pending!(ready.poll());
    probe.release_ready();
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
    drop(ready);
    probe.fail_ready(TransportError::not_sent("no connection"));
    let error = assert_ready_err!(task::spawn(service.ready()).poll());
    assert!(format!("{error:?}").contains("no connection"));
}

async fn returns_the_inner_error_unchanged<L>(layer: L)
where
    L: Layer<Failing>,
    L::Service: Service<Request<Full<Bytes>>, Error = Broken>,
{
    let error = layer.layer(Failing).oneshot(good()).await.err();
    assert_eq!(error, Some(Broken(7)));
}

/// What axum and tonic ask of a layer and of what it makes.
fn fits_into_a_host<L>(_: &L)
where
    L: Layer<Recorder> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<Full<Bytes>>, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Full<Bytes>>>>::Future: Send + 'static,
{
}

#[tokio::test]
async fn both_call_the_service_that_was_ready() {
    calls_the_service_that_was_ready(TenantAuthLayer::new(keys())).await;
    calls_the_service_that_was_ready(AuthorizeLayer::new()).await;
}

#[test]
fn both_wait_and_fail_as_the_inner_service_does() {
    waits_and_fails_as_the_inner_service_does(TenantAuthLayer::new(keys()));
    waits_and_fails_as_the_inner_service_does(AuthorizeLayer::new());
}

#[tokio::test]
async fn both_return_the_inner_error_unchanged() {
    returns_the_inner_error_unchanged(TenantAuthLayer::new(keys())).await;
    returns_the_inner_error_unchanged(AuthorizeLayer::new()).await;
}

#[test]
fn both_fit_into_a_host() {
    fits_into_a_host(&TenantAuthLayer::new(keys()));
    fits_into_a_host(&AuthorizeLayer::new());
}

#[test]
fn a_ready_authenticator_and_a_ready_inner_service_are_ready_at_once() {
    let mut service = TenantAuthLayer::new(keys()).layer(Recorder::default());
    assert_ready_ok!(task::spawn(service.call(good())).poll());
    let mut service = AuthorizeLayer::new().layer(Recorder::default());
    assert_ready_ok!(task::spawn(service.call(good())).poll());
}
