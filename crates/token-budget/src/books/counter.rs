use crate::books::calendar::Period;
use crate::books::slots::Slots;
use crate::{Algorithm, Limit, Meter, Per, Standing};

/// What counts against the limits of one meter and period, for one subject.
///
/// The Redis store keeps the same numbers by the same rules, so all arithmetic is of whole
/// numbers that are exact there too: none is above [`MOST`]. Times are in milliseconds.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) kind: CounterKind,
    /// What is left of a refill that is no whole unit, in units per period.
    fraction: u32,
    spent: u64,
    held: u64,
    /// Of a bucket, the moment up to which it is refilled; of the calendar, the number of the
    /// period.
    mark: u64,
    /// Of a sliding window that is not empty.
    slots: Option<Box<Slots>>,
}

/// What is counted apart. Not the amount of the limit: a plan may change it, and what is spent
/// stays spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CounterKind {
    meter: Meter,
    per: Option<Per>,
    is_bucket: bool,
}

/// The largest number that is exact in a double.
pub(crate) const MOST: u64 = (1 << 53) - 1;

/// How long a caller waits for a call to end that is one too many, in milliseconds.
const WAIT_FOR_ANOTHER: u64 = 1_000;

// === impl Counter ===

impl Counter {
    pub(crate) const fn new(kind: CounterKind, now: u64) -> Self {
        let mark = match kind.calendar() {
            Some(per) => Period::of(per, now).number,
            None => now,
        };
        Self {
            kind,
            fraction: 0,
            spent: 0,
            held: 0,
            mark,
            slots: None,
        }
    }

    pub(crate) const fn spent(&self) -> u64 {
        self.spent
    }

    pub(crate) const fn held(&self) -> u64 {
        self.held
    }

    /// Takes it to the present: forgets what has left the window, refills, begins a period.
    pub(crate) fn advance(&mut self, limit: &Limit, now: u64) {
        if let Some(per) = self.kind.calendar() {
            let number = Period::of(per, now).number;
            if number > self.mark {
                // What runs belongs to the period in which it began.
                (self.spent, self.held, self.mark) = (0, 0, number);
            }
        } else if self.kind.is_bucket {
            self.refill(limit, now);
        } else if let Some(slots) = &mut self.slots {
            let freed = slots.advance(now, limit.window_millis());
            self.spent = self.spent.saturating_sub(freed);
        }
    }

    /// Sets aside for a call that began at `since`.
    pub(crate) fn hold(&mut self, since: u64, amount: u64) {
        if self.counts(since) {
            self.held = self.held.saturating_add(amount).min(MOST);
        }
    }

    /// Releases what was set aside for a call that began at `since`.
    pub(crate) fn release(&mut self, since: u64, amount: u64) {
        if self.counts(since) {
            self.held = self.held.saturating_sub(amount);
        }
    }

    /// Spends for a call that began at `since`, however much that is.
    pub(crate) fn spend(&mut self, limit: &Limit, since: u64, amount: u64, now: u64) {
        if amount == 0 || self.kind.meter == Meter::Concurrency || !self.counts(since) {
            return;
        }
        let spent = self.spent.saturating_add(amount).min(MOST);
        if self.kind.is_bucket {
            // A debt is at most a bucket or a period's worth, so that an absurd number does not
            // shut a tenant out for ever.
            let debt = limit.capacity().max(limit.amount.get());
            self.spent = spent.min(limit.capacity().saturating_add(debt).min(MOST));
        } else {
            if self.kind.calendar().is_none() {
                let slots = self.slots.get_or_insert_default();
                slots.add(now, spent - self.spent, limit.window_millis());
            }
            self.spent = spent;
        }
    }

    /// Takes back what was spent at a moment, for a call that began at `since`.
    pub(crate) fn take_back(&mut self, limit: &Limit, since: u64, spent_at: u64, amount: u64) {
        if amount == 0 || !self.counts(since) {
            return;
        }
        let amount = match &mut self.slots {
            Some(slots) => slots.take_back(spent_at, amount, limit.window_millis()),
            None if self.kind.slides() => 0,
            None => amount,
        };
        self.spent = self.spent.saturating_sub(amount);
        if self.spent == 0 {
            self.fraction = 0;
        }
    }

    /// How long to wait until `need` fits; `None` if it fits. `lasting` is how long calls last
    /// that hold what is in the way.
    pub(crate) fn wait(
        &self,
        limit: &Limit,
        since: u64,
        need: u64,
        now: u64,
        lasting: u64,
    ) -> Option<u64> {
        if need == 0 || !self.counts(since) {
            return None;
        }
        let over = |used: u64| {
            let wanted = used.saturating_add(need);
            wanted.saturating_sub(limit.capacity())
        };
        let excess = over(self.used());
        if excess == 0 {
            return None;
        }
        if self.kind.meter == Meter::Concurrency {
            return Some(WAIT_FOR_ANOTHER);
        }
        if let Some(per) = self.kind.calendar() {
            return Some(Period::of(per, now).end.saturating_sub(now).max(1));
        }
        // What is spent stops to count at a known time. What is held does not: calls end when
        // they end, and mostly have used less than they hold.
        let wait = self.until_free(limit, excess, now).unwrap_or_else(|| {
            let spent = match over(self.spent) {
                0 => 0,
                excess => self.until_free(limit, excess, now).unwrap_or(u64::MAX),
            };
            spent.max(lasting)
        });
        Some(wait.clamp(1, limit.window_millis().max(1)))
    }

