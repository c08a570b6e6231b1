use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tower_claude_core::BoxError;

use crate::{LimitUsage, Plan, Reservation, Reserved, Settlement, Subject};

/// Keeps the books: what is spent, what is set aside, by whom.
///
/// A store has to keep three promises. A reservation takes from all limits of its plan in one
/// atomic step, or from none; one that is denied costs nothing. Both verbs are idempotent by
/// id: the same reservation or settlement again changes nothing. A settlement always takes
/// effect: a call that took more than was set aside leaves a debt, and one that the store has
/// never heard of is charged.
///
/// ```
/// use std::future::{Ready, ready};
/// use std::sync::Arc;
/// use tower_claude_token_budget::{
///     BudgetStore, LimitUsage, Plan, Reservation, Reserved, Settlement, Standings,
///     StoreError, Subject,
/// };
///
/// /// Grants everything and remembers nothing.
/// struct Unlimited;
///
/// impl BudgetStore for Unlimited {
///     type Reserve = Ready<Result<Reserved, StoreError>>;
///     type Usage = Ready<Result<Vec<LimitUsage>, StoreError>>;
///
///     fn reserve(&self, _: Reservation) -> Self::Reserve {
///         let standings = Standings::new();
///         ready(Ok(Reserved::Granted { standings }))
///     }
///
///     fn extend(&self, total: Reservation) -> Self::Reserve {
///         self.reserve(total)
///     }
///
///     fn settle(&self, _: Settlement) {}
///
///     fn usage(&self, _: &Subject, _: &Arc<Plan>) -> Self::Usage {
///         ready(Ok(Vec::new()))
///     }
/// }
/// ```
pub trait BudgetStore {
    /// The answer to [`reserve`](Self::reserve) and [`extend`](Self::extend).
    ///
    /// Dropping it may leave a hold behind, which the settlement that follows releases.
    type Reserve: Future<Output = Result<Reserved, StoreError>> + Send + 'static;

    /// The answer to [`usage`](Self::usage).
    type Usage: Future<Output = Result<Vec<LimitUsage>, StoreError>>;

    /// Sets aside what a call is expected to take.
    fn reserve(&self, reservation: Reservation) -> Self::Reserve;

    /// Raises a hold to what `total` says, all or nothing, and renews its expiry either way.
    ///
    /// Nothing is lowered, so the same extension again changes nothing. What the store does
    /// not hold, or no longer, is set aside anew.
    fn extend(&self, total: Reservation) -> Self::Reserve;

    /// Replaces what was set aside by what was spent.
    ///
    /// Called from destructors: it never waits, blocks or fails. A remote store queues.
    fn settle(&self, settlement: Settlement);

    /// How the limits of a plan stand for one subject.
    fn usage(&self, subject: &Subject, plan: &Arc<Plan>) -> Self::Usage;
}

/// A store that could not be asked, or did not answer.
#[derive(Debug)]
pub struct StoreError {
    source: BoxError,
}

/// What happens to calls while the store cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenStoreIsDown {
    /// They are refused (503).
    #[default]
    Refuse,
    /// They pass within a share of the limit that this process may grant on its own: the
    /// limit divided by [`replicas`](crate::TokenBudgetLayer::replicas). All processes
    /// together let pass at most the limit once more in each of its periods, however often
    /// the store goes away. They are settled when it is back.
    Lease,
    /// They pass, and are settled when the store is back.
    Allow,
}

// === impl WhenStoreIsDown ===

impl WhenStoreIsDown {
    /// The word for it in configuration and in `x-claude-budget-store`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Lease => "lease",
            Self::Allow => "allow",
        }
    }

    /// The policy of a word, as [`WhenStoreIsDown::as_str`] writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Refuse, Self::Lease, Self::Allow]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}

// === impl BudgetStore ===

impl<T> BudgetStore for Arc<T>
where
    T: BudgetStore + ?Sized,
{
    type Reserve = T::Reserve;
    type Usage = T::Usage;

    fn reserve(&self, reservation: Reservation) -> Self::Reserve {
        T::reserve(self, reservation)
    }

    fn extend(&self, total: Reservation) -> Self::Reserve {
        T::extend(self, total)
    }

    fn settle(&self, settlement: Settlement) {
        T::settle(self, settlement);
    }

    fn usage(&self, subject: &Subject, plan: &Arc<Plan>) -> Self::Usage {
        T::usage(self, subject, plan)
    }
}

// === impl StoreError ===

impl StoreError {
    /// An error of the store, for logs; callers do not read it.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("asking the budget store failed")
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
