use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::{FailureKind, Target, UsageCell};

/// One try of a call at one target, as it will stand in the record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Where it went, if a target was named.
    pub target: Option<Target>,
    /// When it began.
    pub started: Instant,
    /// Why it was made; `None` for the first.
    pub reason: Option<FailureKind>,
    /// The status of the answer; `None` as long as there is none.
    pub status: Option<u16>,
    /// How it failed; `None` while it runs or if it did not.
    pub failure: Option<FailureKind>,
    /// Its usage, once its answer is tapped.
    pub usage: Option<UsageCell>,
    /// Whether its answer is the one the caller gets.
    pub is_final: bool,
}

/// The attempts of one call, in order. Part of its [`Call`](crate::Call).
///
/// Whoever asks the inner service writes here: Retry each of its tries; Failover a target
/// that nobody inside it wrote about. A log that stays empty means one attempt.
#[derive(Default)]
pub struct AttemptLog {
    attempts: Mutex<Attempts>,
    /// How many there are, told without the lock.
    count: AtomicUsize,
    estimated_input_tokens: OnceLock<u64>,
}

/// The first attempt is nearly always the only one, so it needs no allocation.
#[derive(Default)]
struct Attempts {
    first: Option<Attempt>,
    rest: Vec<Attempt>,
}

// === impl Attempt ===

impl Attempt {
    /// An attempt that begins now, at `started`.
    #[must_use]
    pub const fn new(
        target: Option<Target>,
        started: Instant,
        reason: Option<FailureKind>,
    ) -> Self {
        Self {
            target,
            started,
            reason,
            status: None,
            failure: None,
            usage: None,
            is_final: false,
        }
    }
}

// === impl AttemptLog ===

impl AttemptLog {
    /// Writes an attempt down; its number, counted from 0, is the answer.
    pub fn begin(&self, attempt: Attempt) -> usize {
        self.begin_after(|_| attempt)
    }

    /// Writes the attempt down that is made after a look at the last one; its number is the
    /// answer.
    pub fn begin_after(&self, make: impl FnOnce(Option<&mut Attempt>) -> Attempt) -> usize {
        self.with(|attempts| {
            let last = attempts.rest.last_mut().or(attempts.first.as_mut());
            let attempt = make(last);
            if attempts.first.is_none() {
                attempts.first = Some(attempt);
            } else {
                attempts.rest.push(attempt);
            }
            let number = attempts.rest.len();
            self.count
                .store(number.saturating_add(1), Ordering::Release);
            number
        })
    }

    /// Changes an attempt; nothing happens if there is none of that number.
    pub fn update(&self, number: usize, change: impl FnOnce(&mut Attempt)) {
        self.with(|attempts| {
            let attempt = match number.checked_sub(1) {
                None => attempts.first.as_mut(),
                Some(index) => attempts.rest.get_mut(index),
            };
            if let Some(attempt) = attempt {
                change(attempt);
            }
        });
    }

    /// Changes attempts, the last first; what changes them is told the number of each.
    pub fn revise(&self, mut change: impl FnMut(usize, &mut Attempt)) {
        self.with(|attempts| {
            for (index, attempt) in attempts.rest.iter_mut().enumerate().rev() {
                change(index.saturating_add(1), attempt);
            }
            if let Some(first) = &mut attempts.first {
                change(0, first);
            }
        });
    }

    /// Looks at each attempt in order.
    pub fn for_each(&self, mut look: impl FnMut(&Attempt)) {
        self.with(|attempts| {
            attempts
                .first
                .iter()
                .chain(&attempts.rest)
                .for_each(&mut look);
        });
    }

    /// Looks at the last attempt.
    pub fn last<R>(&self, look: impl FnOnce(&Attempt) -> R) -> Option<R> {
        self.with(|attempts| attempts.rest.last().or(attempts.first.as_ref()).map(look))
    }

    /// How many attempts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Writes down how many tokens of input the call was taken for before it was made; the
    /// first estimate stays.
    pub fn estimate(&self, input_tokens: u64) {
        // Whoever came first has said it.
        let _ = self.estimated_input_tokens.set(input_tokens);
    }

    /// The estimate, if anybody made one.
    #[must_use]
    pub fn estimated_input_tokens(&self) -> Option<u64> {
        self.estimated_input_tokens.get().copied()
    }

    /// Whether nobody wrote anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with<R>(&self, look: impl FnOnce(&mut Attempts) -> R) -> R {
        look(&mut self.attempts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for AttemptLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        self.for_each(|attempt| {
            list.entry(attempt);
        });
        list.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "no clock is tested")]
    fn attempts_follow_each_other_and_are_revised_from_the_last_to_the_first() {
        let log = AttemptLog::default();
        let after = |status| {
            log.begin_after(|last| {
                if let Some(last) = last {
                    last.status = Some(status);
                }
                Attempt::new(None, Instant::now(), None)
            })
        };
        assert_eq!(log.len(), 0);
        assert_eq!([after(1), after(2), after(3)], [0, 1, 2]);
        assert_eq!(log.len(), 3);
        let mut seen = Vec::new();
        log.revise(|number, attempt| {
            seen.push((number, attempt.status));
            attempt.is_final = number == 1;
        });
        assert_eq!(seen, [(2, None), (1, Some(3)), (0, Some(2))]);
        let mut finals = Vec::new();
        log.for_each(|attempt| finals.push(attempt.is_final));
        assert_eq!(finals, [false, true, false]);
    }
}
