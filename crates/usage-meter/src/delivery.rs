use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sync_wrapper::SyncFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// When a record is where its sink promises to have it; what
/// [`UsageSink::deliver`](crate::UsageSink::deliver) gives.
///
/// The end of the answer waits for it. Dropped, it is not waited for: the record is delivered
/// all the same, or counted as lost.
#[must_use = "nobody waits unless it is polled"]
#[derive(Default)]
pub struct Delivery(State);

/// The record will not be there in time: the caller must not get the end of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered;

#[derive(Default)]
enum State {
    #[default]
    Delivered,
    Failed,
    /// Nobody has waited yet.
    Receipt {
        arrived: oneshot::Receiver<()>,
        most: Duration,
    },
    Waiting {
        arrived: oneshot::Receiver<()>,
        bound: Pin<Box<Sleep>>,
    },
    Boxed(Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send + Sync>>),
    Both(Box<(Delivery, Delivery)>),
}

// === impl Delivery ===

impl Delivery {
    /// Nothing to wait for.
    pub const fn delivered() -> Self {
        Self(State::Delivered)
    }

    /// It failed already.
    pub const fn failed() -> Self {
        Self(State::Failed)
    }

    /// Waits for a future.
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = Result<(), Undelivered>> + Send + 'static,
    {
        // A body that holds one is shared between threads where the host's bodies are.
        Self(State::Boxed(Box::pin(SyncFuture::new(future))))
    }

    /// Waits for this delivery and the other one.
    pub fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (State::Failed, _) | (_, State::Failed) => Self::failed(),
            (State::Delivered, state) | (state, State::Delivered) => Self(state),
            (one, other) => Self(State::Both(Box::new((Self(one), Self(other))))),
        }
    }

    /// Whether there is nothing to wait for.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self.0, State::Delivered)
    }

    /// Waits until the other end says so, for so long at most; that it is dropped is a failure.
    ///
    /// The time begins when it is first waited for. Without a tokio runtime it has no end.
    pub(crate) const fn receipt(arrived: oneshot::Receiver<()>, most: Duration) -> Self {
        Self(State::Receipt { arrived, most })
    }

    fn bound(&mut self) {
        self.0 = match mem::take(&mut self.0) {
            State::Receipt { arrived, most } if Handle::try_current().is_ok() => State::Waiting {
                arrived,
                bound: Box::pin(sleep(most)),
            },
            state => state,
        };
    }
}

impl Future for Delivery {
    type Output = Result<(), Undelivered>;

    /// Once it is ready it says the same whenever it is polled again.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let delivered = match &mut self.0 {
            State::Delivered => return Poll::Ready(Ok(())),
            State::Failed => return Poll::Ready(Err(Undelivered)),
            State::Receipt { arrived, .. } => match Pin::new(arrived).poll(cx) {
                Poll::Ready(arrived) => Poll::Ready(arrived.map_err(|_| Undelivered)),
                Poll::Pending => {
                    self.bound();
                    match &mut self.0 {
                        // So that it is woken.
                        State::Waiting { bound, .. } => {
                            bound.as_mut().poll(cx).map(|()| Err(Undelivered))
                        }
                        _ => Poll::Pending,
                    }
                }
            },
            State::Waiting { arrived, bound } => match Pin::new(arrived).poll(cx) {
                Poll::Ready(arrived) => Poll::Ready(arrived.map_err(|_| Undelivered)),
                Poll::Pending => bound.as_mut().poll(cx).map(|()| Err(Undelivered)),
            },
            State::Boxed(future) => future.as_mut().poll(cx),
            State::Both(both) => {
                let one = Pin::new(&mut both.0).poll(cx);
                match (one, Pin::new(&mut both.1).poll(cx)) {
                    (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => {
                        Poll::Ready(Err(error))
                    }
                    (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
                    _ => Poll::Pending,
                }
            }
        };
        if let Poll::Ready(delivered) = delivered {
            self.0 = match delivered {
                Ok(()) => State::Delivered,
                Err(Undelivered) => State::Failed,
            };
        }
        delivered
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            State::Delivered => "Delivery::Delivered",
            State::Failed => "Delivery::Failed",
            _ => "Delivery::Waiting",
        })
    }
}

// === impl Undelivered ===

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record of the call could not be written in time")
    }
}

impl Error for Undelivered {}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn two_are_delivered_when_both_are() {
        let (first, first_end) = oneshot::channel();
        let (second, second_end) = oneshot::channel();
        let mut both = Delivery::receipt(first_end, Duration::MAX)
            .and(Delivery::receipt(second_end, Duration::MAX));
        let polled = |both: &mut Delivery, cx: &mut Context<'_>| Pin::new(both).poll(cx);
        poll_fn(|cx| {
            assert!(polled(&mut both, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        first.send(()).unwrap();
        poll_fn(|cx| {
            assert!(polled(&mut both, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        second.send(()).unwrap();
        assert_eq!((&mut both).await, Ok(()));
        assert_eq!(both.await, Ok(()), "again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_receipt_is_waited_for_within_the_bound_and_no_longer() {
        let most = Duration::from_secs(5);
        let (receipt, arrived) = oneshot::channel();
        let began = tokio::time::Instant::now();
        let mut delivery = Delivery::receipt(arrived, most);
        assert_eq!((&mut delivery).await, Err(Undelivered));
        assert_eq!(began.elapsed().as_millis(), most.as_millis());
        assert!(receipt.send(()).is_err(), "too late");
        assert_eq!(delivery.await, Err(Undelivered), "again");
    }

    #[test]
    fn it_is_small_and_waits_without_a_runtime() {
        assert_eq!(size_of::<Delivery>(), 24);
        let (receipt, arrived) = oneshot::channel();
        let mut delivery =
            tokio_test::task::spawn(Delivery::receipt(arrived, Duration::from_secs(5)));
        tokio_test::assert_pending!(delivery.poll());
        receipt.send(()).unwrap();
        assert!(delivery.is_woken());
        assert_eq!(tokio_test::assert_ready!(delivery.poll()), Ok(()));
    }

    #[tokio::test]
    async fn one_that_is_given_up_fails_both() {
        let (first, first_end) = oneshot::channel();
        let (second, second_end) = oneshot::channel::<()>();
        let both = Delivery::receipt(first_end, Duration::MAX)
            .and(Delivery::receipt(second_end, Duration::MAX));
        drop(second);
        assert_eq!(both.await, Err(Undelivered));
        drop(first);
        let failed = Delivery::delivered().and(Delivery::failed());
        assert_eq!(failed.await, Err(Undelivered));
        assert!(
            Delivery::delivered()
                .and(Delivery::delivered())
                .is_delivered()
        );
    }
}
