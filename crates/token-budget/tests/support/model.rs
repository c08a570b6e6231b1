//! What a store should do, written down once more and as simply as can be: lists of what was
//! spent and held, and no cleverness.

use std::collections::HashMap;

use tower_claude_core::Timestamp;
use tower_claude_token_budget::{
    Algorithm, Amounts, Limit, LimitMode, LimitScope, Meter, Per, Reservation, ReservationId,
    Settlement, Subject,
};

#[derive(Default)]
pub(crate) struct Model {
    counters: HashMap<Key, Counter>,
    holds: HashMap<ReservationId, Hold>,
    ended: HashMap<ReservationId, bool>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key(Meter, Option<Per>, bool, LimitScope, Option<String>);

#[derive(Default)]
struct Counter {
    /// When, how much, and of the call that began when.
    spent: Vec<(u64, u64, u64)>,
    /// Of a bucket: the debt in units of a token and a millisecond, as of when.
    debt: u128,
    at: u64,
}

#[derive(Clone)]
struct Hold {
    limits: Vec<Limit>,
    subject: Subject,
    held: Vec<u64>,
    charged: Vec<u64>,
    charged_at: u64,
    certain: Amounts,
    since: u64,
    expires: u64,
    is_expired: bool,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Said {
    Granted,
    Denied {
        limit: Limit,
        wait: u64,
        resets_in: u64,
    },
    Never,
}

fn window(limit: &Limit) -> u64 {
    let window = limit.per.and_then(Per::window);
    window.map_or(0, |window| u64::try_from(window.as_millis()).unwrap())
}

fn is_calendar(limit: &Limit) -> bool {
    matches!(limit.per, Some(Per::Day | Per::Month))
}

fn is_bucket(limit: &Limit) -> bool {
    matches!(limit.algorithm, Algorithm::Bucket { .. })
}

/// The date of a moment, cut to what the period is named by.
fn date(limit: &Limit, at: u64) -> String {
    let text = Timestamp::from_unix_millis(i64::try_from(at).unwrap()).to_string();
    let length = if limit.per == Some(Per::Day) { 10 } else { 7 };
    text[..length].to_owned()
}

/// When the period of a moment ends, found by looking at every midnight.
fn ends(limit: &Limit, at: u64) -> u64 {
    const DAY: u64 = 86_400_000;
    let mut end = (at / DAY + 1) * DAY;
    while date(limit, end) == date(limit, at) {
        end += DAY;
    }
    end
}

fn key(limit: &Limit, subject: &Subject) -> Key {
    let name = match limit.scope {
        LimitScope::User => &subject.user,
        LimitScope::Feature => &subject.feature,
        LimitScope::Model => &subject.model,
        _ => &None,
    };
    let name = name.as_deref().map(str::to_owned);
    Key(limit.meter, limit.per, is_bucket(limit), limit.scope, name)
}

impl Counter {
    fn spent(&self, limit: &Limit, now: u64) -> u64 {
        if is_bucket(limit) {
            let debt = self.debt_at(limit, now);
            return u64::try_from(debt.div_ceil(window(limit).into())).unwrap();
        }
        self.counting(limit, now).iter().map(|spent| spent.1).sum()
    }

    /// What is spent and still counts, each with the time from which it does not.
    fn counting(&self, limit: &Limit, now: u64) -> Vec<(u64, u64)> {
        if is_calendar(limit) {
            let of_now = self
                .spent
                .iter()
                .filter(|spent| date(limit, spent.2) == date(limit, now));
            return of_now.map(|spent| (ends(limit, now), spent.1)).collect();
        }
        let part = (window(limit) / 60).max(1);
        let mut found = Vec::new();
        for (at, amount, _) in &self.spent {
            let together = self
                .spent
                .iter()
                .filter(|other| other.0 / part == at / part);
            let last = together.map(|other| other.0).max().unwrap();
            if last + window(limit) > now {
                found.push((last + window(limit), *amount));
            }
        }
        found.sort_unstable();
        found
    }

    fn debt_at(&self, limit: &Limit, now: u64) -> u128 {
        let refilled = u128::from(now.saturating_sub(self.at)) * u128::from(limit.amount.get());
        self.debt.saturating_sub(refilled)
    }

    fn spend(&mut self, limit: &Limit, since: u64, amount: u64, now: u64) {
        if amount == 0 || limit.meter == Meter::Concurrency {
            return;
        }
        if is_bucket(limit) {
            let window = u128::from(window(limit));
            let before = self.debt_at(limit, now);
            let most = limit.capacity() + limit.capacity().max(limit.amount.get());
            let fraction = before.div_ceil(window) * window - before;
            let spent = (before.div_ceil(window) + u128::from(amount)).min(most.into());
            (self.debt, self.at) = (spent * window - fraction, now);
        } else {
            self.spent.push((now, amount, since));
        }
    }

