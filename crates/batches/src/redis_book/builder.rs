use std::time::Duration;

use crate::RedisBook;
use crate::redis_book::address::Address;
use crate::redis_book::link::Link;

/// Makes a [`RedisBook`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisBookBuilder {
    address: Address,
    timeout: Duration,
    prefix: Box<str>,
    owners_for: Duration,
}

/// Results can be fetched for 29 days after their batch was made.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

// === impl RedisBookBuilder ===

impl RedisBookBuilder {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            timeout: Duration::from_millis(250),
            prefix: "claude".into(),
            owners_for: DAY * 400,
        }
    }

    /// Waits for an answer so long, connecting included; 250 ms by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Begins all keys with this and a colon; `claude` by default. Without braces, which are
    /// left out: a cluster would read them.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.replace(['{', '}'], "").into();
        self
    }

    /// Remembers so long whose a batch is; 400 days by default, and never less than 30. After
    /// that nobody sees it here, though upstream may still list it.
    pub fn owners_for(mut self, time: Duration) -> Self {
        self.owners_for = time.max(DAY * 30);
        self
    }

    /// Makes the book. It connects when it is first asked.
    #[must_use]
    pub fn build(self) -> RedisBook {
        let results_for = DAY * 30;
        RedisBook::new(
            Link::new(self.address, self.timeout),
            self.prefix,
            self.owners_for.as_secs(),
            results_for.as_secs(),
        )
    }
}
