//! However large a batch is: it is read once, in little memory, and others get their turn.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use support::{BATCHES, Down, layer, object, request, tenant};
use tower::{Layer as _, Service as _, service_fn};
use tower_claude_batches::BatchesLayer;
use tower_claude_core::{CallBody, Prepare};

const MIB: u64 = 1024 * 1024;

/// A batch of so many items with this much text in each.
fn body(items: usize, text: usize) -> Bytes {
    let mut body = String::from(r#"{"requests":["#);
    let text = "many words, ".repeat(text / 12);
    for number in 0..items {
        let comma = if number == 0 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"custom_id":"row-{number:07}","params":{{"model":"claude-x","max_tokens":9,"messages":[{{"role":"user","content":"{text}"}}]}}}}"#
        )
        .unwrap();
    }
    body.push_str("]}");
    body.into()
}

/// Reads a request as a layer outside does.
fn read(body: Bytes) -> Request<CallBody> {
    let request = request(&tenant("web"), &Method::POST, BATCHES, body);
    let mut prepare = pin!(Prepare::new(
        request.map(CallBody::new),
        &tower_claude_core::Intake::new()
    ));
    let mut cx = Context::from_waker(Waker::noop());
    match prepare.as_mut().poll(&mut cx) {
        Poll::Ready(prepared) => prepared.unwrap().request,
        Poll::Pending => panic!("the body is at hand"),
    }
}

/// What a call that is read already takes: its status, how often it was polled, and memory.
fn measured(request: Request<CallBody>) -> (u16, usize, AllocationInfo) {
    let answer = object("b");
    let mut service = layer().layer(service_fn(move |_: Request<CallBody>| {
        let body = Full::new(Bytes::from(answer.clone()));
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    }));
    let (mut status, mut polls) = (0, 0);
    let mut request = Some(request);
    let info = allocation_counter::measure(|| {
        let mut call = pin!(service.call(request.take().unwrap()));
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            polls += 1;
            if let Poll::Ready(response) = call.as_mut().poll(&mut cx) {
                status = response.unwrap().status().as_u16();
                return;
            }
        }
    });
    (status, polls, info)
}

#[test]
fn the_most_items_are_read_in_little_memory_whatever_they_hold() {
    for text in [12, 1200] {
        let body = body(100_000, text);
        let mebibytes = body.len() / 1024 / 1024;
        let (status, polls, info) = measured(read(body));
        assert_eq!(status, 200);
        // A million bytes at a time, so that others get their turn.
        assert!(
            polls >= mebibytes && polls <= mebibytes + 2,
            "{polls} of {mebibytes}"
        );
        assert!(info.bytes_max < 4 * MIB, "{info:?}");
        assert!(info.count_total < 100, "{info:?}");
    }
}

#[test]
fn one_item_more_is_one_too_many() {
    let (status, _, _) = measured(read(body(100_001, 12)));
    assert_eq!(status, 400);
}

#[test]
fn one_item_of_many_megabytes_takes_no_memory_of_its_own() {
    let (status, _, info) = measured(read(body(1, 50 * 1024 * 1024)));
    assert_eq!(status, 200);
    assert!(info.bytes_max < MIB / 4, "{info:?}");
}

#[test]
fn what_is_not_of_batches_costs_no_allocation() {
    let inner = || {
        service_fn(|_: Request<CallBody>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        })
    };
    let mut service = BatchesLayer::new(Down).layer(inner());
    let message = || {
        let body = r#"{"model":"claude-x","max_tokens":9,"messages":[]}"#;
        let request = request(&tenant("web"), &Method::POST, "/v1/messages", body);
        Some(request.map(CallBody::new))
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut request = message();
    let with = allocation_counter::measure(|| {
        let call = pin!(service.call(request.take().unwrap()));
        assert!(call.poll(&mut cx).is_ready());
    });
    let mut request = message();
    let without = allocation_counter::measure(|| {
        let call = pin!(inner().call(request.take().unwrap()));
        assert!(call.poll(&mut cx).is_ready());
    });
    assert_eq!(with.count_total, without.count_total);
}
