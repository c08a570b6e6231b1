use std::num::NonZeroU32;
use std::time::Duration;

use toml::de::DeValue;
use tower_claude::token_budget::{RedisStore, WhenStoreIsDown};

use super::duration::timeout;
use super::reader::{TableReader, Value};
use super::secret::Secret;

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
    /// At these addresses, separated by commas.
    Redis(Secret),
}

pub(super) const WHEN_STORE_IS_DOWN: &[(&str, WhenStoreIsDown)] = &[
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
            when_store_is_down: table.or("when_store_is_down", down, WhenStoreIsDown::Lease),
            replicas: table.or("replicas", Value::positive, NonZeroU32::MIN),
        };
        table.finish();
        budget
    }
}

/// The text is not shown: a store's URL may hold a password.
fn store(value: &Value<'_>) -> Option<Store> {
    let text = match value.node() {
        DeValue::Array(_) => {
            let nodes: Vec<_> = value.filled_list()?.iter().map(Value::string).collect();
            nodes.into_iter().collect::<Option<Vec<_>>>()?.join(",")
        }
        _ => value.string()?.to_owned(),
    };
    if text == "memory" {
        return Some(Store::Memory);
    }
    match RedisStore::builder(&text) {
        Ok(_) => Secret::new(&text).ok().map(Store::Redis),
        Err(error) => {
            let suggestion = "write \"memory\", \"redis://HOST:PORT\" or a list of such";
            value.error(format!("unknown `budget.store`: {error}"), suggestion)
        }
    }
}
