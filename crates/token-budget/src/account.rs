use std::time::Duration;

use crate::window::Window;
use crate::{Amounts, Limit, LimitScope, LimitUsage, Meter, Per, Plan, Standing, Standings};

/// What one owner has spent and holds: a counter for each kind of limit it has met.
#[derive(Debug, Default)]
pub(crate) struct Account {
    counters: Vec<Counter>,
    /// How many holds there are.
    holds: u64,
    /// How long holds lasted lately, in microseconds; 0 if that is not known.
    lasting: u64,
}

#[derive(Debug)]
struct Counter {
    kind: CounterKind,
    spent: Window,
    held: u64,
}

/// What is counted apart. Not the amount of the limit: a plan may change it, and what is spent
/// stays spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CounterKind {
    meter: Meter,
    per: Option<Per>,
    scope: LimitScope,
}

/// The limit that stands in the way longest, and how long that is, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) limit: Limit,
    pub(crate) wait: u64,
    pub(crate) resets_in: u64,
}

/// A guess of how long a hold lasts, in microseconds, where none has ended yet.
const LASTING: u64 = 2_000_000;

// === impl Account ===

impl Account {
    /// Finds what stands in the way of taking the amounts. Changes nothing that counts.
    pub(crate) fn obstacle(
        &mut self,
        plan: &Plan,
        amounts: &Amounts,
        now: u64,
    ) -> Option<Obstacle> {
        let lasting = if self.lasting == 0 {
            LASTING
        } else {
            self.lasting
        };
        let mut longest: Option<Obstacle> = None;
        for (index, limit) in plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit);
            counter.spent.advance(now);
            let Some(wait) = counter.wait(limit, amounts.of(limit.meter), now, lasting) else {
                continue;
            };
            if longest.is_none_or(|longest| wait > longest.wait) {
                longest = Some(Obstacle {
                    limit: *limit,
                    wait,
                    resets_in: counter.resets_in(now),
                });
            }
        }
        longest
    }

    /// Takes the amounts. What a call uses up as it begins is spent, all else is held.
    pub(crate) fn hold(&mut self, plan: &Plan, amounts: &Amounts, now: u64) -> Standings {
        let mut standings = Standings::new();
        for (index, limit) in plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit);
            let amount = amounts.of(limit.meter);
            if limit.meter.is_spent_at_once() {
                counter.spent.add(now, amount);
            } else {
                counter.held = counter.held.saturating_add(amount);
            }
            standings.push(counter.standing(limit, now));
        }
        standings
    }

    /// Replaces what was taken at `since` by what was spent.
    ///
    /// What was held is spent *now*: it has counted since it was held and counts one period
    /// more, so the limit holds whenever in between upstream has really counted it.
    pub(crate) fn settle(
        &mut self,
        plan: &Plan,
        held: &Amounts,
        since: u64,
        actual: &Amounts,
        now: u64,
    ) {
        for (index, limit) in plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit);
            let (held, actual) = (held.of(limit.meter), actual.of(limit.meter));
            counter.spent.advance(now);
            if limit.meter.is_spent_at_once() {
                counter.spent.take_back(since, held.saturating_sub(actual));
                counter.spent.add(now, actual.saturating_sub(held));
            } else {
                counter.held = counter.held.saturating_sub(held);
                counter.spent.add(now, actual);
            }
        }
    }

    /// Spends without a hold.
    pub(crate) fn charge(&mut self, plan: &Plan, amounts: &Amounts, now: u64) {
        for (index, limit) in plan.limits().iter().enumerate() {
            let counter = self.counter(index, limit);
            counter.spent.advance(now);
            counter.spent.add(now, amounts.of(limit.meter));
        }
    }

    /// Notes that there is one more hold.
    pub(crate) fn begin(&mut self) {
        self.holds = self.holds.saturating_add(1);
    }

    /// Notes that a hold has ended, and how long it lasted.
    pub(crate) fn end(&mut self, lasted: u64) {
        self.holds = self.holds.saturating_sub(1);
        let lasted = lasted.max(1);
        self.lasting = if self.lasting == 0 {
            lasted
        } else {
            (self.lasting / 8)
                .saturating_mul(7)
                .saturating_add(lasted / 8)
        };
    }

    pub(crate) fn standings(&self, plan: &Plan, now: u64) -> Standings {
        let mut standings = Standings::new();
        for (index, limit) in plan.limits().iter().enumerate() {
            standings.push(match self.find(index, limit) {
                Some(counter) => counter.standing(limit, now),
                None => Standing::new(limit.amount.get(), Duration::ZERO),
            });
        }
        standings
    }

    pub(crate) fn usage(&mut self, plan: &Plan, now: u64) -> Vec<LimitUsage> {
        let limits = plan.limits().iter().enumerate();
        limits
            .map(|(index, limit)| {
                let counter = self.counter(index, limit);
                counter.spent.advance(now);
                let resets_in = Duration::from_micros(counter.resets_in(now));
                LimitUsage::new(*limit, counter.spent.spent(), counter.held, resets_in)
            })
            .collect()
    }

    /// Whether nothing would be lost if it were forgotten.
    pub(crate) fn is_idle(&mut self, now: u64) -> bool {
        self.holds == 0
            && self.counters.iter_mut().all(|counter| {
                counter.spent.advance(now);
                counter.spent.empty_at().is_none()
            })
    }

    /// The counter of a limit; at `index`, as long as the plan has not changed.
    fn counter(&mut self, index: usize, limit: &Limit) -> &mut Counter {
        let kind = CounterKind::of(limit);
        let found = match self.counters.get(index) {
            Some(counter) if counter.kind == kind => Some(index),
            _ => self.counters.iter().position(|other| other.kind == kind),
        };
        let index = found.unwrap_or_else(|| {
            if self.counters.is_empty() {
                self.counters.reserve_exact(index + 1);
            }
            self.counters.push(Counter::new(limit));
            self.counters.len() - 1
        });
        &mut self.counters[index]
    }

    fn find(&self, index: usize, limit: &Limit) -> Option<&Counter> {
        let kind = CounterKind::of(limit);
        let expected = self.counters.get(index);
        expected
            .filter(|counter| counter.kind == kind)
            .or_else(|| self.counters.iter().find(|other| other.kind == kind))
    }
}

