use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_claude::core::{BoxError, Refusal, RefusalKind};

pin_project! {
    /// The body of a request, which must not take too long between its frames.
    ///
    /// When it does it fails with the refusal that is then the answer. A body that is there
    /// already never makes a timer.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        patience: Duration,
        #[pin]
        timer: Option<Sleep>,
    }
}

// === impl RequestBody ===

impl<B> RequestBody<B> {
    /// Gives each frame of `inner` so much time to come.
    pub const fn new(inner: B, patience: Duration) -> Self {
        Self {
            inner,
            patience,
            timer: None,
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            this.timer.set(None);
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| unreadable(error.into()))));
        }
        if this.timer.is_none() {
            this.timer
                .set(Some(sleep_until(Instant::now() + *this.patience)));
        }
        match this.timer.as_pin_mut().map(|timer| timer.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Some(Err(Refusal::new(
                RefusalKind::RequestTimeout,
                "the request body took too long to arrive",
            )
            .into()))),
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes that are no body are refused; a body that breaks off is a caller who left.
fn unreadable(error: BoxError) -> BoxError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(cause) = next {
        let kind = cause.downcast_ref().map(io::Error::kind);
        if let Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) = kind {
            let message = "the request body is not framed as it says";
            return Refusal::new(RefusalKind::Invalid, message).into();
        }
        next = cause.source();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tower_claude_testkit::{ScriptedBody, Step};

    #[tokio::test(start_paused = true)]
    async fn each_frame_has_its_own_time() {
        let frame = || Step::Data(Bytes::from_static(b"x"));
        let wait = |seconds| Step::Wait(Duration::from_secs(seconds));
        let steps = [
            frame(),
            wait(9),
            frame(),
            wait(9),
            frame(),
            wait(11),
            frame(),
        ];
        let patience = Duration::from_secs(10);
        let mut body = std::pin::pin!(RequestBody::new(ScriptedBody::new(steps), patience));
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
        }
        let error = body.frame().await.unwrap().unwrap_err();
        let refusal = Refusal::find(&*error).unwrap();
        assert_eq!(refusal.kind(), RefusalKind::RequestTimeout);
    }
}
