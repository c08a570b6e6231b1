use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio_util::sync::CancellationToken;
use tower_claude::core::{AttemptLog, Call, RequestId, ResponseBody, is_event_stream};

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
    let id = id.to_header();
    let is_early = is_early(response, &id);
    let headers = response.headers_mut();
    if !headers.contains_key(REQUEST_ID) {
        headers.insert(REQUEST_ID, id.clone());
    }
    headers.insert(OUR_REQUEST_ID, id);
    let Some(call) = call else { return };
    let attempts = call.attempts().len();
    // How many there will be, and who answers, is not known yet.
    if attempts == 0 || is_early {
        return;
    }
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    if let Some(target) = answering(call.attempts()) {
        headers.insert(TARGET, target);
    }
}

/// Whether this is the head of a stream that is sent before there is an answer.
///
/// It bears our id, where those from upstream bear theirs or none. What the log of the attempts
/// says is no sign of it: an attempt is taken for the last one before it surely is.
fn is_early<B>(response: &Response<B>, id: &HeaderValue) -> bool {
    response.status() == StatusCode::OK
        && is_event_stream(response.headers())
        && response.headers().get(REQUEST_ID) == Some(id)
}

/// The name of the target whose answer the caller gets, or of the one asked last.
fn answering(attempts: &AttemptLog) -> Option<HeaderValue> {
    let (mut answering, mut is_known) = (None, false);
    attempts.for_each(|attempt| {
        if attempt.is_final || !is_known {
            is_known |= attempt.is_final;
            answering = attempt.target.clone();
        }
    });
    HeaderValue::from_str(answering?.name()).ok()
}

#[cfg(test)]
mod tests {
    use tower_claude::core::{Attempt, Target};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "no clock is tested")]
    fn the_target_that_is_named_is_the_one_that_answered() {
        let attempts = AttemptLog::default();
        let named = || answering(&attempts);
        assert_eq!(named(), None);
        for name in ["first", "rival"] {
            let target = Some(Target::new(name));
            attempts.begin(Attempt::new(target, std::time::Instant::now(), None));
            assert_eq!(named().unwrap(), name);
        }
        attempts.update(0, |attempt| attempt.is_final = true);
        assert_eq!(named().unwrap(), "first");
    }
}
