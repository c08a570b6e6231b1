//! The books of one process: what is spent, what is set aside, by whom.

mod account;
mod calendar;
mod clock;
mod counter;
mod hold;
mod memory_store;
mod owner_count;
mod owner_hash;
mod shard;
mod slots;

#[cfg(feature = "redis")]
pub(crate) use calendar::Period;
pub use clock::ManualClock;
pub(crate) use counter::MOST;
pub use memory_store::MemoryStore;
pub(crate) use owner_hash::Seed;

/// What counters without a lock are made of; tests put something else in its place.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
}
