use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// The inner service at work, and the clocks that run meanwhile.
    ///
    /// Boxed from the beginning: it moves from the layer's future into its body, and what is in
    /// it must not move.
    pub(crate) struct Waiting<F> {
        #[pin]
        future: Option<F>,
        // Until the head goes out, then until the next ping.
        #[pin]
        beat: Option<Sleep>,
        // Until it is over, whatever has come.
        #[pin]
        limit: Option<Sleep>,
    }
}

// === impl Waiting ===

impl<F> Waiting<F> {
    pub(crate) fn new(future: F) -> Pin<Box<Self>> {
        Box::pin(Self {
            future: Some(future),
            beat: None,
            limit: None,
        })
    }

    /// Polls the inner service, and drops its future when it is ready.
    pub(crate) fn poll_answer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output>
    where
        F: Future,
    {
        let mut future = self.project().future;
        let Some(asked) = future.as_mut().as_pin_mut() else {
            panic!("Heartbeat asked for an answer after it was there")
        };
        let answer = ready!(asked.poll(cx));
        future.set(None);
        Poll::Ready(answer)
    }

    /// Waits for the next beat, `time` after this was first asked for it.
    pub(crate) fn poll_beat(
        self: Pin<&mut Self>,
        time: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut beat = self.project().beat;
        ready!(poll_clock(beat.as_mut(), time, cx));
        beat.set(None);
        Poll::Ready(())
    }

    /// Waits for the limit, `time` after this was first asked for it.
    pub(crate) fn poll_limit(
        self: Pin<&mut Self>,
        time: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        poll_clock(self.project().limit, time, cx)
    }

    /// Starts the limit anew when it is asked for the next time.
    pub(crate) fn forget_limit(self: Pin<&mut Self>) {
        self.project().limit.set(None);
    }
}

/// A clock starts when it is first looked at; one of no time needs no timer.
fn poll_clock(
    mut clock: Pin<&mut Option<Sleep>>,
    time: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if time.is_zero() {
        return Poll::Ready(());
    }
    if clock.is_none() {
        clock.set(Some(sleep(time)));
    }
    match clock.as_pin_mut() {
        Some(clock) => clock.poll(cx),
        None => Poll::Pending,
    }
}
