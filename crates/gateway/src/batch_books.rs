use tower_claude::batches::{BatchBook, MemoryBook, RedisBook};
use tower_claude::core::TenantId;

use crate::StartError;
use crate::answer::Answer;
use crate::config::{Budget, Store};

/// Where it is noted whose a batch is, and which results have been metered.
#[derive(Clone, Debug)]
pub(crate) enum BatchBooks {
    /// In this process.
    Memory(MemoryBook),
    /// In the Redis of the budgets.
    Redis(RedisBook),
}

// === impl BatchBooks ===

impl BatchBooks {
    /// They are where the budgets are.
    pub(crate) fn new(settings: &Budget) -> Result<Self, StartError> {
        Ok(match &settings.store {
            Store::Memory => Self::Memory(MemoryBook::new()),
            Store::Redis(address) => {
                let book = RedisBook::builder(address.expose()).map_err(StartError::new)?;
                Self::Redis(book.timeout(settings.store_timeout).build())
            }
        })
    }
}

impl BatchBook for BatchBooks {
    type Claim = Answer<<MemoryBook as BatchBook>::Claim, <RedisBook as BatchBook>::Claim>;
    type Owner = Answer<<MemoryBook as BatchBook>::Owner, <RedisBook as BatchBook>::Owner>;
    type First = Answer<<MemoryBook as BatchBook>::First, <RedisBook as BatchBook>::First>;

    fn claim(&self, tenant: &TenantId, batch: &str) -> Self::Claim {
        match self {
            Self::Memory(book) => Answer::Memory(book.claim(tenant, batch)),
            Self::Redis(book) => Answer::Redis(book.claim(tenant, batch)),
        }
    }

    fn owner(&self, batch: &str) -> Self::Owner {
        match self {
            Self::Memory(book) => Answer::Memory(book.owner(batch)),
            Self::Redis(book) => Answer::Redis(book.owner(batch)),
        }
    }

    fn first(&self, batch: &str, custom_id: &str) -> Self::First {
        match self {
            Self::Memory(book) => Answer::Memory(book.first(batch, custom_id)),
            Self::Redis(book) => Answer::Redis(book.first(batch, custom_id)),
        }
    }
}
