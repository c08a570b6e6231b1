//! How often the whole stack asks the allocator, beyond what the service inside does.
//!
//! Allocations are exact where times are noise: a bound that is gone through is a `clone`, a
//! `format!` or a `Box` on the way of every call. The bounds are what was measured, and are
//! there to be lowered.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::num::NonZeroU64;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use support::inner::{Inner, InnerBody, events};
use support::{KEY, auth, failover, retry, whole};
use tower_claude::core::{CallBody, Intake, Prepare, RequestId, SseScanner, TapBody, Target, tap};
use tower_claude::token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans};
use tower_claude::{FailoverLayer, TokenBudgetLayer, UsageMeterLayer};
use tower_layer::{Identity, Layer};
use tower_service::Service;

/// Of a plain call of 1 KB. One of them is the log of attempts, which has an allocation of its
/// own so that the request's body need not live as long as it.
const PLAIN: u64 = 18;
/// Of a stream of 200 deltas that comes in one piece.
const BURST: u64 = 22;
/// Of a stream of 200 deltas that comes event by event.
const PACED: u64 = 22;

/// Of Retry and Failover together, of a plain call that a layer outside has read: the header
/// lines that are kept for a second attempt, and the target in the request's extensions.
const PAIR_PLAIN: u64 = 2;
/// Of a stream: the same, and the queue of what the gate holds.
const PAIR_STREAM: u64 = 3;
/// Where there is a second target, Failover keeps header lines of its own.
const PAIR_CHOICE: u64 = 1;

/// A service to which calls come as a layer outside hands them on: read.
struct Read<S>(S);

/// A service whose answers are read along, which is metering, whoever begins it.
struct Tapped(Inner);

// === impl Read ===

impl<S> Service<Request<CallBody>> for Read<S>
where
    S: Service<Request<CallBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<CallBody>) -> S::Future {
        let mut prepare = pin!(Prepare::new(request, &Intake::new()));
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(prepared)) = prepare.as_mut().poll(&mut cx) else {
            panic!("a good request that is there");
        };
        self.0.call(prepared.request)
    }
}

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

/// What Retry and Failover add by themselves, with so many targets.
fn added_by_pair(inner: &Inner, targets: u32, body: &Bytes) -> u64 {
    let targets = (0..targets).map(|rank| Target::new(format!("t{rank}")).priority(rank));
    let failover = FailoverLayer::new(targets).unwrap();
    let pair = failover.layer(retry().layer(inner.clone()));
    let pair = a_call(Read(pair), body).count_total;
    pair - a_call(Read(Tapped(inner.clone())), body).count_total
}

/// Records into nothing: what a sink costs is its own.
fn meter() -> UsageMeterLayer {
    UsageMeterLayer::new(())
}

/// More than is ever spent here.
fn budget() -> TokenBudgetLayer<MemoryStore> {
    let plenty = NonZeroU64::new(1 << 50).unwrap();
    let plan = [Meter::Requests, Meter::InputTokens, Meter::OutputTokens]
        .into_iter()
        .fold(Plan::new("standard"), |plan, meter| {
            plan.limit(Limit::new(meter, plenty, Per::Minute))
        });
    TokenBudgetLayer::new(MemoryStore::new(), Plans::new([plan]).unwrap())
}

/// What the whole stack adds to one call of this service.
fn added(inner: &Inner, body: &Bytes) -> u64 {
    let whole = whole(auth(), meter(), budget(), failover(), retry());
    let bare = a_call(Identity::new().layer(inner.clone()), body);
    let whole = a_call(whole.layer(inner.clone()), body);
    whole.count_total - bare.count_total
}

/// The allocations of one call among many.
fn a_call<S, B>(mut service: S, body: &Bytes) -> AllocationInfo
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    // Time stands still, so no window of a limit passes while it is counted.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let _clock = runtime.enter();
    let mut run = || call(&mut service, body.clone());
    // Tables that grow with use have grown by then.
    (0..100).for_each(|_| run());
    let counted = (0..20).map(|_| allocation_counter::measure(&mut run));
    counted.min_by_key(|counted| counted.count_total).unwrap()
}

