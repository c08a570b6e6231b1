use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{RequestId, TapBody, tap};

use crate::aside::Aside;
use crate::beats::Beats;
use crate::layer::Settings;
use crate::waiting::Waiting;

pin_project! {
    /// The inner answer, or a stream that began before there was one.
    ///
    /// Dropped while the inner service is at work, it drops the call.
    pub struct HeartbeatBody<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project! {
    #[project = Projected]
    enum Kind<F, B> {
        Answer {
            #[pin]
            body: B,
        },
        // Boxed: it is rare, and all others would pay for its size.
        Early {
            early: Pin<Box<Early<F, B>>>,
        },
    }
}

pin_project! {
    /// A stream that began before there was an answer.
    struct Early<F, B> {
        #[pin]
        beats: TapBody<Beats<F, B>>,
        aside: Arc<Aside>,
    }
}

// === impl HeartbeatBody ===

impl<F, B> HeartbeatBody<F, B> {
    /// The inner answer, in time.
    pub(crate) const fn answer(body: B) -> Self {
        Self {
            kind: Kind::Answer { body },
        }
    }
}

impl<F, B, E> HeartbeatBody<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: 'static,
    B: Body<Data = Bytes>,
{
    /// A head of ours for an answer that is still waited for.
    pub(crate) fn early(
        waiting: Pin<Box<Waiting<F>>>,
        id: RequestId,
        settings: &Settings,
    ) -> Response<Self> {
        let aside = Arc::<Aside>::default();
        let mut response = Response::new(Beats::new(
            waiting,
            Arc::clone(&aside),
            id,
            settings.every,
            settings.deadline,
        ));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(RequestId::HEADER, id.to_header());
        // Those outside find the cell and do not read what is not for them.
        tap(response).map(|beats| Self {
            kind: Kind::Early {
                early: Box::pin(Early { beats, aside }),
            },
        })
    }
}

impl<F, B, E> Body for HeartbeatBody<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: 'static,
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            Projected::Answer { body } => body.poll_frame(cx),
            Projected::Early { early } => {
                let early = early.as_mut().project();
                let frame = ready!(early.beats.poll_frame(cx));
                Poll::Ready(match frame {
                    None => early.aside.take().map(Frame::data).map(Ok),
                    frame => frame,
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Answer { body } => body.is_end_stream(),
            Kind::Early { early } => early.beats.is_end_stream() && early.aside.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Answer { body } => body.size_hint(),
            Kind::Early { early } if early.aside.is_empty() => early.beats.size_hint(),
            Kind::Early { .. } => SizeHint::default(),
        }
    }
}

impl<F, B> fmt::Debug for HeartbeatBody<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Answer { .. } => "HeartbeatBody::Answer",
            Kind::Early { .. } => "HeartbeatBody::Early",
        })
    }
}
