//! The books of many processes, in Redis.

mod address;
mod arguments;
mod breaker;
mod connection;
mod journal;
mod link;
mod link_error;
mod open_holds;
mod policy;
mod script;
mod store;
mod worker;

pub use address::AddressError;
pub use policy::Policy;
pub use store::{RedisStats, RedisStore, RedisStoreBuilder};
