use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hashbrown::HashTable;

use crate::books::account::{Account, Entry};
use crate::books::hold::{Asked, Hold};
use crate::books::owner_hash::{Seed, hash_of};
use crate::{Amounts, Owner, Plan, ReservationId, Reserved, Settlement, Subject};

/// The books of some of the owners, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    seed: Seed,
    accounts: HashTable<(Owner, Account)>,
    holds: HashMap<ReservationId, Hold, Seed>,
    settled: Recent<()>,
    expired: Recent<Hold>,
    /// No hold expires before this.
    next_expiry: u64,
    /// When idle accounts are looked for next.
    next_tidy: u64,
    /// The latest time seen: the clock of a shard never goes back.
    now: u64,
}

/// The last reservations that came to an end, so that none ends twice.
#[derive(Debug)]
struct Recent<V> {
    ends: HashMap<ReservationId, V, Seed>,
    order: VecDeque<ReservationId>,
}

/// How many ends are remembered, of settled calls and of expired holds each.
const REMEMBERED: usize = 1024;
/// How often idle accounts are looked for, in milliseconds.
const TIDY: u64 = 60_000;

// === impl Shard ===

impl Shard {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Takes the time, ends what has expired by then and now and then forgets idle accounts;
    /// says how many. Milliseconds on the store's clock.
    pub(crate) fn advance(&mut self, now: u64) -> usize {
        self.now = self.now.max(now);
        if !self.holds.is_empty() && self.now >= self.next_expiry {
            self.expire();
        }
        if self.now < self.next_tidy {
            return 0;
        }
        self.evict()
    }

    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn has(&self, owner: &Owner) -> bool {
        let hash = hash_of(self.seed, owner);
        self.accounts
            .find(hash, |(other, _)| other == owner)
            .is_some()
    }

    pub(crate) fn account(&mut self, owner: &Owner) -> Option<&mut Account> {
        account(&mut self.accounts, self.seed, owner)
    }

    /// Opens an account that is not there yet.
    pub(crate) fn open(&mut self, owner: Owner) {
        let seed = self.seed;
        let hash = hash_of(seed, &owner);
        let rehash = |(owner, _): &(Owner, Account)| hash_of(seed, owner);
        self.accounts
            .insert_unique(hash, (owner, Account::default()), rehash);
    }

    /// Forgets idle accounts; says how many.
    pub(crate) fn evict(&mut self) -> usize {
        let (before, now, seed) = (self.accounts.len(), self.now, self.seed);
        self.accounts.retain(|(_, account)| !account.is_idle(now));
        self.accounts
            .shrink_to_fit(|(owner, _)| hash_of(seed, owner));
        self.next_tidy = now.saturating_add(TIDY);
        before - self.accounts.len()
    }

    /// Sets aside. The account should be open.
    pub(crate) fn reserve(&mut self, asked: Asked) -> Reserved {
        let is_known = self.holds.contains_key(&asked.id)
            || self.settled.has(&asked.id)
            || self.expired.has(&asked.id);
        if is_known {
            return self.known(&asked.subject, &asked.plan);
        }
        let (id, amounts, lasting) = (asked.id, asked.amounts, asked.lasting);
        let certain = asked.certain;
        let hold = Hold::new(asked, self.now);
        self.raise(id, hold, amounts, certain, lasting).0
    }

    /// Raises to a total. The account should be open.
    pub(crate) fn extend(&mut self, asked: Asked) -> Reserved {
        if self.settled.has(&asked.id) {
            return self.known(&asked.subject, &asked.plan);
        }
        let expires = self.now.saturating_add(asked.hold_for);
        let (id, total, lasting) = (asked.id, asked.amounts, asked.lasting);
        let certain = asked.certain;
        let held = self.holds.remove(&id);
        let is_held = held.is_some();
        let mut hold = match held.or_else(|| self.expired.forget(&id)) {
            Some(hold) => hold,
            None => Hold::new(asked, self.now),
        };
        let more = hold.missing(total);
        if is_held {
            hold.expires = hold.expires.max(expires);
            if more == Amounts::default() {
                hold.certain = hold.certain.max(certain);
                let answer = self.known(&hold.subject, &hold.plan);
                self.holds.insert(id, hold);
                return answer;
            }
        }
        let before = hold.clone();
        hold.expires = hold.expires.max(expires);
        let (answer, is_raised) = self.raise(id, hold, more, certain, lasting);
        if !is_raised && is_held {
            self.holds.insert(id, before);
        } else if !is_raised && before.charged != Amounts::default() {
            self.expired.remember(id, before);
        }
        answer
    }

