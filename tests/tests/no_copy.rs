//! Bodies pass through Retry and Failover as the buffers they came in: what is kept for a second
//! attempt, and what the gate holds back, is a reference count.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use support::inner::events;
use support::retry;
use tower::{ServiceExt, service_fn};
use tower_claude::FailoverLayer;
use tower_claude::core::{CallBody, Target};
use tower_layer::Layer;
use tower_service::Service;

/// To which target a body went, where it lay in memory, and its length.
type Places = Arc<Mutex<Vec<(String, usize, usize)>>>;

/// A body of these frames.
#[derive(Clone)]
struct Frames(VecDeque<Bytes>);

const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

// === impl Frames ===

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|frame| Ok(Frame::data(frame))))
    }
}

fn two() -> FailoverLayer {
    let targets = ["first", "second"];
    FailoverLayer::new(
        (0..)
            .zip(targets)
            .map(|(rank, name)| Target::new(name).priority(rank)),
    )
    .unwrap()
}

/// Notes where each body it is sent lies in memory, and is overloaded at the first target.
fn upstream(
    places: &Places,
) -> impl Service<Request<CallBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone {
    let places = Arc::clone(places);
    service_fn(move |request: Request<CallBody>| {
        let body = request.body().as_bytes().unwrap();
        let target: &Target = request.extensions().get().unwrap();
        let place = (target.name().to_owned(), body.as_ptr() as usize, body.len());
        places.lock().unwrap().push(place);
        let (status, text) = match target.name() {
            "first" => (529, OVERLOADED),
            _ => (200, r#"{"type":"message"}"#),
        };
        let answer = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        std::future::ready(Ok(answer.body(Full::from(text)).unwrap()))
    })
}

#[tokio::test(start_paused = true)]
async fn a_body_of_1_mb_is_sent_again_as_the_buffer_it_came_in() {
    let text = "The tide was out. ".repeat(60_000);
    let body = Bytes::from(format!(
        r#"{{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    ));
    assert!(body.len() > 1 << 20);
    let places = Places::default();
    let service = two().layer(retry().layer(upstream(&places)));
    let request = Request::post("/v1/messages")
        .header("content-type", "application/json")
        .body(CallBody::full(body.clone()))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let places = places.lock().unwrap();
    let at = |target: &str| places.iter().filter(|(at, ..)| at == target).count();
    assert!(at("first") > 1, "Retry has sent it again: {places:?}");
    assert_eq!(at("second"), 1, "and Failover elsewhere");
    for (_, place, length) in &*places {
        assert_eq!((*place, *length), (body.as_ptr() as usize, body.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_gate_holds_back_comes_out_as_the_buffers_it_came_in() {
    // Buffers of their own, so that each has an address of its own.
    let sent: Vec<Bytes> = events(20).map(|event| event.to_vec().into()).collect();
    let frames = Frames(sent.iter().cloned().collect());
    let inner = service_fn(move |_: Request<CallBody>| {
        let answer = Response::builder().header("content-type", "text/event-stream");
        std::future::ready(Ok::<_, Infallible>(answer.body(frames.clone()).unwrap()))
    });
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = Request::post("/v1/messages")
        .body(CallBody::from(body))
        .unwrap();
    let service = two().layer(retry().layer(inner));
    let mut body = service.oneshot(request).await.unwrap().into_body();
    for sent in sent {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((frame.as_ptr(), frame.len()), (sent.as_ptr(), sent.len()));
    }
    assert!(body.frame().await.is_none());
}