    pub(crate) fn standing(&self, limit: &Limit, now: u64) -> Standing {
        let (used, capacity) = (self.used(), limit.capacity());
        let remaining = capacity.saturating_sub(used);
        Standing::of_millis(remaining, self.resets_in(limit, now), used > capacity)
    }

    /// After so long the limit is whole again, if nobody spends.
    pub(crate) fn resets_in(&self, limit: &Limit, now: u64) -> u64 {
        if self.kind.meter == Meter::Concurrency {
            return 0;
        }
        if let Some(per) = self.kind.calendar() {
            return Period::of(per, now).end.saturating_sub(now);
        }
        let window = limit.window_millis();
        if self.kind.is_bucket {
            return self.refills_in(limit, self.used());
        }
        if self.held > 0 {
            return window;
        }
        let empty = self.slots.as_ref().and_then(|slots| slots.empty_at(window));
        empty.unwrap_or(now).saturating_sub(now)
    }

    /// Whether nothing would be lost if it were forgotten. Gives memory back that it does not
    /// need now.
    pub(crate) fn is_idle(&mut self, now: u64) -> bool {
        if let Some(slots) = &mut self.slots {
            let window = self.kind.per.and_then(Per::window).unwrap_or_default();
            let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
            self.spent = self.spent.saturating_sub(slots.advance(now, window));
            if slots.is_empty() {
                self.slots = None;
            }
        }
        if self.spent == 0 && self.held == 0 {
            return true;
        }
        let is_past = |per| Period::of(per, now).number > self.mark;
        let is_refilled = self.kind.is_bucket
            && self.held == 0
            && now.saturating_sub(self.mark) >= Limit::LONGEST_REFILL;
        is_refilled || self.kind.calendar().is_some_and(is_past)
    }

    fn used(&self) -> u64 {
        self.spent.saturating_add(self.held)
    }

    /// Whether what a call takes that began then counts now: not if its day is over.
    fn counts(&self, since: u64) -> bool {
        match self.kind.calendar() {
            Some(per) => Period::of(per, since).number >= self.mark,
            None => true,
        }
    }

    /// In how long so much of what is spent stops to count; `None` if it is not as much.
    fn until_free(&self, limit: &Limit, excess: u64, now: u64) -> Option<u64> {
        if self.kind.is_bucket {
            return (excess <= self.spent).then(|| self.refills_in(limit, excess));
        }
        let at = self.slots.as_ref()?.frees_at(excess, limit.window_millis());
        Some(at?.saturating_sub(now))
    }

    /// Of a bucket: in how long so much will have been refilled.
    fn refills_in(&self, limit: &Limit, amount: u64) -> u64 {
        let (rate, window) = (u128::from(limit.amount.get()), limit.window_millis());
        let units = u128::from(amount) * u128::from(window);
        let missing = units.saturating_sub(u128::from(self.fraction));
        u64::try_from(missing.div_ceil(rate)).unwrap_or(u64::MAX)
    }

    fn refill(&mut self, limit: &Limit, now: u64) {
        let elapsed = now.saturating_sub(self.mark);
        if elapsed == 0 {
            return;
        }
        self.mark = now;
        if self.spent == 0 {
            self.fraction = 0;
            return;
        }
        let (rate, window) = (limit.amount.get(), limit.window_millis().max(1));
        let units = u128::from(elapsed) * u128::from(rate) + u128::from(self.fraction);
        let refilled = u64::try_from(units / u128::from(window)).unwrap_or(u64::MAX);
        if refilled >= self.spent {
            (self.spent, self.fraction) = (0, 0);
        } else {
            self.spent -= refilled;
            self.fraction = u32::try_from(units % u128::from(window)).unwrap_or(0);
        }
    }
}

// === impl CounterKind ===

impl CounterKind {
    pub(crate) const fn of(limit: &Limit) -> Self {
        Self {
            meter: limit.meter,
            per: limit.per,
            is_bucket: matches!(limit.algorithm, Algorithm::Bucket { .. }),
        }
    }

    const fn calendar(self) -> Option<Per> {
        match self.per {
            Some(per @ (Per::Day | Per::Month)) => Some(per),
            _ => None,
        }
    }

    const fn slides(self) -> bool {
        self.per.is_some() && !self.is_bucket && self.calendar().is_none()
    }
}