    fn take_back(&mut self, limit: &Limit, since: u64, at: u64, amount: u64, now: u64) {
        if is_bucket(limit) {
            let back = u128::from(amount) * u128::from(window(limit));
            let before = self.debt_at(limit, now);
            (self.debt, self.at) = (before.saturating_sub(back), now);
            return;
        }
        let part = (window(limit) / 60).max(1);
        let mut rest = amount;
        let counts: Vec<bool> = self
            .spent
            .iter()
            .map(|spent| match is_calendar(limit) {
                true => date(limit, spent.2) == date(limit, since),
                false => spent.0 / part == at / part,
            })
            .collect();
        for (spent, _) in self
            .spent
            .iter_mut()
            .zip(counts)
            .filter(|(_, counts)| *counts)
        {
            let back = rest.min(spent.1);
            spent.1 -= back;
            rest -= back;
        }
    }
}

impl Model {
    /// Spent, held and reset of a limit.
    pub(crate) fn usage(&mut self, limit: &Limit, subject: &Subject, now: u64) -> (u64, u64, u64) {
        self.expire(now);
        let counter = self.counters.entry(key(limit, subject)).or_default();
        let spent = counter.spent(limit, now);
        let held = self.held(limit, subject, now);
        (spent, held, self.resets_in(limit, subject, now))
    }

    pub(crate) fn reserve(&mut self, asked: &Reservation, now: u64) -> Said {
        // Without a look into the books, so nothing expires either.
        if asked.never_fits().is_some() {
            return Said::Never;
        }
        self.expire(now);
        if self.holds.contains_key(&asked.id) || self.ended.contains_key(&asked.id) {
            return Said::Granted;
        }
        let hold = Self::fresh(asked, now);
        self.raise(asked, hold, now)
    }

    pub(crate) fn extend(&mut self, asked: &Reservation, now: u64) -> Said {
        // Without a look into the books, so nothing expires either.
        if asked.never_fits().is_some() {
            return Said::Never;
        }
        self.expire(now);
        if self.ended.contains_key(&asked.id) {
            return Said::Granted;
        }
        let expires = now + u64::try_from(asked.hold_for.as_millis()).unwrap();
        let known = self.holds.get_mut(&asked.id);
        let hold = match known {
            Some(hold) => {
                if !hold.is_expired {
                    hold.expires = hold.expires.max(expires);
                }
                hold.clone()
            }
            None => Self::fresh(asked, now),
        };
        self.raise(asked, hold, now)
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement, now: u64) {
        self.expire(now);
        if self.ended.insert(settlement.id, true).is_some() {
            return;
        }
        let hold = self.holds.remove(&settlement.id).unwrap_or_else(|| Hold {
            limits: settlement.plan.limits().to_vec(),
            subject: settlement.subject.clone(),
            held: vec![0; settlement.plan.limits().len()],
            charged: vec![0; settlement.plan.limits().len()],
            charged_at: now,
            certain: Amounts::default(),
            since: now,
            expires: now,
            is_expired: false,
        });
        for (index, limit) in hold.limits.iter().enumerate() {
            let counter = self.counters.entry(key(limit, &hold.subject)).or_default();
            let actual = match limit.meter {
                Meter::Concurrency => 0,
                meter => settlement.amounts.of(meter),
            };
            let charged = hold.charged[index];
            counter.spend(limit, hold.since, actual.saturating_sub(charged), now);
            let less = charged.saturating_sub(actual);
            counter.take_back(limit, hold.since, hold.charged_at, less, now);
        }
    }

    fn fresh(asked: &Reservation, now: u64) -> Hold {
        let limits = asked.plan.limits().to_vec();
        Hold {
            held: vec![0; limits.len()],
            charged: vec![0; limits.len()],
            limits,
            subject: asked.subject.clone(),
            charged_at: now,
            certain: Amounts::default(),
            since: now,
            expires: now + u64::try_from(asked.hold_for.as_millis()).unwrap(),
            is_expired: false,
        }
    }

