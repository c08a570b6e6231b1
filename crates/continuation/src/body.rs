use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;
use tower_claude_core::{CallBody, TapBody};
use tower_service::Service;

use crate::course::Course;
use crate::follower::Follower;
use crate::plan::Plan;

pin_project! {
    /// The body of an answer, which the rest of its text is asked for if that is lost.
    ///
    /// As long as nothing is lost, bytes pass untouched, but only whole events; trailers and
    /// errors pass untouched too.
    pub struct ContinuationBody<S, B>
    where
        S: Service<Request<CallBody>>,
        B: Body,
    {
        // `None` from when the first answer is lost until there is another.
        #[pin]
        inner: Option<TapBody<B>>,
        further: Option<Further<S, B::Error>>,
    }
}

/// What it takes to go on.
struct Further<S, E>
where
    S: Service<Request<CallBody>>,
{
    // In a wrapper that nobody looks into: bodies may have to be `Sync`, services need not.
    // Let go, and the request with it, when there is nothing to go on with.
    course: Option<Box<SyncWrapper<Course<S, E>>>>,
    // After the body, so that it learns of the body's end first.
    follower: Follower,
}

// === impl ContinuationBody ===

impl<S, B> ContinuationBody<S, B>
where
    S: Service<Request<CallBody>>,
    B: Body,
{
    /// An answer that is not gone on with.
    pub(crate) const fn untouched(inner: TapBody<B>) -> Self {
        Self {
            inner: Some(inner),
            further: None,
        }
    }

    /// An answer that may have to be gone on with.
    pub(crate) fn watched(
        inner: TapBody<B>,
        follower: Follower,
        plan: Box<Plan>,
        service: S,
    ) -> Self
    where
        B::Error: 'static,
    {
        Self {
            inner: Some(inner),
            further: Some(Further {
                course: Some(Box::new(SyncWrapper::new(Course::new(service, plan)))),
                follower,
            }),
        }
    }
}

impl<S, B> Body for ContinuationBody<S, B>
where
    S: Service<Request<CallBody>, Response = Response<B>>,
    S::Error: 'static,
    B: Body<Data = Bytes>,
    B::Error: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(Further { course, follower }) = this.further
            && let Some(active) = course
        {
            let active = active.get_mut();
            let frame = active.poll(this.inner, follower, cx);
            if active.has_let_go() {
                *course = None;
            }
            return frame;
        }
        let frame = match this.inner.as_pin_mut() {
            Some(inner) => ready!(inner.poll_frame(cx)),
            None => None,
        };
        if let Some(Further { follower, .. }) = this.further {
            follower.to_the_end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match (&self.further, &self.inner) {
            (None, Some(inner)) => inner.is_end_stream(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.further, &self.inner) {
            (None, Some(inner)) => inner.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl<S, B> fmt::Debug for ContinuationBody<S, B>
where
    S: Service<Request<CallBody>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuationBody")
            .field("is_watched", &self.further.is_some())
            .finish_non_exhaustive()
    }
}
