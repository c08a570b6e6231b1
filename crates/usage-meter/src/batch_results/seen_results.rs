use std::collections::VecDeque;
use std::fmt;
use std::future::ready;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{FirstSeen, FirstSeenFuture};

/// Remembers in memory which results have been metered, for a host of a single process.
///
/// It forgets a batch 30 days after it was first asked about one of its results: they cannot be
/// fetched by then. What it remembers is gone with the process; results that are fetched again
/// after that are metered again. Where it is full it answers with an error, so that nothing is
/// metered twice.
pub struct SeenResults {
    most: NonZeroUsize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    batches: HashMap<Box<str>, HashSet<u128>>,
    /// The same batches in the order in which they came.
    order: VecDeque<(Instant, Box<str>)>,
    results: usize,
}

/// A little longer than results can be fetched.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Of so many results by default: of each, some 40 bytes are kept at most.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999_999);

// === impl SeenResults ===

impl SeenResults {
    /// Remembers at most so many results; of each, some 40 bytes are kept at most.
    #[must_use]
    pub fn new(most: NonZeroUsize) -> Self {
        Self {
            most,
            seen: Mutex::default(),
        }
    }

    /// How many results are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().results
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SeenResults {
    /// Remembers a million results.
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl FirstSeen for SeenResults {
    fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture {
        let answer = self
            .lock()
            .first_seen(batch, custom_id, self.most, Instant::now());
        Box::pin(ready(answer.ok_or_else(|| {
            "remembering a result: too many are remembered".into()
        })))
    }
}

impl fmt::Debug for SeenResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenResults")
            .field("most", &self.most)
            .field("len", &self.len())
            .finish()
    }
}

// === impl Seen ===

impl Seen {
    /// `None` if it is full.
    fn first_seen(
        &mut self,
        batch: &str,
        custom_id: &str,
        most: NonZeroUsize,
        now: Instant,
    ) -> Option<bool> {
        self.forget(now);
        let result = short(custom_id);
        if let Some(results) = self.batches.get_mut(batch) {
            if results.contains(&result) {
                return Some(false);
            }
            if self.results < most.get() {
                results.insert(result);
                self.results += 1;
                return Some(true);
            }
        } else if self.results < most.get() {
            self.batches.insert(batch.into(), HashSet::from([result]));
            self.order.push_back((now, batch.into()));
            self.results += 1;
            return Some(true);
        }
        None
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |(since, _): &mut (Instant, _)| now.saturating_duration_since(*since) > KEPT;
        while let Some((_, batch)) = self.order.pop_front_if(is_old) {
            let results = self.batches.remove(&batch);
            self.results -= results.map_or(0, |results| results.len());
        }
    }
}

/// Half of a digest: ids that are chosen to be alike in it cannot be found.
fn short(custom_id: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(custom_id).into();
    let half = digest.first_chunk().copied().unwrap_or_default();
    u128::from_le_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[tokio::test(start_paused = true)]
    async fn a_result_is_seen_once_until_it_cannot_be_fetched_any_more() {
        let seen = SeenResults::default();
        assert!(seen.is_empty());
        assert!(seen.first_seen("b1", "r").await.unwrap());
        assert!(!seen.first_seen("b1", "r").await.unwrap());
        tokio::time::advance(20 * DAY).await;
        assert!(seen.first_seen("b2", "r").await.unwrap(), "of another");
        assert!(!seen.first_seen("b1", "r").await.unwrap());
        tokio::time::advance(10 * DAY + Duration::from_secs(1)).await;
        assert!(!seen.first_seen("b2", "r").await.unwrap());
        assert_eq!(seen.len(), 1, "the first batch is forgotten");
    }

    #[tokio::test]
    async fn where_it_is_full_nobody_knows() {
        let seen = SeenResults::new(NonZeroUsize::new(2).unwrap());
        assert!(seen.first_seen("b", "1").await.unwrap());
        assert!(seen.first_seen("b", "2").await.unwrap());
        let error = seen.first_seen("b", "3").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "remembering a result: too many are remembered"
        );
        assert!(seen.first_seen("c", "1").await.is_err());
        assert!(!seen.first_seen("b", "1").await.unwrap(), "that is known");
        assert_eq!(seen.len(), 2);
    }
}
