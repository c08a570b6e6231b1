use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_claude::token_budget::{
    BudgetStore, MemoryStore, Plan, RedisStore, Reservation, Settlement, Subject,
};

use crate::StartError;
use crate::config::{Budget, Store};

/// Where the books of the budgets are.
#[derive(Clone, Debug)]
pub enum Books {
    /// In this process.
    Memory(MemoryStore),
    /// In a Redis that gateways share.
    Redis(RedisStore),
}

/// An answer of either.
#[derive(Debug)]
pub enum Answer<M, R> {
    /// Of the memory.
    Memory(M),
    /// Of Redis.
    Redis(R),
}

// === impl Books ===

impl Books {
    /// The books that the file names. Those in Redis need a runtime around them.
    pub fn new(settings: &Budget) -> Result<Self, StartError> {
        Ok(match &settings.store {
            Store::Memory => Self::Memory(MemoryStore::new()),
            Store::Redis(address) => {
                let store = RedisStore::builder(address.expose()).map_err(StartError::new)?;
                Self::Redis(store.timeout(settings.store_timeout).build())
            }
        })
    }

    /// Has told what is left to be told, or gives up after so long.
    pub async fn flush(&self, within: Duration) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(store) => store.flush(within).await,
        }
    }

    /// Whether they can be asked.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(store) => store.stats().is_up,
        }
    }
}

impl BudgetStore for Books {
    type Reserve =
        Answer<<MemoryStore as BudgetStore>::Reserve, <RedisStore as BudgetStore>::Reserve>;
    type Usage = Answer<<MemoryStore as BudgetStore>::Usage, <RedisStore as BudgetStore>::Usage>;

    fn reserve(&self, reservation: Reservation) -> Self::Reserve {
        match self {
            Self::Memory(store) => Answer::Memory(store.reserve(reservation)),
            Self::Redis(store) => Answer::Redis(store.reserve(reservation)),
        }
    }

    fn extend(&self, total: Reservation) -> Self::Reserve {
        match self {
            Self::Memory(store) => Answer::Memory(store.extend(total)),
            Self::Redis(store) => Answer::Redis(store.extend(total)),
        }
    }

    fn settle(&self, settlement: Settlement) {
        match self {
            Self::Memory(store) => store.settle(settlement),
            Self::Redis(store) => store.settle(settlement),
        }
    }

    fn usage(&self, subject: &Subject, plan: &Arc<Plan>) -> Self::Usage {
        match self {
            Self::Memory(store) => Answer::Memory(store.usage(subject, plan)),
            Self::Redis(store) => Answer::Redis(store.usage(subject, plan)),
        }
    }
}

// === impl Answer ===

impl<T, M, R> Future for Answer<M, R>
where
    M: Future<Output = T> + Unpin,
    R: Future<Output = T> + Unpin,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Self::Memory(answer) => Pin::new(answer).poll(cx),
            Self::Redis(answer) => Pin::new(answer).poll(cx),
        }
    }
}
