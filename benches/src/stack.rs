use std::convert::Infallible;
use std::num::NonZeroU64;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_claude::core::{CallBody, RequestId, Target, Tenant, TenantId};
use tower_claude::tenant_auth::{KeyDigest, StaticKey, StaticKeys};
use tower_claude::token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans};
use tower_claude::{
    AuthorizeLayer, FailoverLayer, RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::{API_KEY, Inner};

/// A name, and what makes a call with that much of the stack.
pub type Layered = (&'static str, fn(Inner, Bytes) -> Box<dyn FnMut()>);

/// Each layer alone, and all of them.
pub const LAYERS: &[Layered] = &[
    ("TenantAuth", |inner, body| calls(auth().layer(inner), body)),
    ("UsageMeter", |inner, body| {
        calls(meter().layer(inner), body)
    }),
    ("TokenBudget", |inner, body| {
        calls(budget().layer(inner), body)
    }),
    ("Failover", |inner, body| {
        calls(failover().layer(inner), body)
    }),
    ("Retry", |inner, body| {
        calls(RetryLayer::default().layer(inner), body)
    }),
    ("all five", |inner, body| {
        let service = failover().layer(RetryLayer::default().layer(inner));
        calls(auth().layer(meter().layer(budget().layer(service))), body)
    }),
    ("all five and Authorize", |inner, body| {
        let service = failover().layer(RetryLayer::default().layer(inner));
        let service = AuthorizeLayer::new().layer(budget().layer(service));
        calls(auth().layer(meter().layer(service)), body)
    }),
];

fn auth() -> TenantAuthLayer<StaticKeys> {
    let tenant = Tenant::new(id()).plan("bench");
    let key = StaticKey::new(KeyDigest::of(API_KEY), tenant);
    TenantAuthLayer::new(StaticKeys::new([key]).expect("one key"))
}

/// Records into nothing: what a sink costs is its own.
fn meter() -> UsageMeterLayer {
    UsageMeterLayer::new(())
}

fn budget() -> TokenBudgetLayer<MemoryStore> {
    let plenty = NonZeroU64::new(1 << 50).expect("more than nothing");
    let plan = [Meter::Requests, Meter::InputTokens, Meter::OutputTokens]
        .into_iter()
        .fold(Plan::new("bench"), |plan, meter| {
            plan.limit(Limit::new(meter, plenty, Per::Minute))
        });
    let plans = Plans::new([plan]).and_then(|plans| plans.default_plan("bench"));
    TokenBudgetLayer::new(MemoryStore::new(), plans.expect("one plan"))
}

fn failover() -> FailoverLayer {
    FailoverLayer::new([Target::new("only")]).expect("one target")
}

fn id() -> TenantId {
    TenantId::new("bench").expect("a name")
}

/// Calls a service again and again.
pub fn calls<S, B>(mut service: S, body: Bytes) -> Box<dyn FnMut()>
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = Infallible> + 'static,
    B: Body<Data = Bytes>,
{
    clocked(move || answered(&mut service, request(body.clone())))
}

/// Gives what runs again and again a clock, for the layers that look at it; nothing waits.
pub(crate) fn clocked(mut run: impl FnMut() + 'static) -> Box<dyn FnMut()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    Box::new(move || {
        let _clock = runtime.enter();
        run();
    })
}

/// A request with such a body.
pub(crate) fn request(body: Bytes) -> Request<CallBody> {
    let mut request = Request::new(CallBody::full(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/v1/messages");
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    headers.insert("x-api-key", HeaderValue::from_static(API_KEY));
    headers.insert("user-agent", HeaderValue::from_static("Anthropic/Python"));
    // As a host does that wants to choose the id.
    request.extensions_mut().insert(RequestId::generate());
    request
}

/// Makes one call, which has to be answered at once, and reads the answer to its end.
pub(crate) fn answered<S, B>(service: &mut S, request: Request<CallBody>)
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut future = pin!(service.call(request));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut cx) else {
        panic!("nothing in here waits");
    };
    assert_eq!(response.status(), 200);
    let mut body = pin!(response.into_body());
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => drop(std::hint::black_box(frame)),
            Poll::Ready(None) => break,
            _ => panic!("nothing in here waits or breaks"),
        }
    }
}
