use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::Intake;
use tower_layer::Layer;

use crate::learned::Learned;
use crate::permit::Books;
use crate::service::Shared;
use crate::{DefaultEstimate, Plans, Reservation, TokenBudget, WhenStoreIsDown};

/// Refuses calls that their tenant may not spend, and keeps the books of the others.
///
/// See the [crate](crate) for examples, order and cancellation.
#[must_use]
pub struct TokenBudgetLayer<St, E = DefaultEstimate> {
    shared: Arc<Shared<St, E>>,
}

// === impl TokenBudgetLayer ===

impl<St> TokenBudgetLayer<St> {
    /// Budgets by these plans, kept in this store.
    pub fn new(store: St, plans: Plans) -> Self {
        Self {
            shared: Arc::new(Shared {
                books: Arc::new(Books {
                    store,
                    learned: Learned::default(),
                }),
                plans,
                estimate: Arc::new(DefaultEstimate),
                intake: Intake::new(),
                when_store_is_down: WhenStoreIsDown::default(),
                hold_for: Reservation::HOLD_FOR,
                resets: Arc::default(),
            }),
        }
    }
}

impl<St, E> TokenBudgetLayer<St, E> {
    /// Estimates input in another way.
    pub fn estimate<Estimate>(self, estimate: Estimate) -> TokenBudgetLayer<St, Estimate> {
        let shared = Shared::clone(&self.shared);
        TokenBudgetLayer {
            shared: Arc::new(Shared {
                books: shared.books,
                plans: shared.plans,
                estimate: Arc::new(estimate),
                intake: shared.intake,
                when_store_is_down: shared.when_store_is_down,
                hold_for: shared.hold_for,
                resets: shared.resets,
            }),
        }
    }

    /// Takes requests in in another way, where no layer outside has read them.
    pub fn intake(self, intake: Intake) -> Self {
        self.edit(|shared| shared.intake = intake)
    }

    /// Says what happens to calls while the store cannot be asked; refused by default.
    pub fn when_store_is_down(self, policy: WhenStoreIsDown) -> Self {
        self.edit(|shared| shared.when_store_is_down = policy)
    }

    /// Keeps what is set aside so long without a settlement; 20 minutes by default.
    ///
    /// It has to be longer than any call may take: a hold that expires while its call runs
    /// makes room for others before it is known what the call takes.
    pub fn hold_for(self, hold_for: Duration) -> Self {
        self.edit(|shared| shared.hold_for = hold_for)
    }

    fn edit(self, edit: impl FnOnce(&mut Shared<St, E>)) -> Self {
        let mut shared = Shared::clone(&self.shared);
        edit(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<S, St, E> Layer<S> for TokenBudgetLayer<St, E> {
    type Service = TokenBudget<S, St, E>;

    fn layer(&self, inner: S) -> Self::Service {
        TokenBudget::new(inner, Arc::clone(&self.shared))
    }
}

impl<St, E> Clone for TokenBudgetLayer<St, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<St, E> fmt::Debug for TokenBudgetLayer<St, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBudgetLayer")
            .field("plans", &self.shared.plans)
            .field("when_store_is_down", &self.shared.when_store_is_down)
            .field("hold_for", &self.shared.hold_for)
            .finish_non_exhaustive()
    }
}
