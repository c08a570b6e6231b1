use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::{Ready, ready};
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tower_claude_core::{TenantId, Timestamp};

use crate::{BatchBook, BookError};

/// Keeps the book in the memory of the process. A clone is the same book.
///
/// For tests, demonstrations and processes that nobody else works beside: it ends with the
/// process, and after that nobody owns any batch.
///
/// It is bounded. Beyond so many batches ([`bounded`](Self::bounded)), that which was claimed
/// first is forgotten: to its tenant it is as if it had never been. Beyond so many results, those
/// that come are an error, and are not metered: to forget others would have those metered twice.
/// The results of a batch are forgotten 30 days after the first of them was seen; at upstream
/// they are gone by then. [`MemoryStats`] tells how often either has happened.
///
/// A batch takes about 200 bytes, and a result about 40.
#[derive(Clone)]
pub struct MemoryBook(Arc<Inner>);

struct Inner {
    most_batches: usize,
    most_results: usize,
    /// Nobody outside knows these, so nobody finds two results that are taken for one.
    keys: [RandomState; 2],
    pages: Mutex<Pages>,
}

/// How a [`MemoryBook`] fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Batches that somebody owns.
    pub batches: usize,
    /// Results that were seen, of all batches.
    pub results: usize,
    /// Batches whose owner was forgotten to make room.
    pub forgotten_batches: u64,
    /// Results that were forgotten after 30 days.
    pub forgotten_results: u64,
}

#[derive(Default)]
struct Pages {
    owners: HashMap<Box<str>, TenantId>,
    /// The batches of `owners`, in the order in which they were claimed.
    claimed: VecDeque<Box<str>>,
    seen: HashMap<Box<str>, HashSet<u128>>,
    /// The batches of `seen`, in the order in which they were, and when.
    looked_at: VecDeque<(Timestamp, Box<str>)>,
    stats: MemoryStats,
}

/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000;
const KEPT: i64 = 30 * DAY;

const MOST_BATCHES: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const MOST_RESULTS: NonZeroUsize = NonZeroUsize::new(2_000_000).unwrap();

// === impl MemoryBook ===

impl MemoryBook {
    /// A book of up to 100,000 batches and 2,000,000 results.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(MOST_BATCHES, MOST_RESULTS)
    }

    /// A book of up to so many batches, and so many results of all batches together.
    #[must_use]
    pub fn bounded(most_batches: NonZeroUsize, most_results: NonZeroUsize) -> Self {
        Self(Arc::new(Inner {
            most_batches: most_batches.get(),
            most_results: most_results.get(),
            keys: [RandomState::new(), RandomState::new()],
            pages: Mutex::default(),
        }))
    }

    /// How it fares.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        let pages = self.pages();
        MemoryStats {
            batches: pages.owners.len(),
            ..pages.stats
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Whoever panicked did so between two changes.
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BatchBook for MemoryBook {
    type Claim = Ready<Result<bool, BookError>>;
    type Owner = Ready<Result<Option<TenantId>, BookError>>;
    type First = Ready<Result<bool, BookError>>;

    fn claim(&self, tenant: &TenantId, batch: &str) -> Self::Claim {
        ready(Ok(self.pages().claim(tenant, batch, self.0.most_batches)))
    }

    fn owner(&self, batch: &str) -> Self::Owner {
        ready(Ok(self.pages().owners.get(batch).cloned()))
    }

    fn first(&self, batch: &str, custom_id: &str) -> Self::First {
        let [low, high] = self.0.keys.each_ref().map(|key| key.hash_one(custom_id));
        let result = (u128::from(high) << 64) | u128::from(low);
        let most = self.0.most_results;
        let first = self.pages().first(batch, result, most, Timestamp::now());
        ready(first.ok_or_else(|| BookError::new("the book of results is full")))
    }
}

impl Default for MemoryBook {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryBook").field(&self.stats()).finish()
    }
}

// === impl Pages ===

