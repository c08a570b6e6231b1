//! The book of many processes, in Redis.

mod address;
mod book;
mod builder;
mod connection;
mod link;

pub use address::AddressError;
pub use book::RedisBook;
pub use builder::RedisBookBuilder;
