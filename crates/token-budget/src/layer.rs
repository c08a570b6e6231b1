use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::Intake;
use tower_claude_pricing::Prices;
use tower_layer::Layer;

use crate::keep::Books;
use crate::outage::Outage;
use crate::service::Shared;
use crate::{BudgetStats, DefaultEstimate, Plans, Reservation, TokenBudget, WhenStoreIsDown};

/// How many tokens of output are set aside at a time while a stream goes on.
const TOP_UP: NonZeroU64 = NonZeroU64::new(1024).unwrap();

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
                books: Arc::new(Books::new(store)),
                plans,
                estimate: Arc::new(DefaultEstimate::default()),
                intake: Intake::new(),
                prices: Prices::default(),
                top_up: TOP_UP,
                hold_for: Reservation::HOLD_FOR,
                resets: Arc::default(),
                stats: BudgetStats::default(),
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
                prices: shared.prices,
                top_up: shared.top_up,
                hold_for: shared.hold_for,
                resets: shared.resets,
                stats: shared.stats,
            }),
        }
    }

    /// Takes requests in in another way, where no layer outside has read them.
    pub fn intake(self, intake: Intake) -> Self {
        self.edit(|shared| shared.intake = intake)
    }

    /// Says what happens to calls while the store cannot be asked, for limits that do not say
    /// themselves; refused by default.
    pub fn when_store_is_down(self, policy: WhenStoreIsDown) -> Self {
        self.edit_outage(|outage| outage.default = policy)
    }

    /// So many processes share the store: each grants no more than its share of a limit on its
    /// own while the store is away. 1 by default.
    pub fn replicas(self, replicas: NonZeroU32) -> Self {
        self.edit_outage(|outage| outage.replicas = replicas)
    }

    /// Prices calls by another table, where money is limited; by default the built-in one.
    pub fn prices(self, prices: impl Into<Prices>) -> Self {
        self.edit(|shared| shared.prices = prices.into())
    }

    /// Sets output aside in steps of so many tokens while a stream goes on; 1,024 by default.
    ///
    /// It is also what a stream may overrun by, and what a plain answer may.
    pub fn top_up(self, tokens: NonZeroU64) -> Self {
        self.edit(|shared| shared.top_up = tokens)
    }

    /// How the layer fares, for metrics.
    #[must_use]
    pub fn stats(&self) -> BudgetStats {
        self.shared.stats.clone()
    }

    /// Keeps what is set aside so long without a settlement; 6 hours by default.
    ///
    /// It has to be longer than any call may take: a hold that expires while its call runs
    /// makes room for others before it is known what the call takes.
    pub fn hold_for(self, hold_for: Duration) -> Self {
        self.edit(|shared| shared.hold_for = hold_for)
    }

    fn edit_outage(self, edit: impl FnOnce(&mut Outage)) -> Self {
        self.edit(|shared| shared.books = Arc::new(shared.books.with_outage(edit)))
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
            .field("outage", &self.shared.books.outage)
            .field("hold_for", &self.shared.hold_for)
            .finish_non_exhaustive()
    }
}
