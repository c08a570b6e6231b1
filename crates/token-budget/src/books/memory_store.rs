use std::fmt;
use std::future::{Ready, ready};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::books::account::Account;
use crate::books::clock::{Clock, ManualClock};
use crate::books::hold::Asked;
use crate::books::owner_count::OwnerCount;
use crate::books::owner_hash::{Seed, hash_of, shard_of};
use crate::books::shard::Shard;
use crate::{
    Amounts, BudgetStore, LimitUsage, Owner, Plan, Reservation, Reserved, Settlement, StoreError,
    Subject,
};

/// Keeps the books in the memory of the process. A clone is the same books.
///
/// - Of a sliding limit, what counts stops to count a whole period after it was spent, so no
///   window of the period's length ever holds more than the limit; within a sixtieth of the
///   period, it stops to count with the last of its neighbours. That is on the store's clock,
///   which counts whole milliseconds: by a finer one, two calls that it has a period apart may
///   be closer by less than a millisecond.
/// - A bucket holds its burst and refills at the rate of the limit: no window of the period's
///   length holds more than the limit and one burst.
/// - A day or a month is that of the calendar, in UTC. A call counts in the one in which it
///   began, whenever it ends.
/// - A request is spent when it is granted. Tokens and money are held when they are granted
///   and spent when they are settled: until then they count in full, and for one period more.
///   So the limit holds whether tokens are counted at the beginning of a call, at its end, or
///   in between.
/// - What was taken beyond the hold is spent as well, even beyond the limit: a debt, which
///   keeps later calls out until it has left the window, is refilled, or its day is over. That
///   of a bucket is cut at one burst or one period's worth, whichever is more.
/// - A hold that is neither settled nor renewed expires, and is charged what was certain: the
///   request and the estimate of its input.
/// - Owners without holds and without spend are forgotten. There are never more than it was
///   made for ([`bounded`](Self::bounded)); where all are in use, new ones are refused. Of one
///   owner, 10,000 users, features and models are told apart; the others share one limit.
#[derive(Clone)]
pub struct MemoryStore(Arc<Books>);

struct Books {
    clock: Clock,
    seed: Seed,
    shards: Box<[Mutex<Shard>]>,
    owners: OwnerCount,
    /// When all shards were last searched for idle owners, in seconds since 1970.
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
        Self::with_clock(most_owners, Clock::running())
    }

    /// Books by a clock that tests set.
    #[must_use]
    pub fn by_clock(clock: ManualClock) -> Self {
        Self::with_clock(MOST_OWNERS, Clock::Manual(clock))
    }

    fn with_clock(most_owners: NonZeroUsize, clock: Clock) -> Self {
        let seed = Seed::default();
        let shard = |_| Mutex::new(Shard::new(seed));
        Self(Arc::new(Books {
            clock,
            seed,
            shards: (0..SHARDS).map(shard).collect(),
            owners: OwnerCount::new(most_owners.get()),
            searched: AtomicU64::new(0),
        }))
    }

    /// How many owners are in the books, some of which may be idle.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.0.owners.get()
    }

    pub(crate) fn take(
        &self,
        reservation: Reservation,
        extends: bool,
    ) -> Result<Reserved, StoreError> {
        // What never fits is not worth a look into the books.
        if let Some(never) = reservation.never_fits() {
            return Ok(never);
        }
        let asked = Asked::from(reservation);
        let mut shard = self.0.shard(&asked.subject.owner);
        if !shard.has(&asked.subject.owner) {
            let opened = self.0.open(shard, &asked.subject.owner);
            shard = opened.ok_or_else(too_many)?;
        }
        Ok(if extends {
            shard.extend(asked)
        } else {
            shard.reserve(asked)
        })
    }
}

impl BudgetStore for MemoryStore {
    type Reserve = Ready<Result<Reserved, StoreError>>;
    type Usage = Ready<Result<Vec<LimitUsage>, StoreError>>;

    fn reserve(&self, reservation: Reservation) -> Self::Reserve {
        ready(self.take(reservation, false))
    }

    fn extend(&self, total: Reservation) -> Self::Reserve {
        ready(self.take(total, true))
    }

    fn settle(&self, settlement: Settlement) {
        let owner = &settlement.subject.owner;
        let mut shard = self.0.shard(owner);
        if settlement.amounts != Amounts::default() && !shard.has(owner) {
            // Where there is no room for a new owner, there is none to write its debt down.
            let Some(opened) = self.0.open(shard, owner) else {
                return;
            };
            shard = opened;
        }
        shard.settle(&settlement);
    }

    fn usage(&self, subject: &Subject, plan: &Arc<Plan>) -> Self::Usage {
        let mut shard = self.0.shard(&subject.owner);
        let now = shard.now();
        let usage = match shard.account(&subject.owner) {
            Some(account) => account.usage(plan, subject, now),
            None => Account::default().usage(plan, subject, now),
        };
        ready(Ok(usage))
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
            .field("most_owners", &self.0.owners.most())
            .finish()
    }
}

// === impl Books ===

impl Books {
    /// Locks the shard of an owner and takes it to the present.
    fn shard(&self, owner: &Owner) -> MutexGuard<'_, Shard> {
        self.lock(shard_of(hash_of(self.seed, owner), SHARDS))
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        let mut shard = self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that two calls never see it in the wrong order.
        let gone = shard.advance(self.clock.now());
        self.owners.leave(gone);
        shard
    }

    /// Opens an account in the owner's shard, if there is room or can be made.
    fn open<'a>(
        &'a self,
        mut shard: MutexGuard<'a, Shard>,
        owner: &Owner,
    ) -> Option<MutexGuard<'a, Shard>> {
        if !self.owners.enter() {
            // One lock at a time: two openings must not wait for each other.
            drop(shard);
            self.search();
            if !self.owners.enter() {
                return None;
            }
            shard = self.shard(owner);
            if shard.has(owner) {
                self.owners.leave(1);
                return Some(shard);
            }
        }
        shard.open(owner.clone());
        Some(shard)
    }

    /// Forgets idle owners in all shards; at most once a second, as it looks at all of them.
    fn search(&self) {
        let second = self.clock.now() / 1_000 + 1;
        if self.searched.swap(second, Relaxed) == second {
            return;
        }
        for index in 0..self.shards.len() {
            let gone = self.lock(index).evict();
            self.owners.leave(gone);
        }
    }
}

fn too_many() -> StoreError {
    StoreError::new("as many owners are in use as the memory store was made for")
}
