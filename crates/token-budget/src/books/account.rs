use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::Duration;

use crate::books::counter::{Counter, CounterKind};
use crate::books::owner_hash::Seed;
use crate::{
    Amounts, Limit, LimitMode, LimitScope, LimitUsage, Plan, Standing, Standings, Subject,
};

/// What one owner has spent and holds: a counter for each kind of limit it has met, and for
/// each of its users, features and models that limits tell apart.
#[derive(Debug, Default)]
pub(crate) struct Account {
    counters: Vec<Counter>,
    /// In a box, as few plans tell apart whom calls are for.
    scoped: Option<Box<ScopedCounters>>,
}

#[derive(Debug, Default)]
struct ScopedCounters(HashMap<Scoped, Vec<Counter>, Seed>);

/// Whom of an owner a limit is for.
///
/// Callers choose the names, so a name costs no more memory than its hash, whose key they do
/// not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Scoped {
    scope: LimitScope,
    name: u64,
}

/// The limit that stands in the way longest, and how long that is, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) limit: Limit,
    pub(crate) wait: u64,
    pub(crate) resets_in: u64,
}

/// A call, as the limits of its plan see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) subject: &'a Subject,
    /// When it began, and so to which day it belongs.
    pub(crate) since: u64,
}

/// How many users, features and models of one owner are told apart at one time.
const MOST_SCOPED: usize = 10_000;

// === impl Account ===