impl Pages {
    fn claim(&mut self, tenant: &TenantId, batch: &str, most: usize) -> bool {
        match self.owners.entry(batch.into()) {
            Entry::Occupied(owner) => return owner.get() == tenant,
            Entry::Vacant(place) => place.insert(tenant.clone()),
        };
        self.claimed.push_back(batch.into());
        while self.owners.len() > most
            && let Some(oldest) = self.claimed.pop_front()
        {
            self.owners.remove(&oldest);
            self.stats.forgotten_batches += 1;
        }
        true
    }

    /// `None` if there is no room for it.
    fn first(&mut self, batch: &str, result: u128, most: usize, now: Timestamp) -> Option<bool> {
        if self
            .seen
            .get(batch)
            .is_some_and(|seen| seen.contains(&result))
        {
            return Some(false);
        }
        let is_old =
            |(since, _): &mut (Timestamp, _)| now.unix_millis() - since.unix_millis() > KEPT;
        while let Some((_, oldest)) = self.looked_at.pop_front_if(is_old) {
            let forgotten = self.seen.remove(&oldest).map_or(0, |seen| seen.len());
            self.stats.results = self.stats.results.saturating_sub(forgotten);
            self.stats.forgotten_results += forgotten as u64;
        }
        if self.stats.results >= most {
            return None;
        }
        if !self.seen.contains_key(batch) {
            self.looked_at.push_back((now, batch.into()));
        }
        self.seen.entry(batch.into()).or_default().insert(result);
        self.stats.results += 1;
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn book(batches: usize, results: usize) -> MemoryBook {
        MemoryBook::bounded(batches.try_into().unwrap(), results.try_into().unwrap())
    }

    fn said<T>(answer: Ready<Result<T, BookError>>) -> T {
        answer.into_inner().unwrap()
    }

    #[test]
    fn a_batch_is_its_first_claimer_s_for_good() {
        let book = MemoryBook::new();
        let (web, app) = (tenant("web"), tenant("app"));
        assert_eq!(said(book.owner("b")), None);
        assert!(said(book.claim(&web, "b")));
        assert!(said(book.claim(&web, "b")), "again changes nothing");
        assert!(!said(book.claim(&app, "b")));
        assert_eq!(said(book.clone().owner("b")), Some(web));
        assert_eq!(book.stats().batches, 1);
    }

    #[test]
    fn a_result_is_first_once_in_its_batch() {
        let book = MemoryBook::new();
        assert!(said(book.first("b", "one")));
        assert!(!said(book.first("b", "one")));
        assert!(said(book.first("b", "two")));
        assert!(said(book.first("c", "one")), "another batch's");
    }

    #[test]
    fn beyond_its_bound_the_batch_claimed_first_is_forgotten_and_counted() {
        let book = book(2, 1);
        let web = tenant("web");
        for batch in ["a", "b", "b", "a", "c"] {
            assert!(said(book.claim(&web, batch)));
        }
        assert_eq!(said(book.owner("a")), None);
        assert_eq!(said(book.owner("b")), Some(web.clone()));
        assert_eq!(said(book.owner("c")), Some(web));
        let stats = book.stats();
        assert_eq!((stats.batches, stats.forgotten_batches), (2, 1));
    }

    #[test]
    fn a_full_book_says_so_and_never_that_a_result_is_first_again() {
        let book = book(1, 3);
        for (batch, result) in [("a", "1"), ("a", "2"), ("b", "1")] {
            assert!(said(book.first(batch, result)));
        }
        assert!(book.first("b", "2").into_inner().is_err());
        assert!(!said(book.first("a", "1")), "what it knows it still says");
        assert_eq!(book.stats().results, 3);
    }

    #[test]
    fn results_are_forgotten_when_nobody_can_fetch_them_any_more() {
        let mut pages = Pages::default();
        let mut first = |batch: &str, day: i64| {
            pages.first(batch, 1, 2, Timestamp::from_unix_millis(day * DAY))
        };
        assert_eq!(first("a", 0), Some(true));
        assert_eq!(first("b", 1), Some(true));
        assert_eq!(
            first("c", 30),
            None,
            "full, and all of it may still be asked for"
        );
        assert_eq!(first("c", 31), Some(true));
        assert_eq!(first("b", 31), Some(false));
        assert_eq!((pages.stats.results, pages.stats.forgotten_results), (2, 1));
    }
}
