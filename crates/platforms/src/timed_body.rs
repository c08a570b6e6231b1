use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_claude_core::{BoxError, Sent, TransportError};

pin_project! {
    /// A body that must not be silent for long, nor last longer than it may.
    ///
    /// The timer is made when a frame has to be waited for, and moved when it fires too
    /// early: frames that are there already cost nothing, and one that is waited for costs a
    /// look at the clock.
    #[derive(Debug)]
    pub(crate) struct TimedBody<B> {
        #[pin]
        inner: B,
        // In a box, so that the body can be moved once it has been polled: a commit gate does.
        timer: Option<Pin<Box<Sleep>>>,
        idle: Duration,
        deadline: Option<Instant>,
        waiting_since: Option<Instant>,
    }
}

// === impl TimedBody ===

impl<B> TimedBody<B> {
    pub(crate) const fn new(inner: B, idle: Duration, deadline: Option<Instant>) -> Self {
        Self {
            inner,
            timer: None,
            idle,
            deadline,
            waiting_since: None,
        }
    }

    /// Waits until time is up.
    fn poll_time(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let since = this.waiting_since.get_or_insert_with(Instant::now);
        let silent = *since + *this.idle;
        let end = this
            .deadline
            .map_or(silent, |deadline| silent.min(deadline));
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.as_mut().project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            *this.waiting_since = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.poll_time(cx)
            .map(|()| Some(Err(TransportError::timeout(Sent::Maybe).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use http_body_util::BodyExt as _;
    use tokio::time::sleep;
    use tower_claude_testkit::{ScriptedBody, Step};

    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    fn data(text: &'static str) -> Step {
        Step::Data(Bytes::from_static(text.as_bytes()))
    }

    fn pause(seconds: u64) -> Step {
        Step::Wait(Duration::from_secs(seconds))
    }

    fn body(steps: impl IntoIterator<Item = Step>) -> TimedBody<ScriptedBody> {
        TimedBody::new(ScriptedBody::new(steps), IDLE, None)
    }

    fn is_timeout(error: &BoxError) -> bool {
        TransportError::find(error)
            .is_some_and(|error| error.is_timeout() && error.sent() == Sent::Maybe)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_a_timeout_counted_from_the_last_frame() {
        let steps = [
            data("a"),
            pause(9),
            data("b"),
            pause(9),
            data("c"),
            Step::Stall,
        ];
        let mut body = pin!(body(steps));
        let start = Instant::now();
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(is_timeout(&error));
        assert_eq!(start.elapsed().as_secs(), 9 + 9 + 10);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_shorter_than_the_limit_never_add_up() {
        let steps = (0..100).flat_map(|_| [data("a"), pause(9)]);
        let whole = body(steps).collect().await.unwrap();
        assert_eq!(whole.to_bytes().len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_no_stall() {
        let mut body = pin!(body([data("a"), pause(1), data("b"), data("c")]));
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len();
            sleep(IDLE * 3).await;
        }
        assert_eq!(read, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_in_the_midst_of_a_wait_still_gets_what_came() {
        let mut body = pin!(body([data("a"), pause(5), data("b")]));
        body.frame().await.unwrap().unwrap();
        tokio_test::assert_pending!(tokio_test::task::spawn(body.frame()).poll());
        sleep(IDLE * 3).await;
        body.frame().await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_what_is_never_silent() {
        let steps = (0..100).flat_map(|_| [data("a"), pause(1)]);
        let start = Instant::now();
        let deadline = Some(start + Duration::from_secs(25));
        let body = TimedBody::new(ScriptedBody::new(steps), IDLE, deadline);
        let error = body.collect().await.unwrap_err();
        assert!(is_timeout(&error));
        assert_eq!(start.elapsed().as_secs(), 25);
    }

    #[test]
    fn frames_that_are_there_need_no_clock() {
        let mut body = pin!(body([data("a"), data("b")]));
        tokio_test::block_on(async {
            while let Some(frame) = body.frame().await {
                frame.unwrap();
            }
        });
        assert!(body.timer.is_none());
    }
}
