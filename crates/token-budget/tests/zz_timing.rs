#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs
)]
mod support;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tower_claude_core::*;
use tower_claude_token_budget::*;
struct A;
static N: AtomicU64 = AtomicU64::new(0);
unsafe impl GlobalAlloc for A {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        N.fetch_add(1, Relaxed);
        unsafe { System.alloc(l) }
    }
    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        unsafe { System.dealloc(p, l) }
    }
    unsafe fn realloc(&self, p: *mut u8, l: Layout, n: usize) -> *mut u8 {
        N.fetch_add(1, Relaxed);
        unsafe { System.realloc(p, l, n) }
    }
}
#[global_allocator]
static G: A = A;
#[tokio::test]
async fn timing() {
    let store = MemoryStore::new();
    let plan = |n: u64| {
        Arc::new(support::plan(&[
            (Meter::Requests, n),
            (Meter::InputTokens, n),
            (Meter::OutputTokens, n),
            (Meter::Tokens, n),
        ]))
    };
    let p = plan(1 << 60);
    let o = support::owner("web");
    for round in 0..4 {
        let n: u64 = std::env::var("N1").map_or(1_000_000, |v| v.parse().unwrap());
        let a = N.load(Relaxed);
        let t = Instant::now();
        for _ in 0..n {
            let id = ReservationId::generate();
            let am = Amounts::new(1, 10, 10);
            let r = store
                .reserve(Reservation::new(id, o.clone(), p.clone(), am))
                .await
                .unwrap();
            assert!(matches!(r, Reserved::Granted { .. }));
            store.settle(Settlement::new(id, o.clone(), p.clone(), am));
        }
        println!(
            "store {round}: {:?} ns, {} allocs per 1000",
            t.elapsed().as_nanos() as u64 / n,
            (N.load(Relaxed) - a) * 1000 / n
        );
    }
    // layer
    let inner = tower::service_fn(|_: http::Request<CallBody>| {
        let mut r = http::Response::new(http_body_util::Full::new(bytes::Bytes::from_static(
            br#"{"model":"m","usage":{"input_tokens":10,"output_tokens":5}}"#,
        )));
        r.headers_mut().reserve(24);
        r.headers_mut().insert(
            "content-type",
            http::HeaderValue::from_static("application/json"),
        );
        std::future::ready(Ok::<_, std::convert::Infallible>(r))
    });
    let pl = support::plan(&[
        (Meter::Requests, 1 << 50),
        (Meter::InputTokens, 1 << 50),
        (Meter::OutputTokens, 1 << 50),
        (Meter::Tokens, 1 << 50),
    ]);
    let layer = TokenBudgetLayer::new(MemoryStore::new(), Plans::for_all(pl).unwrap());
    let mut service = layer.layer(inner.clone());
    let mut plain = inner;
    let prepared = Prepare::new(support::messages(100, false), &Intake::new())
        .await
        .unwrap();
    let make = || {
        let mut r = http::Request::post("/v1/messages")
            .body(prepared.request.body().try_clone().unwrap())
            .unwrap();
        r.extensions_mut().insert(prepared.call.clone());
        r
    };
    for round in 0..4 {
        let n: u64 = std::env::var("N").map_or(300_000, |v| v.parse().unwrap());
        let a = N.load(Relaxed);
        let t = Instant::now();
        for _ in 0..std::env::var("N2").map_or(n, |v| v.parse().unwrap()) {
            let r = ServiceExt::<http::Request<CallBody>>::ready(&mut plain)
                .await
                .unwrap()
                .call(make())
                .await
                .unwrap();
            let r = tap(r);
            http_body_util::BodyExt::collect(r.into_body())
                .await
                .unwrap();
        }
        let (t0, a0) = (t.elapsed().as_nanos() as u64 / n, N.load(Relaxed) - a);
        let a = N.load(Relaxed);
        let t = Instant::now();
        for _ in 0..n {
            let r = ServiceExt::<http::Request<CallBody>>::ready(&mut service)
                .await
                .unwrap()
                .call(make())
                .await
                .unwrap();
            http_body_util::BodyExt::collect(r.into_body())
                .await
                .unwrap();
        }
        println!(
            "layer {round}: {} ns vs {} ns plain+tap; allocs {} vs {} per 1000",
            t.elapsed().as_nanos() as u64 / n,
            t0,
            (N.load(Relaxed) - a) * 1000 / n,
            a0 * 1000 / n
        );
    }
}
