use std::fmt;
use std::future::{Ready, ready};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::account::Account;
use crate::owner_hash::{HashedOwner, Seed};
use crate::shard::{Asked, Shard};
use crate::{
    Amounts, BudgetStore, LimitUsage, Owner, Plan, Reservation, Reserved, Settlement, StoreError,
};

/// Keeps the books in the memory of the process. A clone is the same books.
///
/// - Limits slide. What counts stops to count a whole period after it was spent, so no window
///   of the period's length ever holds more than the limit; within a sixtieth of the period,
///   it stops to count with the last of its neighbours.
/// - A request is spent when it is granted. Tokens are held when they are granted and spent
///   when they are settled: until then they count in full, and for one period more. So the
///   limit holds whether tokens are counted at the beginning of a call, at its end, or in
///   between.
/// - What was taken beyond the hold is spent as well, even beyond the limit: a debt, which
///   keeps later calls out until it has left the window.
/// - A hold that is never settled expires, and is charged what was certain: the request and
///   the estimate of its input.
/// - Owners without holds and without spend are forgotten. There are never more than it was
///   made for ([`bounded`](Self::bounded)); where all are in use, new ones are refused.
#[derive(Clone)]
pub struct MemoryStore(Arc<Books>);

struct Books {
    /// The zero of the store's clock.
    began: Instant,
    seed: Seed,
    shards: Box<[Mutex<Shard>]>,
    owners: AtomicUsize,
    most_owners: usize,
    /// When all shards were last searched for idle owners, in seconds on the store's clock.
    searched: AtomicU64,
}

const SHARDS: usize = 64;
const MOST_OWNERS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

// === impl MemoryStore ===

impl MemoryStore {
    /// Books for up to 100,000 owners in use at one time.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(MOST_OWNERS)
    }

    /// Books for up to so many owners in use at one time.
    #[must_use]
    pub fn bounded(most_owners: NonZeroUsize) -> Self {
        Self(Arc::new(Books {
            began: Instant::now(),
            seed: Seed::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            owners: AtomicUsize::new(0),
            most_owners: most_owners.get(),
            searched: AtomicU64::new(0),
        }))
    }

    /// How many owners are in the books, some of which may be idle.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.0.owners.load(Relaxed)
    }

    fn take(&self, reservation: Reservation, extends: bool) -> Result<Reserved, StoreError> {
        // What never fits is not worth a look into the books.
        for limit in reservation.plan.limits() {
            let requested = reservation.amounts.of(limit.meter);
            if requested > limit.amount.get() {
                return Ok(Reserved::Never {
                    limit: *limit,
                    requested,
                });
            }
        }
        let (owner, asked) = Asked::split(reservation);
        let owner = HashedOwner::new(self.0.seed, owner);
        let mut shard = self.0.shard(&owner);
        if !shard.has(&owner) {
            shard = self.0.open(shard, &owner).ok_or_else(too_many)?;
        }
        Ok(shard.reserve(owner, asked, extends))
    }
}

impl BudgetStore for MemoryStore {
    type Reserve = Ready<Result<Reserved, StoreError>>;
    type Usage = Ready<Result<Vec<LimitUsage>, StoreError>>;

    fn reserve(&self, reservation: Reservation) -> Self::Reserve {
        ready(self.take(reservation, false))
    }

    fn extend(&self, more: Reservation) -> Self::Reserve {
        ready(self.take(more, true))
    }

    fn settle(&self, settlement: Settlement) {
        let Settlement {
            id,
            owner,
            plan,
            amounts,
        } = settlement;
        let owner = HashedOwner::new(self.0.seed, owner);
        let mut shard = self.0.shard(&owner);
        if amounts != Amounts::default() && !shard.has(&owner) {
            // Where there is no room for a new owner, there is none to write its debt down.
            let Some(opened) = self.0.open(shard, &owner) else {
                return;
            };
            shard = opened;
        }
        shard.settle(&owner, id, &plan, &amounts);
    }

    fn usage(&self, owner: &Owner, plan: &Arc<Plan>) -> Self::Usage {
        let owner = HashedOwner::new(self.0.seed, owner.clone());
        let mut shard = self.0.shard(&owner);
        let now = shard.now();
        ready(Ok(match shard.accounts.get_mut(&owner) {
            Some(account) => account.usage(plan, now),
            None => Account::default().usage(plan, now),
        }))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("owners", &self.owners())
            .field("most_owners", &self.0.most_owners)
            .finish()
    }
}

// === impl Books ===

impl Books {
    /// Locks the shard of an owner and takes it to the present.
    fn shard(&self, owner: &HashedOwner) -> MutexGuard<'_, Shard> {
        self.lock(owner.shard(SHARDS))
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        let mut shard = self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that two calls never see it in the wrong order.
        shard.advance(self.now());
        shard
    }

    fn now(&self) -> u64 {
        let elapsed = Instant::now().saturating_duration_since(self.began);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// Opens an account in the owner's shard, if there is room or can be made.
    fn open<'a>(
        &'a self,
        mut shard: MutexGuard<'a, Shard>,
        owner: &HashedOwner,
    ) -> Option<MutexGuard<'a, Shard>> {
        if !self.enter() {
            // One lock at a time: two openings must not wait for each other.
            drop(shard);
            self.search();
            if !self.enter() {
                return None;
            }
            shard = self.shard(owner);
            if shard.has(owner) {
                self.owners.fetch_sub(1, Relaxed);
                return Some(shard);
            }
        }
        if shard.is_crowded() {
            let gone = shard.evict();
            self.owners.fetch_sub(gone, Relaxed);
        }
        shard.open(owner.clone());
        Some(shard)
    }

    /// Counts one owner more, if that is not too many.
    fn enter(&self) -> bool {
        self.owners
            .fetch_update(Relaxed, Relaxed, |owners| {
                (owners < self.most_owners).then_some(owners + 1)
            })
            .is_ok()
    }

    /// Forgets idle owners in all shards; at most once a second, as it looks at all of them.
    fn search(&self) {
        let second = self.now() / 1_000_000 + 1;
        if self.searched.swap(second, Relaxed) == second {
            return;
        }
        for index in 0..self.shards.len() {
            let gone = self.lock(index).evict();
            self.owners.fetch_sub(gone, Relaxed);
        }
    }
}

fn too_many() -> StoreError {
    StoreError::new("as many owners are in use as the memory store was made for")
}
