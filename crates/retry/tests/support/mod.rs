//! What the tests of this crate have in common.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower::{Layer, ServiceExt as _};
use tower_claude_core::{
    Attempt, BoxError, Call, CallBody, Intake, Prepare, RequestId, TransportError,
};
use tower_claude_retry::RetryLayer;
use tower_claude_testkit::{Answer, FakeClaude};
use tower_service::Service;

pub(crate) const ASK: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":false,"messages":[]}"#;
pub(crate) const ASK_STREAM: &str =
    r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[]}"#;

pub(crate) fn request() -> Request<CallBody> {
    Request::post("/v1/messages")
        .body(ASK.into())
        .expect("a request")
}

pub(crate) fn stream_request() -> Request<CallBody> {
    Request::post("/v1/messages")
        .body(ASK_STREAM.into())
        .expect("a request")
}

/// A request whose call is known outside, as below a meter.
pub(crate) async fn prepared(request: Request<CallBody>) -> (Request<CallBody>, Call) {
    let prepared = Prepare::new(request, &Intake::new())
        .await
        .expect("a request that can be read");
    (prepared.request, prepared.call)
}

/// Waits until a service is ready for a request.
pub(crate) async fn ready<S>(service: &mut S) -> Result<&mut S, S::Error>
where
    S: Service<Request<CallBody>>,
{
    service.ready().await
}

/// The default layer with the longest backoffs: 500 ms, 1 s, 2 s, 4 s, 8 s, 8 s.
pub(crate) fn layer() -> RetryLayer {
    RetryLayer::default().jitter(|most: Duration| most)
}

pub(crate) fn good() -> Answer {
    Answer::cached_message()
}

/// What one call came to.
pub(crate) struct Outcome {
    pub(crate) answer: Result<Response<Bytes>, TransportError>,
    pub(crate) calls: u64,
    pub(crate) elapsed: Duration,
    pub(crate) attempts: Vec<Attempt>,
}

/// Makes one call through a layer to a fake that gives these answers.
pub(crate) async fn play<L>(layer: &L, answers: impl IntoIterator<Item = Answer>) -> Outcome
where
    L: Layer<FakeClaude>,
    L::Service: CallsClaude,
{
    let fake = FakeClaude::sequence(answers);
    let (request, call) = prepared(stream_request()).await;
    let began = Instant::now();
    let answer = layer.layer(fake.clone()).ask(request).await;
    Outcome {
        elapsed: began.elapsed(),
        answer,
        calls: fake.calls(),
        attempts: attempts(&call),
    }
}

pub(crate) fn attempts(call: &Call) -> Vec<Attempt> {
    let mut all = Vec::new();
    call.attempts()
        .for_each(|attempt| all.push(attempt.clone()));
    all
}

/// Any service in the place of the layer under test.
pub(crate) trait CallsClaude {
    fn ask(
        self,
        request: Request<CallBody>,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>>;
}

impl<S, B> CallsClaude for S
where
    S: Service<Request<CallBody>, Response = Response<B>, Error = TransportError>,
    B: Body<Data = Bytes, Error = BoxError>,
{
    async fn ask(self, request: Request<CallBody>) -> Result<Response<Bytes>, TransportError> {
        let (head, body) = self.oneshot(request).await?.into_parts();
        // A body that breaks is as good as one that ends: it is the head that counts here.
        let mut whole = Vec::new();
        let mut body = std::pin::pin!(body);
        while let Some(Ok(frame)) = body.frame().await {
            whole.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        Ok(Response::from_parts(head, whole.into()))
    }
}

impl Outcome {
    pub(crate) fn status(&self) -> u16 {
        self.head().status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head().headers().get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.head().body()).expect("text")
    }

    fn head(&self) -> &Response<Bytes> {
        self.answer.as_ref().expect("an answer")
    }
}

/// Writes down every request that passes to the service inside.
#[derive(Clone)]
pub(crate) struct Spy<S> {
    pub(crate) inner: S,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) struct Seen {
    pub(crate) body: Bytes,
    pub(crate) head: http::request::Parts,
    pub(crate) id: RequestId,
}

impl<S> Spy<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            seen: Arc::default(),
        }
    }
}

impl<S> Service<Request<CallBody>> for Spy<S>
where
    S: Service<Request<CallBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<CallBody>) -> S::Future {
        let (head, body) = request.into_parts();
        self.seen.lock().expect("no panic").push(Seen {
            body: body.as_bytes().cloned().unwrap_or_default(),
            id: head.extensions.get::<Call>().expect("a call").id(),
            head: head.clone(),
        });
        self.inner.call(Request::from_parts(head, body))
    }
}
