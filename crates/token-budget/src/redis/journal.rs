use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tower_claude_core::Timestamp;

use crate::books::Period;
use crate::{Amounts, Limit, LimitScope, Per, Plan, ReservationId, Settlement, Subject};

/// What this process has charged, for the case that Redis loses its books.
///
/// Books that were lost and begun again have another generation. Then each process charges
/// them once more with what it has charged the lost ones in the periods that still count;
/// together that is what was spent, but for what processes charged that are no more.
#[derive(Debug)]
pub(crate) struct Journal {
    process: u64,
    keyed: RandomState,
    books: Mutex<HashMap<u64, Book>>,
    most_books: usize,
}

/// The books of one subject, as far as one scope of its limits goes.
#[derive(Debug)]
struct Book {
    generation: Box<[u8]>,
    subject: Subject,
    plan: Arc<Plan>,
    totals: [Total; PERIODS.len()],
}

/// What was charged in this period and in the last.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    number: u64,
    this: Amounts,
    last: Amounts,
}

const PERIODS: [Per; 4] = [Per::Minute, Per::Hour, Per::Day, Per::Month];

/// The scopes of one owner, whose books have keys of their own.
const SCOPES: [LimitScope; 4] = [
    LimitScope::Tenant,
    LimitScope::User,
    LimitScope::Feature,
    LimitScope::Model,
];

// === impl Journal ===

impl Journal {
    pub(crate) fn new(most_books: usize) -> Self {
        let keyed = RandomState::new();
        Self {
            process: keyed.hash_one(0),
            keyed,
            books: Mutex::default(),
            most_books,
        }
    }

    /// Takes note of the generations of the books that the limits of a plan are in, in the
    /// order of the scripts; an empty one is of books that are not there. Answers what has to
    /// be charged again.
    pub(crate) fn saw(
        &self,
        subject: &Subject,
        plan: &Arc<Plan>,
        generations: Vec<Box<[u8]>>,
    ) -> Vec<Settlement> {
        let mut lost = Vec::new();
        for (scope, generation) in scopes(plan).zip(generations) {
            self.with(subject, plan, scope, |book| {
                if book.generation == generation {
                    return;
                }
                if !book.generation.is_empty() {
                    self.restore(book, subject, scope, plan, &mut lost);
                }
                book.generation = generation;
            });
        }
        lost
    }

    /// Takes note of what was charged.
    pub(crate) fn charged(&self, settlement: &Settlement) {
        if settlement.amounts == Amounts::default() {
            return;
        }
        for scope in scopes(&settlement.plan) {
            self.with(&settlement.subject, &settlement.plan, scope, |book| {
                for (total, per) in book.totals.iter_mut().zip(PERIODS) {
                    total.turn(per);
                    total.this = total.this.plus(settlement.amounts);
                }
            });
        }
    }

    /// All whose charges may still count, to look whether their books are still there.
    pub(crate) fn current(&self) -> Vec<(Subject, Arc<Plan>)> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let current = books.values_mut().filter_map(|book| {
            let is_current = book.is_current();
            is_current.then(|| (book.subject.clone(), Arc::clone(&book.plan)))
        });
        current.collect()
    }

    fn with(
        &self,
        subject: &Subject,
        plan: &Arc<Plan>,
        scope: LimitScope,
        look: impl FnOnce(&mut Book),
    ) {
        let name = subject.scoped(scope).flatten();
        let key = self.keyed.hash_one((&subject.owner, scope, name));
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if books.len() >= self.most_books && !books.contains_key(&key) {
            // What is not written down here is only not restored.
            books.retain(|_, book| book.is_current());
            if books.len() >= self.most_books {
                return;
            }
        }
        look(books.entry(key).or_insert_with(|| Book {
            generation: Box::default(),
            subject: subject.clone(),
            plan: Arc::clone(plan),
            totals: [Total::default(); PERIODS.len()],
        }));
    }

    /// What is to be charged again: of each period, what counts in it.
    fn restore(
        &self,
        book: &mut Book,
        subject: &Subject,
        scope: LimitScope,
        plan: &Plan,
        lost: &mut Vec<Settlement>,
    ) {
        for (total, per) in book.totals.iter_mut().zip(PERIODS) {
            total.turn(per);
            // A sliding window may reach back into the last one; more than was is no harm for
            // one period.
            let amounts = match per {
                Per::Day | Per::Month => total.this,
                _ => total.this.plus(total.last),
            };
            let mut part = Plan::new(plan.name());
            for limit in plan.limits() {
                if home(limit) == scope && limit.per == Some(per) {
                    part = part.limit(*limit);
                }
            }
            if amounts == Amounts::default() || part.limits().is_empty() {
                continue;
            }
            // The same for the same loss, so that it is charged once.
            let name = subject.scoped(scope).flatten();
            let what = (&subject.owner, scope, name, per, &book.generation);
            let id = (u128::from(self.process) << 64) | u128::from(self.keyed.hash_one(what));
            let (id, part) = (ReservationId::of(id), Arc::new(part));
            lost.push(Settlement::new(id, subject.clone(), part, amounts));
        }
    }
}

// === impl Book ===

impl Book {
    /// Whether any of it may still count.
    fn is_current(&mut self) -> bool {
        self.totals.iter_mut().zip(PERIODS).any(|(total, per)| {
            total.turn(per);
            total.this != Amounts::default() || total.last != Amounts::default()
        })
    }
}

// === impl Total ===

impl Total {
    fn turn(&mut self, per: Per) {
        let now = u64::try_from(Timestamp::now().unix_millis()).unwrap_or(0);
        let number = match per {
            Per::Minute => now / 60_000,
            Per::Hour => now / 3_600_000,
            per => Period::of(per, now).number,
        };
        if number > self.number {
            let is_next = number == self.number + 1;
            self.last = if is_next {
                self.this
            } else {
                Amounts::default()
            };
            self.this = Amounts::default();
            self.number = number;
        }
    }
}

/// The scopes whose books a plan's limits are in, in the order in which keys are named.
fn scopes(plan: &Plan) -> impl Iterator<Item = LimitScope> {
    let mut seen = [false; SCOPES.len()];
    plan.limits().iter().filter_map(move |limit| {
        let scope = home(limit);
        let index = SCOPES.iter().position(|other| *other == scope)?;
        if seen[index] {
            return None;
        }
        seen[index] = true;
        Some(scope)
    })
}

/// The scope whose books a limit is in.
const fn home(limit: &Limit) -> LimitScope {
    match limit.scope {
        LimitScope::Account => LimitScope::Tenant,
        scope => scope,
    }
}