impl Account {
    /// Finds what stands in the way of taking the amounts. Changes nothing that counts.
    pub(crate) fn obstacle(
        &mut self,
        entry: Entry<'_>,
        amounts: &Amounts,
        now: u64,
        lasting: u64,
    ) -> Option<Obstacle> {
        let mut longest: Option<Obstacle> = None;
        for (index, limit) in entry.plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit, entry.subject, now);
            counter.advance(limit, now);
            if limit.mode == LimitMode::Warn {
                continue;
            }
            let need = amounts.of(limit.meter);
            let Some(wait) = counter.wait(limit, entry.since, need, now, lasting) else {
                continue;
            };
            if longest.is_none_or(|longest| wait > longest.wait) {
                longest = Some(Obstacle {
                    limit: *limit,
                    wait,
                    resets_in: counter.resets_in(limit, now),
                });
            }
        }
        longest
    }

    /// Takes the amounts. What a call uses up as it begins is spent, all else is held.
    ///
    /// All counters are of the present.
    pub(crate) fn take(&mut self, entry: Entry<'_>, amounts: &Amounts, now: u64) -> Standings {
        let mut standings = Standings::new();
        for (index, limit) in entry.plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit, entry.subject, now);
            let amount = amounts.of(limit.meter);
            if limit.meter.is_spent_at_once() {
                counter.spend(limit, entry.since, amount, now);
            } else {
                counter.hold(entry.since, amount);
            }
            standings.push(counter.standing(limit, now));
        }
        standings
    }

    /// Takes what is held, and what `charged` says was spent at `charged_at`, and puts in its
    /// place what was really spent, now.
    ///
    /// What was held has counted since it was held and counts one period more, so the limit
    /// holds whenever in between upstream has really counted it.
    pub(crate) fn settle(
        &mut self,
        entry: Entry<'_>,
        held: &Amounts,
        (charged, charged_at): (&Amounts, u64),
        actual: &Amounts,
        now: u64,
    ) {
        for (index, limit) in entry.plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit, entry.subject, now);
            counter.advance(limit, now);
            if !limit.meter.is_spent_at_once() {
                counter.release(entry.since, held.of(limit.meter));
            }
            let (charged, actual) = (charged.of(limit.meter), actual.of(limit.meter));
            let (more, less) = (
                actual.saturating_sub(charged),
                charged.saturating_sub(actual),
            );
            counter.spend(limit, entry.since, more, now);
            counter.take_back(limit, entry.since, charged_at, less);
        }
    }

    /// How the limits stand, none of which is changed.
    pub(crate) fn standings(&mut self, plan: &Plan, subject: &Subject, now: u64) -> Standings {
        let mut standings = Standings::new();
        for (index, limit) in plan.limits().iter().enumerate() {
            standings.push(match self.find(index, limit, subject) {
                Some(counter) => {
                    counter.advance(limit, now);
                    counter.standing(limit, now)
                }
                None => Standing::new(limit.capacity(), Duration::ZERO),
            });
        }
        standings
    }

    pub(crate) fn usage(&mut self, plan: &Plan, subject: &Subject, now: u64) -> Vec<LimitUsage> {
        let limits = plan.limits().iter().enumerate();
        limits
            .map(|(index, limit)| match self.find(index, limit, subject) {
                Some(counter) => {
                    counter.advance(limit, now);
                    let resets_in = Duration::from_millis(counter.resets_in(limit, now));
                    LimitUsage::new(*limit, counter.spent(), counter.held(), resets_in)
                }
                None => LimitUsage::new(*limit, 0, 0, Duration::ZERO),
            })
            .collect()
    }

    /// Whether nothing would be lost if it were forgotten. Forgets what is idle of it.
    pub(crate) fn is_idle(&mut self, now: u64) -> bool {
        if let Some(scoped) = &mut self.scoped {
            scoped.0.retain(|_, counters| !are_idle(counters, now));
            scoped.0.shrink_to_fit();
            if scoped.0.is_empty() {
                self.scoped = None;
            }
        }
        are_idle(&mut self.counters, now) && self.scoped.is_none()
    }

    /// The counter of a limit; at `index`, as long as the plan has not changed.
    fn counter(
        &mut self,
        index: usize,
        limit: &Limit,
        subject: &Subject,
        now: u64,
    ) -> &mut Counter {
        let counters = match Scoped::of(limit.scope, subject) {
            None => &mut self.counters,
            Some(mut key) => {
                let scoped = &mut self.scoped.get_or_insert_default().0;
                if scoped.len() >= MOST_SCOPED && !scoped.contains_key(&key) {
                    key.name = Scoped::NOBODY;
                }
                scoped.entry(key).or_default()
            }
        };
        let index = position(counters, index, CounterKind::of(limit)).unwrap_or_else(|| {
            if counters.is_empty() {
                counters.reserve_exact(index + 1);
            }
            counters.push(Counter::new(CounterKind::of(limit), now));
            counters.len() - 1
        });
        &mut counters[index]
    }

    fn find(&mut self, index: usize, limit: &Limit, subject: &Subject) -> Option<&mut Counter> {
        let counters = match Scoped::of(limit.scope, subject) {
            None => &mut self.counters,
            Some(key) => self.scoped.as_mut()?.0.get_mut(&key)?,
        };
        let index = position(counters, index, CounterKind::of(limit))?;
        counters.get_mut(index)
    }
}

// === impl Scoped ===

impl Scoped {
    /// `None` for what all calls of the owner share.
    fn of(scope: LimitScope, subject: &Subject) -> Option<Self> {
        static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let name = subject.scoped(scope)?;
        let name = name.map_or(Self::NOBODY, |name| KEYED.hash_one(name));
        Some(Self { scope, name })
    }

    /// All those without a name, and those for which there is no room.
    const NOBODY: u64 = 0;
}

fn position(counters: &[Counter], index: usize, kind: CounterKind) -> Option<usize> {
    match counters.get(index) {
        Some(counter) if counter.kind == kind => Some(index),
        _ => counters.iter().position(|other| other.kind == kind),
    }
}

fn are_idle(counters: &mut [Counter], now: u64) -> bool {
    // Not only until the first that is not idle: each gives memory back.
    let idle = counters
        .iter_mut()
        .filter_map(|counter| counter.is_idle(now).then_some(()))
        .count();
    idle == counters.len()
}