/// Makes one call, which has to be answered at once, and reads the answer to its end.
fn call<S, B>(service: &mut S, body: Bytes)
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut request = Request::new(CallBody::full(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/v1/messages");
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    headers.insert("x-api-key", HeaderValue::from_static(KEY));
    headers.insert("user-agent", HeaderValue::from_static("Anthropic/Python"));
    // As a host does that wants to choose the id.
    request.extensions_mut().insert(RequestId::generate());
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

/// The body of a request of about so many KB.
fn request_body(kilobytes: usize, stream: bool) -> Bytes {
    let line = "The tide was out when we came to the pier, and nobody was there.\\n";
    format!(
        r#"{{"model":"claude-sonnet-5-5","max_tokens":1024,"stream":{stream},"system":"You are brief.","messages":[{{"role":"user","content":"{}"}}]}}"#,
        line.repeat(15 * kilobytes - 1)
    )
    .into()
}

#[test]
fn a_plain_call_of_1_kb_allocates_no_more_than_it_did() {
    let body = request_body(1, false);
    assert!((1_000..1_100).contains(&body.len()), "{}", body.len());
    let added = added(&Inner::plain(), &body);
    println!("a plain call of 1 KB: {added} allocations, {PLAIN} allowed");
    assert!(added <= PLAIN, "{added} allocations");
}

#[test]
fn a_stream_of_200_deltas_in_one_piece_allocates_no_more_than_it_did() {
    let added = added(&Inner::stream(200, usize::MAX), &request_body(1, true));
    println!("a burst of 200 deltas: {added} allocations, {BURST} allowed");
    assert!(added <= BURST, "{added} allocations");
}

#[test]
fn a_stream_of_200_deltas_one_by_one_allocates_no_more_than_it_did() {
    let added = added(&Inner::stream(200, 1), &request_body(1, true));
    println!("200 deltas one by one: {added} allocations, {PACED} allowed");
    assert!(added <= PACED, "{added} allocations");
}

#[test]
fn retry_and_failover_together_allocate_at_most_four_times() {
    let kinds = [
        ("plain", Inner::plain(), false, PAIR_PLAIN),
        ("burst", Inner::stream(200, usize::MAX), true, PAIR_STREAM),
        ("paced", Inner::stream(200, 1), true, PAIR_STREAM),
    ];
    for (kind, inner, is_stream, most) in kinds {
        let body = request_body(1, is_stream);
        for (targets, most) in [(1, most), (2, most + PAIR_CHOICE)] {
            let added = added_by_pair(&inner, targets, &body);
            println!("{kind}, {targets} targets: {added} allocations, {most} allowed");
            assert!(added <= most, "{kind}, {targets} targets: {added}");
            assert!(most <= 4, "the aim");
        }
    }
}

#[test]
fn a_longer_stream_allocates_no_more_than_a_short_one() {
    let body = request_body(1, true);
    for events_a_frame in [1, 7, usize::MAX] {
        let [short, long] = [20, 1_000].map(|deltas| {
            let inner = Inner::stream(deltas, events_a_frame);
            added(&inner, &body)
        });
        assert_eq!(short, long, "{events_a_frame} events a frame");
    }
}

#[test]
fn a_larger_request_costs_no_more_memory() {
    let [small, large] = [1, 1_000].map(|kilobytes| {
        let body = request_body(kilobytes, false);
        let whole = whole(auth(), meter(), budget(), failover(), retry());
        let counted = a_call(whole.layer(Inner::plain()), &body);
        (counted.count_total, counted.bytes_total)
    });
    assert_eq!(small, large, "allocations, and bytes");
}

#[test]
fn the_scanner_allocates_for_a_stream_and_not_for_its_events() {
    // Whole events, events cut at every kind of place, and the whole stream at once.
    for size in [7, 100, 133, usize::MAX] {
        let [short, long] = [10, 10_000].map(|deltas| {
            let stream: Vec<u8> = events(deltas).collect::<Vec<_>>().concat();
            let mut seen = 0;
            let counted = allocation_counter::measure(|| {
                let mut scanner = SseScanner::new();
                for chunk in stream.chunks(size) {
                    scanner.push(chunk, |_| seen += 1);
                }
                scanner.finish(|_| seen += 1);
            });
            assert_eq!(seen, deltas + 5);
            counted.count_total
        });
        println!("the scanner, chunks of {size}: {short} and {long} allocations");
        assert_eq!(short, long, "chunks of {size} bytes");
    }
}
