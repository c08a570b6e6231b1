//! Bodies in two pieces, read without a runtime.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower_claude_core::{Metered, UsageCell, tap};
use tower_claude_testkit::{ScriptedBody, Step};

/// A body of the data, cut at a place.
pub(super) fn body(data: &[u8], at: usize) -> ScriptedBody {
    let (a, b) = data.split_at(at);
    ScriptedBody::new([a, b].map(|part| Step::Data(Bytes::copy_from_slice(part)))).open_ended()
}

/// The output of a future that has nothing to wait for.
pub(super) fn ready<F>(future: F) -> F::Output
where
    F: Future,
{
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("waits, and nothing is left to come"),
    }
}

/// Reads a body that has nothing to wait for to its end.
pub(super) fn drain<B>(mut body: B) -> Vec<u8>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = ready(std::future::poll_fn(|cx| {
        Pin::new(&mut body).poll_frame(cx)
    })) {
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    bytes
}

/// Taps an answer of these bytes, cut at a place: what it has said when all has passed.
pub(super) fn metered(status: u16, kind: &str, data: &[u8], at: usize, watch: bool) -> Metered {
    let response = Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body(data, at))
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    if watch {
        cell.watch();
    }
    assert_eq!(drain(tapped.into_body()), data, "bytes pass untouched");
    cell.read(Metered::clone)
}
