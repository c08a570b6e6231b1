use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::{Amounts, LimitMode, Plan, Reserved, Subject};

/// The name of one reservation: never used twice, never taken from a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationId(u128);

/// What is asked of a store before a call: all limits of the plan at once, or none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reservation {
    /// Its name.
    pub id: ReservationId,
    /// Whose budget it is taken from.
    pub subject: Subject,
    /// The limits: all of [`Plan::limits`], whatever their scope.
    pub plan: Arc<Plan>,
    /// What the call is expected to take.
    pub amounts: Amounts,
    /// What of it is spent as soon as upstream accepts the call: what a hold that expires is
    /// charged.
    pub certain: Amounts,
    /// How long the hold is kept without a settlement. Longer than any call may take.
    pub hold_for: Duration,
    /// How long such calls last: what a caller waits at least for whom others' holds stand in
    /// the way.
    pub lasting: Duration,
}

/// What is told a store after a call: what it really took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settlement {
    /// The name of the reservation.
    pub id: ReservationId,
    /// Whose budget it was taken from.
    pub subject: Subject,
    /// The limits at the time of the reservation.
    pub plan: Arc<Plan>,
    /// What the call took.
    pub amounts: Amounts,
}

// === impl ReservationId ===

impl ReservationId {
    /// A new name: 64 random bits of the process, and a count.
    #[must_use]
    pub fn generate() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self((u128::from(*PROCESS) << 64) | u128::from(count))
    }

    /// The name of something that is reserved once, whoever does it.
    #[cfg(feature = "redis")]
    pub(crate) const fn of(number: u128) -> Self {
        Self(number)
    }

    /// The name of what the account is asked for the same call. A store may know reservations by
    /// their names alone, whoever they are of.
    pub(crate) const fn of_account(self) -> Self {
        Self(self.0 ^ (1 << 127))
    }

    /// The name as a number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Reservation ===

impl Reservation {
    /// How long a hold is kept unless said otherwise: 6 hours.
    pub const HOLD_FOR: Duration = Duration::from_secs(6 * 3600);

    /// How long calls last as far as nobody knows better: 2 seconds.
    pub const LASTING: Duration = Duration::from_secs(2);

    /// A reservation of which everything but the output, and what it costs, is certain.
    #[must_use]
    pub fn new(id: ReservationId, subject: Subject, plan: Arc<Plan>, amounts: Amounts) -> Self {
        let certain = Amounts {
            output_tokens: 0,
            nano_dollars: 0,
            ..amounts
        };
        Self {
            id,
            subject,
            plan,
            amounts,
            certain,
            hold_for: Self::HOLD_FOR,
            lasting: Self::LASTING,
        }
    }

    /// The first limit that is smaller than what is asked of it, whoever has spent what.
    ///
    /// Stores answer [`Reserved::Never`] then, without a look into their books.
    #[must_use]
    pub fn never_fits(&self) -> Option<Reserved> {
        let limits = self.plan.limits().iter();
        let mut enforced = limits.filter(|limit| limit.mode == LimitMode::Enforce);
        let limit = enforced.find(|limit| self.amounts.of(limit.meter) > limit.capacity())?;
        Some(Reserved::Never {
            limit: *limit,
            requested: self.amounts.of(limit.meter),
        })
    }
}

// === impl Settlement ===

impl Settlement {
    /// A settlement of `amounts` for a reservation of that name, subject and plan.
    #[must_use]
    pub const fn new(
        id: ReservationId,
        subject: Subject,
        plan: Arc<Plan>,
        amounts: Amounts,
    ) -> Self {
        Self {
            id,
            subject,
            plan,
            amounts,
        }
    }
}
