use std::sync::Arc;
use std::time::Duration;

use tower_claude::token_budget::{
    BudgetStore, MemoryStore, Plan, Policy, RedisStore, Reservation, Settlement, Subject,
};

use crate::StartError;
use crate::answer::Answer;
use crate::config::{Budget, Store};

/// Where the books of the budgets are.
#[derive(Clone, Debug)]
pub enum Books {
    /// In this process.
    Memory(MemoryStore),
    /// In a Redis that gateways share.
    Redis(RedisStore),
}

/// What comes of looking at the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// They can be used.
    Good,
    /// They cannot be reached, now.
    Away,
    /// They cannot be trusted, and why.
    Bad(String),
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

    /// Whether the books are where they are kept, for who looks before there is traffic.
    pub async fn check(&self, within: Duration) -> Checked {
        let Self::Redis(store) = self else {
            return Checked::Good;
        };
        let up = async {
            while !store.stats().is_up {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            store.check().await
        };
        match tokio::time::timeout(within, up).await {
            Ok(Ok(Policy::Evicts(policy))) => Checked::Bad(format!(
                "Redis forgets when memory is short: its maxmemory-policy is {policy}; \
                 set it to noeviction"
            )),
            Ok(Ok(Policy::TooOld(version))) => {
                Checked::Bad(format!("Redis {version} is too old; use 7.0 or newer"))
            }
            Ok(Ok(_)) => Checked::Good,
            Ok(Err(_)) | Err(_) => Checked::Away,
        }
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
