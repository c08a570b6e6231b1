use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tower_claude_core::{BoxError, Sent, TransportError};

use crate::body_observer::Watch;
use crate::receipt::Receipt;
use crate::{BodyObserver, Ended, Step};

/// A response body that plays a script: frames, waits, stalls, errors, trailers.
///
/// It is what [`FakeClaude`](crate::FakeClaude) answers with, and useful alone.
///
/// ```
/// use http_body_util::BodyExt as _;
/// use tower_claude_testkit::{ScriptedBody, Step};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut body = ScriptedBody::new([
///     Step::Data("half an ans".into()),
///     Step::Fail("connection reset by peer".into()),
/// ]);
/// let observer = body.observer();
///
/// assert!(body.frame().await.expect("a frame").is_ok());
/// assert!(body.frame().await.expect("an error").is_err());
/// assert!(observer.is_finished());
/// # }
/// ```
pub struct ScriptedBody {
    steps: Arc<[Step]>,
    next: usize,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Bytes still to come, when the length is told beforehand.
    left: Option<u64>,
    watch: Arc<Watch>,
    receipt: Option<Receipt>,
}

// === impl ScriptedBody ===

impl ScriptedBody {
    /// A body that plays these steps in order and then ends.
    ///
    /// Its length is told beforehand (`size_hint` is exact) if it is made of data and waits
    /// only; a body with trailers is not, so that HTTP/1.1 can carry them.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Arc<[Step]> = steps.into_iter().collect();
        let mut left = Some(0_u64);
        for step in steps.iter() {
            left = match step {
                Step::Data(bytes) => left.map(|left| left + bytes.len() as u64),
                Step::Wait(_) => left,
                Step::Stall | Step::Fail(_) | Step::TimeOut | Step::Trailers(_) => None,
            };
        }
        Self::play(steps, left, None)
    }

    /// Does not tell its length beforehand, as an event stream does not.
    #[must_use]
    pub fn open_ended(mut self) -> Self {
        self.left = None;
        self
    }

    /// A handle that sees what becomes of this body.
    #[must_use]
    pub fn observer(&self) -> BodyObserver {
        BodyObserver::new(Arc::clone(&self.watch))
    }

    pub(crate) fn play(steps: Arc<[Step]>, left: Option<u64>, receipt: Option<Receipt>) -> Self {
        let mut body = Self {
            steps,
            next: 0,
            sleep: None,
            left,
            watch: Arc::default(),
            receipt,
        };
        if body.steps.is_empty() {
            body.finish(None);
        }
        body
    }

    fn advance(&mut self) {
        self.next += 1;
        if self.next == self.steps.len() {
            self.finish(None);
        }
    }

    fn finish(&mut self, ended: Option<Ended>) {
        self.watch.finished();
        self.settle(ended);
    }

    /// Tells the log, the first time only; no `Ended` means as the answer meant to.
    fn settle(&mut self, ended: Option<Ended>) {
        if let Some(receipt) = self.receipt.take() {
            receipt.settle(ended, self.watch.frames(), self.watch.bytes());
        }
    }

    fn poll_wait(&mut self, wait: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if !wait.is_zero() {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        this.watch.polled();
        loop {
            match this.steps.get(this.next) {
                None => return Poll::Ready(None),
                Some(Step::Data(bytes)) => {
                    let bytes = bytes.clone();
                    this.watch.sent(bytes.len());
                    this.left = this.left.map(|left| left - bytes.len() as u64);
                    this.advance();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Trailers(trailers)) => {
                    let trailers = trailers.clone();
                    this.watch.sent(0);
                    this.advance();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Some(Step::Wait(wait)) => {
                    let wait = *wait;
                    ready!(this.poll_wait(wait, cx));
                    this.advance();
                }
                Some(Step::Stall) => {
                    this.settle(Some(Ended::Stalled));
                    return Poll::Pending;
                }
                Some(Step::Fail(message)) => {
                    let error = BoxError::from(message.as_str());
                    this.next = this.steps.len();
                    this.finish(Some(Ended::Reset));
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Step::TimeOut) => {
                    this.next = this.steps.len();
                    this.finish(Some(Ended::Stalled));
                    let error = TransportError::timeout(Sent::Maybe);
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.steps.len()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.watch.dropped();
        self.settle(Some(Ended::DroppedByReceiver));
    }
}

impl fmt::Debug for ScriptedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody")
            .field("next", &self.next)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}
