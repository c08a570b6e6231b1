use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Failure, RequestId, Usage, UsageCell};

use crate::charge::{Chargeable, Outcome};
use crate::keep::Keep;
use crate::learned::LearnedKey;
use crate::{
    Amounts, Estimate, Estimated, Observed, Owner, Plan, Reservation, ReservationId, Settlement,
    Subject,
};

/// What is set aside for one call, settled exactly once: at the latest when it is dropped.
pub(crate) struct Permit {
    pub(crate) books: Arc<dyn Keep + Send + Sync>,
    pub(crate) call: Chargeable,
    pub(crate) pledge: Pledge,
    learned: LearnedKey,
    /// What the input was estimated to be, and by whom.
    estimated: Option<Guess>,
    began: Instant,
    phase: Phase,
    /// Whether the account has been asked as well.
    asked_account: bool,
    /// Whether this process has granted it on its own.
    leased: bool,
}

/// An estimate, and who wants to know what came of it.
pub(crate) struct Guess {
    pub(crate) estimate: Arc<dyn Estimate + Send + Sync>,
    pub(crate) estimated: Estimated,
}

/// What is set aside, and where.
#[derive(Clone, Debug)]
pub(crate) struct Pledge {
    id: ReservationId,
    pub(crate) subject: Subject,
    pub(crate) plan: Arc<Plan>,
    amounts: Amounts,
    certain: Amounts,
    hold_for: Duration,
    lasting: Duration,
    /// What has been set aside beyond that for a dearer target, in nano-dollars.
    raised: Option<Arc<Mutex<u64>>>,
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

// === impl Permit ===

impl Permit {
    pub(crate) fn new(
        books: Arc<dyn Keep + Send + Sync>,
        call: Chargeable,
        pledge: Pledge,
        learned: LearnedKey,
        estimated: Option<Guess>,
    ) -> Self {
        Self {
            books,
            call,
            pledge,
            learned,
            estimated,
            began: Instant::now(),
            phase: Phase::Reserve,
            asked_account: false,
            leased: false,
        }
    }

    /// What to ask the account for, once the tenant has been granted it.
    pub(crate) fn account_reservation(&mut self) -> Option<Reservation> {
        if self.asked_account {
            return None;
        }
        let reservation = self.pledge.account_reservation()?;
        self.asked_account = true;
        Some(reservation)
    }

    pub(crate) const fn has_asked_account(&self) -> bool {
        self.asked_account
    }

    /// What the store was asked for last.
    pub(crate) fn asked(&self) -> Reservation {
        let account = || self.pledge.account_reservation();
        let of_account = self.asked_account.then(account).flatten();
        of_account.unwrap_or_else(|| self.pledge.reservation())
    }

    /// The store has set nothing aside, this time.
    pub(crate) fn forget(&mut self) {
        if self.asked_account {
            // The account has denied what the tenant was granted.
            self.asked_account = false;
            self.settle(Outcome::NotAsked);
        }
        self.phase = Phase::Settled;
    }

    /// The store could not be asked, and this process has granted it on its own.
    pub(crate) fn lease(&mut self) {
        self.leased = true;
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

    pub(crate) const fn request_id(&self) -> RequestId {
        self.call.request_id()
    }

    /// The output that has been seen of the answer.
    pub(crate) fn output_seen(&self) -> u64 {
        match &self.phase {
            Phase::Read(cell) => cell.read(|metered| {
                let reported = metered.usage.output_tokens.unwrap_or(0);
                metered.output_seen().max(reported)
            }),
            _ => 0,
        }
    }

    /// The answer is over.
    pub(crate) fn finish(&mut self) {
        match mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Settled => {}
            Phase::Reserve => self.settle(Outcome::NotAsked),
            Phase::Call => self.settle(Outcome::Dropped),
            Phase::Read(cell) => {
                self.settle(Outcome::Answered(&cell));
                let exact = cell.read(|metered| {
                    let usage = metered.is_exact().then_some(&metered.usage)?;
                    Some((usage.output_tokens?, whole_input(usage)))
                });
                let Some((output, input)) = exact else {
                    return;
                };
                self.books
                    .observe(self.learned, output, self.began.elapsed());
                if let (Some(guess), Some(input)) = (&self.estimated, input) {
                    let observed = Observed::new(guess.estimated, input);
                    guess.estimate.observe(&observed);
                }
            }
        }
    }

