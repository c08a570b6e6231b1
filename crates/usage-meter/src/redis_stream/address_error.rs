use std::error::Error;
use std::fmt;

/// An address of Redis that cannot be used. It does not repeat the address, in which there may
/// be a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddressError(&'static str);

// === impl RedisAddressError ===

impl RedisAddressError {
    pub(super) const fn new(problem: &'static str) -> Self {
        Self(problem)
    }
}

impl fmt::Display for RedisAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the address of the redis stream cannot be used: {}",
            self.0
        )
    }
}

impl Error for RedisAddressError {}