// === impl Counter ===

impl Counter {
    fn new(limit: &Limit) -> Self {
        let window = limit.per.and_then(Per::window).unwrap_or_default();
        Self {
            kind: CounterKind::of(limit),
            spent: Window::new(u64::try_from(window.as_micros()).unwrap_or(u64::MAX)),
            held: 0,
        }
    }

    fn used(&self) -> u64 {
        self.spent.spent().saturating_add(self.held)
    }

    /// How long to wait until `need` fits; `None` if it fits.
    fn wait(&self, limit: &Limit, need: u64, now: u64, lasting: u64) -> Option<u64> {
        if need == 0 {
            return None;
        }
        let most = limit.amount.get();
        let wanted = |used: u64| used.saturating_add(need).saturating_sub(most);
        if wanted(self.used()) == 0 {
            return None;
        }
        // What is spent stops to count at a known time. What is held does not: calls end when
        // they end, and mostly have used less than they hold.
        let until_free = |excess: u64| {
            let at = self.spent.frees_at(excess)?;
            Some(at.saturating_sub(now))
        };
        let wait = until_free(wanted(self.used())).unwrap_or_else(|| {
            let excess = wanted(self.spent.spent());
            let spent = if excess == 0 {
                Some(0)
            } else {
                until_free(excess)
            };
            spent.unwrap_or(self.spent.length()).max(lasting)
        });
        Some(wait.clamp(1, self.spent.length().max(1)))
    }

    fn standing(&self, limit: &Limit, now: u64) -> Standing {
        let remaining = limit.amount.get().saturating_sub(self.used());
        Standing::new(remaining, Duration::from_micros(self.resets_in(now)))
    }

    fn resets_in(&self, now: u64) -> u64 {
        if self.held > 0 {
            return self.spent.length();
        }
        let empty = self.spent.empty_at().unwrap_or(now);
        empty.saturating_sub(now)
    }
}

// === impl CounterKind ===

impl CounterKind {
    const fn of(limit: &Limit) -> Self {
        Self {
            meter: limit.meter,
            per: limit.per,
            scope: limit.scope,
        }
    }
}