    /// Settles; the account of an id that is not held should be open.
    pub(crate) fn settle(&mut self, settlement: &Settlement) {
        let (now, id) = (self.now, settlement.id);
        if self.settled.has(&id) {
            return;
        }
        let hold = self.holds.remove(&id).or_else(|| self.expired.forget(&id));
        let subject = hold
            .as_ref()
            .map_or(&settlement.subject, |hold| &hold.subject);
        if let Some(account) = account(&mut self.accounts, self.seed, &subject.owner) {
            match &hold {
                Some(hold) => {
                    let charged = (&hold.charged, hold.charged_at);
                    let (held, actual) = (&hold.held, &settlement.amounts);
                    account.settle(hold.entry(), held, charged, actual, now);
                }
                None => {
                    let entry = Entry {
                        plan: &settlement.plan,
                        subject: &settlement.subject,
                        since: now,
                    };
                    let nothing = Amounts::default();
                    account.settle(entry, &nothing, (&nothing, now), &settlement.amounts, now);
                }
            }
        }
        self.settled.remember(id, ());
    }

    /// What is asked again for what is known: nothing changes.
    fn known(&mut self, subject: &Subject, plan: &Plan) -> Reserved {
        let now = self.now;
        let account = account(&mut self.accounts, self.seed, &subject.owner);
        let standings = account
            .map(|account| account.standings(plan, subject, now))
            .unwrap_or_default();
        Reserved::Granted { standings }
    }

    /// Takes `more`, all or nothing; says whether it did.
    fn raise(
        &mut self,
        id: ReservationId,
        mut hold: Hold,
        more: Amounts,
        certain: Amounts,
        lasting: u64,
    ) -> (Reserved, bool) {
        let now = self.now;
        let Some(account) = account(&mut self.accounts, self.seed, &hold.subject.owner) else {
            let standings = crate::Standings::new();
            return (Reserved::Granted { standings }, false);
        };
        if let Some(obstacle) = account.obstacle(hold.entry(), &more, now, lasting) {
            let denied = Reserved::Denied {
                limit: obstacle.limit,
                retry_after: Duration::from_millis(obstacle.wait),
                resets_in: Duration::from_millis(obstacle.resets_in),
                standings: account.standings(&hold.plan, &hold.subject, now),
            };
            return (denied, false);
        }
        let standings = account.take(hold.entry(), &more, now);
        hold.raise(more, certain);
        if self.holds.is_empty() || hold.expires < self.next_expiry {
            self.next_expiry = hold.expires;
        }
        self.holds.insert(id, hold);
        (Reserved::Granted { standings }, true)
    }

    fn expire(&mut self) {
        let (now, mut next) = (self.now, u64::MAX);
        let (accounts, expired, seed) = (&mut self.accounts, &mut self.expired, self.seed);
        self.holds.retain(|id, hold| {
            if hold.expires > now {
                next = next.min(hold.expires);
                return true;
            }
            let (held, charged, charged_at) = (hold.held, hold.charged, hold.charged_at);
            hold.expire(now);
            if let Some(account) = account(accounts, seed, &hold.subject.owner) {
                let before = (&charged, charged_at);
                account.settle(hold.entry(), &held, before, &hold.charged, now);
            }
            expired.remember(*id, hold.clone());
            false
        });
        self.next_expiry = next;
    }
}

// === impl Recent ===

impl<V> Recent<V> {
    fn has(&self, id: &ReservationId) -> bool {
        self.ends.contains_key(id)
    }

    fn forget(&mut self, id: &ReservationId) -> Option<V> {
        self.ends.remove(id)
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

fn account<'a>(
    accounts: &'a mut HashTable<(Owner, Account)>,
    seed: Seed,
    owner: &Owner,
) -> Option<&'a mut Account> {
    let hash = hash_of(seed, owner);
    let found = accounts.find_mut(hash, |(other, _)| other == owner)?;
    Some(&mut found.1)
}
