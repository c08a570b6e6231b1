//! The books of one process: what is spent, what is set aside, by whom.

mod account;
mod calendar;
mod counter;
mod hold;
mod memory_store;
mod owner_hash;
mod shard;
mod slots;

pub(crate) use counter::MOST;
pub use memory_store::MemoryStore;
pub(crate) use owner_hash::Seed;
