use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::account::Account;
use crate::owner_hash::{HashedOwner, Seed};
use crate::{Amounts, Plan, Reservation, ReservationId, Reserved, Settlement};

/// The books of some of the owners, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pub(crate) accounts: HashMap<HashedOwner, Account, Seed>,
    holds: HashMap<ReservationId, Hold, Seed>,
    settled: Recent<()>,
    /// With what was charged when they expired.
    expired: Recent<Amounts>,
    /// No hold expires before this.
    next_expiry: u64,
    /// So many accounts make it worth to look for idle ones.
    crowd: usize,
    /// The latest time seen: the clock of a shard never goes back.
    now: u64,
}

/// What is set aside for a call that runs.
#[derive(Debug)]
struct Hold {
    owner: HashedOwner,
    plan: Arc<Plan>,
    amounts: Amounts,
    certain: Amounts,
    since: u64,
    expires: u64,
}

/// The last reservations that came to an end, so that none ends twice.
#[derive(Debug)]
struct Recent<V> {
    ends: HashMap<ReservationId, V, Seed>,
    order: VecDeque<ReservationId>,
}

/// How many ends are remembered, of settled calls and of expired holds each.
const REMEMBERED: usize = 4096;

// === impl Shard ===

impl Shard {
    /// Takes the time and ends what has expired by then. Microseconds on the store's clock.
    pub(crate) fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        if self.holds.is_empty() || self.now < self.next_expiry {
            return;
        }
        let (now, mut next) = (self.now, u64::MAX);
        let (accounts, expired) = (&mut self.accounts, &mut self.expired);
        self.holds.retain(|id, hold| {
            if hold.expires > now {
                next = next.min(hold.expires);
                return true;
            }
            if let Some(account) = accounts.get_mut(&hold.owner) {
                let (amounts, certain) = (&hold.amounts, &hold.certain);
                account.settle(&hold.plan, amounts, hold.since, certain, hold.expires);
                account.end(hold.expires.saturating_sub(hold.since));
            }
            expired.remember(*id, hold.certain);
            false
        });
        self.next_expiry = next;
    }

    pub(crate) fn has(&self, owner: &HashedOwner) -> bool {
        self.accounts.contains_key(owner)
    }

    /// Whether it is time to look for idle accounts.
    pub(crate) fn is_crowded(&self) -> bool {
        self.accounts.len() >= self.crowd.max(64)
    }

    pub(crate) fn open(&mut self, owner: HashedOwner) {
        self.accounts.insert(owner, Account::default());
    }

    /// Forgets idle accounts; says how many.
    pub(crate) fn evict(&mut self) -> usize {
        let (before, now) = (self.accounts.len(), self.now);
        self.accounts.retain(|_, account| !account.is_idle(now));
        // Twice as many as are in use: looking costs less than what came since.
        self.crowd = self.accounts.len().saturating_mul(2);
        self.accounts.shrink_to(self.crowd);
        before - self.accounts.len()
    }

    /// Sets aside, or raises what is set aside if `extends`. The account should be open.
    pub(crate) fn reserve(&mut self, asked: Reservation, extends: bool) -> Reserved {
        let now = self.now;
        let is_known = self.holds.contains_key(&asked.id);
        let is_over = self.settled.has(&asked.id) || self.expired.has(&asked.id);
        let account = match self.accounts.get_mut(&asked.owner) {
            Some(account) => account,
            None => self.accounts.entry(asked.owner.clone()).or_default(),
        };
        if is_over || (is_known && !extends) {
            return granted(account, &asked.plan, now);
        }
        if let Some(obstacle) = account.obstacle(&asked.plan, &asked.amounts, now) {
            return Reserved::Denied {
                limit: obstacle.limit,
                retry_after: Duration::from_micros(obstacle.wait),
                resets_in: Duration::from_micros(obstacle.resets_in),
                standings: account.standings(&asked.plan, now),
            };
        }
        account.hold(&asked.plan, &asked.amounts, now);
        let answer = granted(account, &asked.plan, now);
        let hold_for = u64::try_from(asked.hold_for.as_micros()).unwrap_or(u64::MAX);
        let expires = now.saturating_add(hold_for);
        if self.holds.is_empty() || expires < self.next_expiry {
            self.next_expiry = expires;
        }
        match self.holds.entry(asked.id) {
            Entry::Occupied(mut entry) => {
                let hold = entry.get_mut();
                hold.amounts = hold.amounts.plus(asked.amounts);
                hold.certain = hold.certain.plus(asked.certain);
                hold.expires = hold.expires.max(expires);
            }
            Entry::Vacant(entry) => {
                account.begin();
                entry.insert(Hold {
                    owner: asked.owner,
                    plan: asked.plan,
                    amounts: asked.amounts,
                    certain: asked.certain,
                    since: now,
                    expires,
                });
            }
        }
        answer
    }

    /// Settles; the account of an id that is not held must be open.
    pub(crate) fn settle(&mut self, settlement: &Settlement) {
        let now = self.now;
        if self.settled.has(&settlement.id) {
            return;
        }
        let actual = &settlement.amounts;
        if let Some(hold) = self.holds.remove(&settlement.id) {
            if let Some(account) = self.accounts.get_mut(&hold.owner) {
                account.settle(&hold.plan, &hold.amounts, hold.since, actual, now);
                account.end(now.saturating_sub(hold.since));
            }
        } else if let Some(account) = self.accounts.get_mut(&settlement.owner) {
            // What was certain has been charged when the hold expired.
            let charged = self.expired.ends.remove(&settlement.id).unwrap_or_default();
            account.charge(&settlement.plan, &actual.minus(charged), now);
        }
        self.settled.remember(settlement.id, ());
    }

    pub(crate) fn needs_account(&self, settlement: &Settlement) -> bool {
        settlement.amounts != Amounts::default() && !self.has(&settlement.owner)
    }

    pub(crate) const fn now(&self) -> u64 {
        self.now
    }
}

fn granted(account: &Account, plan: &Plan, now: u64) -> Reserved {
    Reserved::Granted {
        standings: account.standings(plan, now),
    }
}

// === impl Recent ===

impl<V> Recent<V> {
    fn has(&self, id: &ReservationId) -> bool {
        self.ends.contains_key(id)
    }

    fn remember(&mut self, id: ReservationId, end: V) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ends.remove(&oldest);
        }
        self.ends.insert(id, end);
        self.order.push_back(id);
    }
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self {
            ends: HashMap::default(),
            order: VecDeque::new(),
        }
    }
}
