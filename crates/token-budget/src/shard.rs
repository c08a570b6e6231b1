use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::account::Account;
use crate::owner_hash::{HashedOwner, Seed};
use crate::{Amounts, Owner, Plan, Reservation, ReservationId, Reserved};

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

/// A [`Reservation`] without its owner, times in microseconds.
#[derive(Debug)]
pub(crate) struct Asked {
    id: ReservationId,
    plan: Arc<Plan>,
    amounts: Amounts,
    certain: Amounts,
    hold_for: u64,
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
const REMEMBERED: usize = 1024;

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
    pub(crate) fn reserve(&mut self, owner: HashedOwner, asked: Asked, extends: bool) -> Reserved {
        let now = self.now;
        let held = self.holds.get_mut(&asked.id);
        let is_over = self.settled.has(&asked.id) || self.expired.has(&asked.id);
        let account = match self.accounts.get_mut(&owner) {
            Some(account) => account,
            None => self.accounts.entry(owner.clone()).or_default(),
        };
        if is_over || (held.is_some() && !extends) {
            let standings = account.standings(&asked.plan, now);
            return Reserved::Granted { standings };
        }
        // What is raised is raised under the plan it was set aside under.
        let plan = held.as_ref().map_or(&asked.plan, |hold| &hold.plan);
        if let Some(obstacle) = account.obstacle(plan, &asked.amounts, now) {
            return Reserved::Denied {
                limit: obstacle.limit,
                retry_after: Duration::from_micros(obstacle.wait),
                resets_in: Duration::from_micros(obstacle.resets_in),
                standings: account.standings(plan, now),
            };
        }
        let standings = account.hold(plan, &asked.amounts, now);
        let expires = now.saturating_add(asked.hold_for);
        if let Some(hold) = held {
            hold.amounts = hold.amounts.plus(asked.amounts);
            hold.certain = hold.certain.plus(asked.certain);
            hold.expires = hold.expires.max(expires);
            return Reserved::Granted { standings };
        }
        account.begin();
        if self.holds.is_empty() || expires < self.next_expiry {
            self.next_expiry = expires;
        }
        let hold = Hold {
            owner,
            plan: asked.plan,
            amounts: asked.amounts,
            certain: asked.certain,
            since: now,
            expires,
        };
        self.holds.insert(asked.id, hold);
        Reserved::Granted { standings }
    }

    /// Settles; the account of an id that is not held should be open.
    pub(crate) fn settle(
        &mut self,
        owner: &HashedOwner,
        id: ReservationId,
        plan: &Plan,
        actual: &Amounts,
    ) {
        let now = self.now;
        if self.settled.has(&id) {
            return;
        }
        if let Some(hold) = self.holds.remove(&id) {
            if let Some(account) = self.accounts.get_mut(&hold.owner) {
                account.settle(&hold.plan, &hold.amounts, hold.since, actual, now);
                account.end(now.saturating_sub(hold.since));
            }
        } else if let Some(account) = self.accounts.get_mut(owner) {
            // What was certain has been charged when the hold expired.
            let charged = self.expired.ends.remove(&id).unwrap_or_default();
            account.charge(plan, &actual.minus(charged), now);
        }
        self.settled.remember(id, ());
    }

    pub(crate) const fn now(&self) -> u64 {
        self.now
    }
}

// === impl Asked ===

impl Asked {
    /// Tells the owner and what is asked apart.
    pub(crate) fn split(reservation: Reservation) -> (Owner, Self) {
        let hold_for = reservation.hold_for.as_micros();
        let asked = Self {
            id: reservation.id,
            plan: reservation.plan,
            amounts: reservation.amounts,
            certain: reservation.certain,
            hold_for: u64::try_from(hold_for).unwrap_or(u64::MAX),
        };
        (reservation.owner, asked)
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
