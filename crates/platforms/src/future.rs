use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{Request, Response, Version, response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower_claude_core::{Sent, TransportError};

use crate::http_client::Times;
use crate::timed_body::TimedBody;
use crate::upstream_body::UpstreamBody;
use crate::{AnswerBody, HttpClient, headers};

pin_project! {
    /// The answer to one call.
    ///
    /// Dropped before it is ready it cancels the call: upstream sees its stream reset, or its
    /// connection closed, if anything was sent.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State {
        Call {
            #[pin]
            inner: legacy::ResponseFuture,
            // Made when there is something to wait for.
            #[pin]
            timer: Option<Sleep>,
            times: Times,
        },
        Failed { error: Option<TransportError> },
        Done,
    }
}

// === impl ResponseFuture ===

impl ResponseFuture {
    pub(crate) fn call(client: &HttpClient, request: Request<UpstreamBody>) -> Self {
        Self {
            state: State::Call {
                inner: client.send(request),
                timer: None,
                times: client.times(),
            },
        }
    }

    pub(crate) const fn failed(error: TransportError) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<AnswerBody>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let result = match state.as_mut().project() {
            StateProjection::Call {
                inner,
                mut timer,
                times,
            } => match inner.poll(cx) {
                Poll::Ready(Ok(response)) => {
                    let end = timer.as_pin_mut().map(|timer| timer.deadline());
                    if response.status().is_informational() {
                        // Nobody asked to switch protocols, and no answer follows any more.
                        Err(TransportError::no_reply("upstream switched protocols"))
                    } else {
                        Ok(answer(response, *times, end))
                    }
                }
                Poll::Ready(Err(error)) => Err(crate::fault::transport_error(error)),
                Poll::Pending => {
                    if timer.is_none() {
                        timer.set(Some(sleep(times.request)));
                    }
                    match timer.as_pin_mut().map(|timer| timer.poll(cx)) {
                        Some(Poll::Ready(())) => Err(TransportError::timeout(Sent::Maybe)),
                        _ => return Poll::Pending,
                    }
                }
            },
            StateProjection::Failed { error: Some(error) } => {
                Err(std::mem::replace(error, TransportError::timeout(Sent::No)))
            }
            StateProjection::Failed { error: None } | StateProjection::Done => {
                panic!("ResponseFuture polled after it was ready")
            }
        };
        state.set(State::Done);
        Poll::Ready(result)
    }
}

fn answer(
    response: Response<Incoming>,
    times: Times,
    end: Option<Instant>,
) -> Response<AnswerBody> {
    let (mut head, body) = response.into_parts();
    headers::strip_hop_by_hop(&mut head.headers);
    // It is the version of the connection to upstream, and no business of a host's.
    head.version = Version::HTTP_11;
    let end = if is_plain(&head) {
        Some(end.unwrap_or_else(|| Instant::now() + times.request))
    } else {
        times.stream.map(|longest| Instant::now() + longest)
    };
    let body = AnswerBody::new(TimedBody::new(body, times.idle, end));
    Response::from_parts(head, body)
}

/// Whether the answer is one document, which has to be here in time as a whole.
fn is_plain(head: &response::Parts) -> bool {
    const JSON: &[u8] = b"application/json";
    head.headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().get(..JSON.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(JSON))
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Call { .. } => "ResponseFuture::Call",
            State::Failed { .. } => "ResponseFuture::Failed",
            State::Done => "ResponseFuture::Done",
        })
    }
}
