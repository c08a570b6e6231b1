use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::deadline::after;
use crate::ticket::Ticket;

/// A call's time in the queue: for a target to take it.
pub(crate) struct Wait {
    ticket: Ticket,
    /// When it has waited long enough.
    deadline: Instant,
    /// When it is worth looking, once it is first; `None` is at once.
    look_at: Option<Instant>,
    /// Whether it waits for one target, though others are open.
    is_stay: bool,
    timer: Pin<Box<Sleep>>,
}

/// What a call that waits is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// To look whether a target takes it.
    Look,
    /// To wait no longer: its time is up.
    GiveUp,
    /// To leave: its place was given to another.
    TurnedAway,
}

// === impl Wait ===

impl Wait {
    /// Who is first looks at least so often.
    const LONGEST_NAP: Duration = Duration::from_millis(250);

    pub(crate) fn new(ticket: Ticket, deadline: Instant, look_at: Instant, is_stay: bool) -> Self {
        let look_at = look_at.min(Instant::now() + Self::LONGEST_NAP);
        Self {
            ticket,
            deadline,
            look_at: Some(look_at),
            is_stay,
            timer: Box::pin(tokio::time::sleep_until(deadline)),
        }
    }

    /// Ready when it is first and it is worth looking, and when it is to give up.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match self.ticket.poll_front(cx) {
            Poll::Ready(Err(_)) if self.is_stay => Poll::Ready(Turn::GiveUp),
            Poll::Ready(Err(_)) => Poll::Ready(Turn::TurnedAway),
            Poll::Pending => {
                ready!(self.poll_timer(self.deadline, cx));
                Poll::Ready(Turn::GiveUp)
            }
            Poll::Ready(Ok(())) => {
                let Some(look_at) = self.look_at else {
                    return Poll::Ready(Turn::Look);
                };
                ready!(self.poll_timer(look_at, cx));
                self.look_at = None;
                Poll::Ready(Turn::Look)
            }
        }
    }

    /// It has looked, and the first target opens after so long. False if that is too late.
    ///
    /// It looks earlier, too: what is known of a target may change, and nobody tells.
    pub(crate) fn look_again(&mut self, soonest: Duration) -> bool {
        let now = Instant::now();
        let soonest = soonest.max(Duration::from_millis(1));
        self.look_at = Some(after(now, soonest.min(Self::LONGEST_NAP)));
        after(now, soonest) <= self.deadline
    }

    /// How much longer it would rather wait for its target than go elsewhere.
    pub(crate) fn to_stay(&self) -> Duration {
        if self.is_stay {
            self.deadline.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        }
    }

    fn poll_timer(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        self.timer.as_mut().poll(cx)
    }
}
