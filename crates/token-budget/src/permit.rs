use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::{Call, Failure, UsageCell};

use crate::charge::{Chargeable, Outcome};
use crate::learned::{Learned, LearnedKey};
use crate::{Amounts, BudgetStore, Owner, Plan, Reservation, ReservationId, Settlement};

/// What is set aside for one call, settled exactly once: at the latest when it is dropped.
pub(crate) struct Permit {
    books: Arc<dyn Keep + Send + Sync>,
    pub(crate) call: Chargeable,
    id: ReservationId,
    pub(crate) owner: Owner,
    pub(crate) plan: Arc<Plan>,
    held: Amounts,
    learned: LearnedKey,
    phase: Phase,
}

/// How far the call has come.
#[derive(Debug)]
enum Phase {
    /// Not yet to the inner service.
    Reserve,
    /// To the inner service, which has not answered.
    Call,
    /// To the answer, which is being read.
    Read(UsageCell),
    /// To its end.
    Settled,
}

/// A store, and what is learned from what it is told.
pub(crate) struct Books<St> {
    pub(crate) store: St,
    pub(crate) learned: Learned,
}

/// The part of [`Books`] that a body needs, without the type of the store.
pub(crate) trait Keep {
    fn settle(&self, settlement: Settlement);
    fn observe(&self, key: LearnedKey, output: u64);
}

// === impl Permit ===

impl Permit {
    pub(crate) fn new<St>(
        books: &Arc<Books<St>>,
        call: &Call,
        owner: Owner,
        plan: Arc<Plan>,
        held: Amounts,
        learned: LearnedKey,
    ) -> Self
    where
        St: BudgetStore + Send + Sync + 'static,
    {
        Self {
            books: Arc::<Books<St>>::clone(books),
            call: Chargeable::of(call),
            id: ReservationId::generate(),
            owner,
            plan,
            held,
            learned,
            phase: Phase::Reserve,
        }
    }

    /// What to ask the store for. From now on, the permit settles whatever comes of it.
    pub(crate) fn reservation(&self, hold_for: Duration) -> Reservation {
        let (owner, plan) = (self.owner.clone(), Arc::clone(&self.plan));
        let mut reservation = Reservation::new(self.id, owner, plan, self.held);
        reservation.hold_for = hold_for;
        reservation
    }

    /// The store has set nothing aside.
    pub(crate) fn forget(&mut self) {
        self.phase = Phase::Settled;
    }

    /// The inner service is asked.
    pub(crate) fn ask(&mut self) {
        self.phase = Phase::Call;
    }

    /// The inner service has failed.
    pub(crate) fn fail<Error>(mut self, error: &Error)
    where
        Error: 'static,
    {
        self.settle(Outcome::Failed(Failure::from_error(error).kind));
    }

    /// The call is over, and how.
    pub(crate) fn end(mut self, outcome: Outcome<'_>) {
        self.settle(outcome);
    }

    /// An answer begins that will say what it took.
    pub(crate) fn read(&mut self, cell: UsageCell) {
        self.phase = Phase::Read(cell);
    }

    /// The answer is over.
    pub(crate) fn finish(&mut self) {
        match mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Settled => {}
            Phase::Reserve => self.settle(Outcome::NotAsked),
            Phase::Call => self.settle(Outcome::Dropped),
            Phase::Read(cell) => {
                self.settle(Outcome::Answered(&cell));
                let output =
                    cell.read(|metered| metered.usage.output_tokens.filter(|_| metered.is_exact()));
                if let Some(output) = output {
                    self.books.observe(self.learned, output);
                }
            }
        }
    }

    fn settle(&mut self, outcome: Outcome<'_>) {
        self.phase = Phase::Settled;
        self.books.settle(Settlement::new(
            self.id,
            self.owner.clone(),
            Arc::clone(&self.plan),
            outcome.charge(&self.call, &self.held),
        ));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("id", &self.id)
            .field("owner", &self.owner)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

// === impl Books ===

impl<St> Keep for Books<St>
where
    St: BudgetStore,
{
    fn settle(&self, settlement: Settlement) {
        self.store.settle(settlement);
    }

    fn observe(&self, key: LearnedKey, output: u64) {
        self.learned.observe(key, output);
    }
}
