use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio_util::sync::CancellationToken;
use tower_claude::core::{Call, RequestId, ResponseBody, is_event_stream};

use super::farewell_body::{Farewell, FarewellBody};
use super::join_body::JoinBody;
use crate::telemetry;

/// The body of every answer of the gateway.
pub type EdgeBody<B> = JoinBody<FarewellBody<ResponseBody<B>>>;

pin_project! {
    /// The future of [`Edge`](super::Edge).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        id: RequestId,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum State<F> {
        Call { #[pin] future: F, stop: CancellationToken },
        Hello,
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const OUR_REQUEST_ID: HeaderName = HeaderName::from_static("x-claude-request-id");
const TARGET: HeaderName = HeaderName::from_static("x-claude-target");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-claude-attempts");

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn new(future: F, id: RequestId, stop: CancellationToken) -> Self {
        Self {
            state: State::Call { future, stop },
            id,
        }
    }

    pub(super) const fn hello(id: RequestId) -> Self {
        Self {
            state: State::Hello,
            id,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<EdgeBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let id = *this.id;
        match this.state.project() {
            Projected::Call { future, stop } => future.poll(cx).map_ok(|mut response| {
                dress(&mut response, id);
                let farewell =
                    is_event_stream(response.headers()).then(|| Farewell::new(id, stop.clone()));
                response.map(|body| wrapped(ResponseBody::inner(body), farewell))
            }),
            Projected::Hello => {
                let mut response = Response::new(());
                dress(&mut response, id);
                Poll::Ready(Ok(
                    response.map(|()| wrapped(ResponseBody::local(Bytes::new()), None))
                ))
            }
        }
    }
}

fn wrapped<B>(body: ResponseBody<B>, farewell: Option<Farewell>) -> EdgeBody<B>
where
    B: Body<Data = Bytes>,
{
    JoinBody::new(FarewellBody::new(body, farewell))
}

fn dress<B>(response: &mut Response<B>, id: RequestId) {
    if let Some(refusal) = response.extensions().get() {
        telemetry::count_refusal(refusal);
    }
    let call = response.extensions_mut().remove::<Call>();
    let headers = response.headers_mut();
    let id = id.to_header();
    if !headers.contains_key(REQUEST_ID) {
        headers.insert(REQUEST_ID, id.clone());
    }
    headers.insert(OUR_REQUEST_ID, id);
    let Some(call) = call else { return };
    let attempts = call.attempts().len();
    if attempts > 0 {
        headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    }
    let target = call.attempts().last(|attempt| {
        let target = attempt.target.as_ref()?;
        HeaderValue::from_str(target.name()).ok()
    });
    if let Some(target) = target.flatten() {
        headers.insert(TARGET, target);
    }
}