    fn settle(&mut self, outcome: Outcome<'_>) {
        self.phase = Phase::Settled;
        let charge = outcome.charge(&self.call, &self.pledge.total());
        if self.asked_account {
            self.books
                .settle(self.pledge.account_settlement(charge), self.leased);
        }
        self.books
            .settle(self.pledge.settlement(charge), self.leased);
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
            .field("id", &self.pledge.id)
            .field("owner", &self.pledge.subject.owner)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// All that was read, cached or not; `None` where the prompt was read several times.
fn whole_input(usage: &Usage) -> Option<u64> {
    if usage
        .iterations
        .as_ref()
        .is_some_and(|turns| turns.len() > 1)
    {
        return None;
    }
    let cached = usage.cache_read_input_tokens.unwrap_or(0);
    let written = usage.cache_creation_tokens();
    let uncached = usage.input_tokens?;
    Some(uncached.saturating_add(written).saturating_add(cached))
}

// === impl Pledge ===

impl Pledge {
    /// What a call is expected to take, of which `certain` is spent once upstream accepts it.
    pub(crate) fn new(
        subject: Subject,
        plan: Arc<Plan>,
        (amounts, certain): (Amounts, Amounts),
        hold_for: Duration,
        lasting: Duration,
    ) -> Self {
        Self {
            id: ReservationId::generate(),
            subject,
            plan,
            amounts,
            certain,
            hold_for,
            lasting,
            raised: None,
        }
    }

    pub(crate) const fn amounts(&self) -> Amounts {
        self.amounts
    }

    /// Lets clones set more money aside for the same call.
    pub(crate) fn share(&mut self) {
        self.raised.get_or_insert_default();
    }

    /// Notes that so much money more was set aside.
    pub(crate) fn raise_money(&self, total: u64) {
        if let Some(raised) = &self.raised {
            let mut raised = raised.lock().unwrap_or_else(PoisonError::into_inner);
            *raised = total.max(*raised);
        }
    }

    /// Notes that so much is set aside now.
    pub(crate) fn raise(&mut self, total: Amounts) {
        self.amounts = self.amounts.max(total);
    }

    /// All that is set aside.
    pub(crate) fn total(&self) -> Amounts {
        let mut total = self.amounts;
        if let Some(raised) = &self.raised {
            let raised = *raised.lock().unwrap_or_else(PoisonError::into_inner);
            total.nano_dollars = total.nano_dollars.max(raised);
        }
        total
    }

    pub(crate) fn reservation(&self) -> Reservation {
        self.ask(self.total())
    }

    /// What to ask the tenant's books for to have so much in all.
    pub(crate) fn ask(&self, total: Amounts) -> Reservation {
        let (subject, plan) = (self.subject.clone(), Arc::clone(&self.plan));
        self.fill(Reservation::new(self.id, subject, plan, total))
    }

    /// What to ask the account's books for to have so much in all.
    pub(crate) fn ask_account(&self, total: Amounts) -> Option<Reservation> {
        let plan = Arc::clone(self.plan.account()?);
        let subject = Subject::new(Owner::Account);
        Some(self.fill(Reservation::new(self.id.of_account(), subject, plan, total)))
    }

    fn account_reservation(&self) -> Option<Reservation> {
        self.ask_account(self.total())
    }

    fn fill(&self, mut reservation: Reservation) -> Reservation {
        reservation.certain = self.certain;
        reservation.hold_for = self.hold_for;
        reservation.lasting = self.lasting;
        reservation
    }

    fn settlement(&self, charge: Amounts) -> Settlement {
        let (subject, plan) = (self.subject.clone(), Arc::clone(&self.plan));
        Settlement::new(self.id, subject, plan, charge)
    }

    fn account_settlement(&self, charge: Amounts) -> Settlement {
        let plan = self.plan.account().unwrap_or(&self.plan);
        let subject = Subject::new(Owner::Account);
        Settlement::new(self.id.of_account(), subject, Arc::clone(plan), charge)
    }
}
