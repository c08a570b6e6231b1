use std::num::NonZeroU32;
use std::time::Duration;

use super::duration::timeout;
use super::reader::{TableReader, Value};

/// `[budget]`: where it is remembered who spent what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// The memory.
    pub store: Store,
    /// How long a call waits for the store; the memory answers at once.
    pub store_timeout: Duration,
    /// What happens without an answer from the store.
    pub when_store_is_down: WhenStoreIsDown,
    /// How many gateways share the store.
    pub replicas: NonZeroU32,
}

/// Where spending is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// In this process, until it ends.
    Memory,
}

/// What happens to calls while the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenStoreIsDown {
    /// At most limit / replicas more pass per window.
    Lease,
    /// None pass.
    Refuse,
    /// All pass.
    Allow,
}

const WHEN_STORE_IS_DOWN: &[(&str, WhenStoreIsDown)] = &[
    ("lease", WhenStoreIsDown::Lease),
    ("refuse", WhenStoreIsDown::Refuse),
    ("allow", WhenStoreIsDown::Allow),
];

// === impl Budget ===

impl Budget {
    pub(super) fn read(mut table: TableReader<'_>) -> Self {
        let down = |value: &Value<'_>| value.choice(WHEN_STORE_IS_DOWN);
        let budget = Self {
            store: table.or("store", store, Store::Memory),
            store_timeout: table.or("store_timeout", timeout, Duration::from_millis(50)),
            when_store_is_down: table.or("when_store_is_down", down, WhenStoreIsDown::Refuse),
            replicas: table.or("replicas", Value::positive, NonZeroU32::MIN),
        };
        table.finish();
        budget
    }
}

fn store(value: &Value<'_>) -> Option<Store> {
    // The text is not shown: a store's URL may hold a password.
    match value.string()? {
        "memory" => Some(Store::Memory),
        _ => value.error("unknown `budget.store`".to_owned(), "write \"memory\""),
    }
}