    fn raise(&mut self, asked: &Reservation, mut hold: Hold, now: u64) -> Said {
        let lasting = u64::try_from(asked.lasting.as_millis()).unwrap();
        let limits = hold.limits.clone();
        let needs: Vec<u64> = (0..limits.len())
            .map(|index| {
                let total = asked.amounts.of(limits[index].meter);
                total.saturating_sub(hold.held[index] + hold.charged[index])
            })
            .collect();
        let mut denied: Option<(Limit, u64)> = None;
        for (limit, need) in limits.iter().zip(&needs) {
            if let Some(wait) = self.wait(limit, &hold, *need, now, lasting)
                && denied.is_none_or(|(_, longest)| wait > longest)
            {
                denied = Some((*limit, wait));
            }
        }
        if let Some((limit, wait)) = denied {
            return Said::Denied {
                limit,
                wait,
                resets_in: self.resets_in(&limit, &hold.subject, now),
            };
        }
        for (index, (limit, need)) in limits.iter().zip(&needs).enumerate() {
            if limit.meter == Meter::Requests {
                let counter = self.counters.entry(key(limit, &hold.subject)).or_default();
                counter.spend(limit, hold.since, *need, now);
                hold.charged[index] += need;
            } else {
                hold.held[index] += need;
            }
        }
        let expires = now + u64::try_from(asked.hold_for.as_millis()).unwrap();
        hold.expires = hold.expires.max(expires);
        hold.is_expired = false;
        for meter in [
            Meter::InputTokens,
            Meter::OutputTokens,
            Meter::Usd,
            Meter::Requests,
        ] {
            let most = hold.certain.of(meter).max(asked.certain.of(meter));
            match meter {
                Meter::InputTokens => hold.certain.input_tokens = most,
                Meter::OutputTokens => hold.certain.output_tokens = most,
                Meter::Usd => hold.certain.nano_dollars = most,
                _ => hold.certain.requests = most,
            }
        }
        self.holds.insert(asked.id, hold);
        Said::Granted
    }

    fn wait(&self, limit: &Limit, hold: &Hold, need: u64, now: u64, lasting: u64) -> Option<u64> {
        let is_over = is_calendar(limit) && date(limit, hold.since) != date(limit, now);
        if need == 0 || limit.mode == LimitMode::Warn || is_over {
            return None;
        }
        let nothing = Counter::default();
        let counter = self
            .counters
            .get(&key(limit, &hold.subject))
            .unwrap_or(&nothing);
        let spent = counter.spent(limit, now);
        let held = self.held(limit, &hold.subject, now);
        let over = |used: u64| (used + need).saturating_sub(limit.capacity());
        if over(spent + held) == 0 {
            return None;
        }
        if limit.meter == Meter::Concurrency {
            return Some(1_000);
        }
        if is_calendar(limit) {
            return Some(ends(limit, now) - now);
        }
        let free = |excess: u64| -> Option<u64> {
            if excess == 0 {
                return Some(0);
            }
            if is_bucket(limit) {
                if excess > spent {
                    return None;
                }
                // Until the debt, rounded up, is smaller by that much.
                let target = u128::from(spent - excess) * u128::from(window(limit));
                let debt = counter.debt_at(limit, now).saturating_sub(target);
                return u64::try_from(debt.div_ceil(limit.amount.get().into())).ok();
            }
            let mut freed = 0;
            for (at, amount) in counter.counting(limit, now) {
                freed += amount;
                if freed >= excess {
                    return Some(at - now);
                }
            }
            None
        };
        let wait = free(over(spent + held))
            .unwrap_or_else(|| free(over(spent)).unwrap_or(u64::MAX).max(lasting));
        Some(wait.clamp(1, window(limit)))
    }

    fn resets_in(&self, limit: &Limit, subject: &Subject, now: u64) -> u64 {
        let nothing = Counter::default();
        let counter = self.counters.get(&key(limit, subject)).unwrap_or(&nothing);
        let held = self.held(limit, subject, now);
        if limit.meter == Meter::Concurrency {
            0
        } else if is_calendar(limit) {
            ends(limit, now) - now
        } else if is_bucket(limit) {
            let held = u128::from(held) * u128::from(window(limit));
            let debt = counter.debt_at(limit, now) + held;
            u64::try_from(debt.div_ceil(limit.amount.get().into())).unwrap()
        } else if held > 0 {
            window(limit)
        } else {
            let last = counter.counting(limit, now).last().map(|spent| spent.0);
            last.map_or(0, |at| at - now)
        }
    }

    fn held(&self, limit: &Limit, subject: &Subject, now: u64) -> u64 {
        let mut held = 0;
        for hold in self.holds.values().filter(|hold| !hold.is_expired) {
            for (index, other) in hold.limits.iter().enumerate() {
                let is_now = !is_calendar(limit) || date(limit, hold.since) == date(limit, now);
                if is_now && key(other, &hold.subject) == key(limit, subject) {
                    held += hold.held[index];
                }
            }
        }
        held
    }

    fn expire(&mut self, now: u64) {
        let due: Vec<_> = self
            .holds
            .iter_mut()
            .filter(|(_, hold)| hold.expires <= now && !hold.is_expired)
            .collect();
        for (_, hold) in due {
            for (index, limit) in hold.limits.iter().enumerate() {
                let certain = match limit.meter {
                    Meter::Concurrency => 0,
                    meter => hold.certain.of(meter).max(hold.charged[index]),
                };
                let counter = self.counters.entry(key(limit, &hold.subject)).or_default();
                counter.spend(limit, hold.since, certain - hold.charged[index], now);
                hold.charged[index] = certain;
                hold.held[index] = 0;
            }
            (hold.charged_at, hold.is_expired) = (now, true);
        }
    }
}
