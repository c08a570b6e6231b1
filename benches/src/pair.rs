use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude::core::{CallBody, Intake, Prepare, TapBody, Target, tap};
use tower_claude::{FailoverLayer, RetryLayer};
use tower_layer::{Layer, Stack};
use tower_service::Service;

use crate::stack::{answered, clocked, request};
use crate::{Inner, InnerBody, Layered};

/// Retry and Failover together, around a call that a layer outside has read, and beside what
/// there is without them: an answer that is read along as it passes.
///
/// The difference is their own. Reading the answer is metering, whoever begins it.
pub const PAIR: &[Layered] = &[
    ("bare but read and tapped", |inner, body| {
        read(Tapped(inner), body)
    }),
    ("Retry, Failover of 1", |inner, body| {
        read(pair(&["first"]).layer(inner), body)
    }),
    ("Retry, Failover of 2", |inner, body| {
        read(pair(&["first", "second"]).layer(inner), body)
    }),
];

/// A service whose answers are read along.
struct Tapped(Inner);

// === impl Tapped ===

impl Service<Request<CallBody>> for Tapped {
    type Response = Response<TapBody<InnerBody>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<CallBody>) -> Self::Future {
        ready(self.0.call(request).into_inner().map(tap))
    }
}

/// Both layers; of several targets, all calls go to the first.
fn pair(names: &[&str]) -> Stack<RetryLayer, FailoverLayer> {
    let targets = (0_u32..).zip(names);
    let targets = targets.map(|(rank, name)| Target::new(*name).priority(rank));
    let failover = FailoverLayer::new(targets).expect("targets");
    Stack::new(RetryLayer::default(), failover)
}

/// Calls a service again and again with requests that have been read.
fn read<S, B>(mut service: S, body: Bytes) -> Box<dyn FnMut()>
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = Infallible> + 'static,
    B: Body<Data = Bytes>,
{
    let intake = Intake::new();
    clocked(move || {
        let mut prepare = pin!(Prepare::new(request(body.clone()), &intake));
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(prepared)) = prepare.as_mut().poll(&mut cx) else {
            panic!("a good request that is there");
        };
        answered(&mut service, prepared.request);
    })
}
