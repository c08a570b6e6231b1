use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Keeps calls from waiting for a server that does not answer.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failures in a row, and the time lost with them.
    failures: u32,
    lost: Duration,
    /// Open until then, and then for one probe at a time.
    open_until: Option<Instant>,
    opened: u32,
    is_probed: bool,
    /// Calls that wait, and when the last was answered.
    waiting: u32,
    answered: Option<Instant>,
}

/// Leave to call; given back with the outcome, or dropped.
#[derive(Debug)]
pub(crate) struct Leave<'a> {
    breaker: &'a Breaker,
    began: Instant,
    is_probe: bool,
    is_over: bool,
}

const MOST_FAILURES: u32 = 5;
const MOST_LOST: Duration = Duration::from_millis(90);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// So many calls may wait for a server that has not answered for a while.
const MOST_WAITING: u32 = 8;

// === impl Breaker ===

impl Breaker {
    /// Leave to call, unless the server is known not to answer, or likely not to.
    pub(crate) fn leave(&self, suspicious: Duration) -> Option<Leave<'_>> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut is_probe = false;
        if let Some(until) = state.open_until {
            if now < until || state.is_probed {
                return None;
            }
            (state.is_probed, is_probe) = (true, true);
        } else if state.waiting >= MOST_WAITING
            && let Some(answered) = state.answered
            && now.duration_since(answered) > suspicious
        {
            return None;
        }
        if state.waiting == 0 {
            // It has not been silent, nobody has asked.
            state.answered = Some(now);
        }
        state.waiting += 1;
        drop(state);
        Some(Leave {
            breaker: self,
            began: now,
            is_probe,
            is_over: false,
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open_until.is_some()
    }

    /// The server is known to answer.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.answered = Some(Instant::now());
        (state.failures, state.lost, state.opened) = (0, Duration::ZERO, 0);
        state.open_until = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Leave ===

impl Leave<'_> {
    pub(crate) fn succeeded(mut self) {
        self.end();
        self.breaker.close();
    }

    /// Says whether the breaker opens.
    pub(crate) fn failed(mut self) -> bool {
        self.end();
        let now = Instant::now();
        let mut state = self.breaker.lock();
        state.failures = state.failures.saturating_add(1);
        state.lost = state.lost.max(now.duration_since(self.began));
        if state.failures > 1 {
            state.lost = state.lost.saturating_add(now.duration_since(self.began));
        }
        let opens = match state.open_until {
            Some(_) => self.is_probe,
            None => state.failures >= MOST_FAILURES || state.lost >= MOST_LOST,
        };
        if opens {
            let pause = FIRST_PAUSE.saturating_mul(1 << state.opened.min(8));
            state.open_until = Some(now + pause.min(LONGEST_PAUSE));
            state.opened = state.opened.saturating_add(1);
        }
        opens
    }

    fn end(&mut self) {
        if !self.is_over {
            self.is_over = true;
            let mut state = self.breaker.lock();
            state.waiting = state.waiting.saturating_sub(1);
            if self.is_probe {
                state.is_probed = false;
            }
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(25);

    #[tokio::test(start_paused = true)]
    async fn opens_after_five_quick_failures_and_lets_one_probe_through() {
        let breaker = Breaker::default();
        for failure in 1..=5 {
            let leave = breaker.leave(SOON).unwrap();
            assert_eq!(leave.failed(), failure == 5);
        }
        assert!(breaker.leave(SOON).is_none());
        tokio::time::advance(FIRST_PAUSE).await;
        let probe = breaker.leave(SOON).unwrap();
        assert!(breaker.leave(SOON).is_none(), "one at a time");
        assert!(probe.failed());
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(breaker.leave(SOON).is_none(), "twice as long");
        tokio::time::advance(FIRST_PAUSE).await;
        drop(breaker.leave(SOON).unwrap());
        breaker.leave(SOON).unwrap().succeeded();
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn opens_when_two_calls_have_lost_a_tenth_of_a_second() {
        let breaker = Breaker::default();
        for opens in [false, true] {
            let leave = breaker.leave(SOON).unwrap();
            tokio::time::advance(Duration::from_millis(50)).await;
            assert_eq!(leave.failed(), opens);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_for_a_server_that_is_silent() {
        let breaker = Breaker::default();
        let waiting: Vec<_> = (0..8).map(|_| breaker.leave(SOON).unwrap()).collect();
        assert!(breaker.leave(SOON).is_some(), "it may only be busy");
        tokio::time::advance(SOON * 2).await;
        assert!(breaker.leave(SOON).is_none());
        drop(waiting);
        assert!(breaker.leave(SOON).is_some());
    }
}
