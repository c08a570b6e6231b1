use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use redis::Pipeline;
use tower_claude_core::TenantId;

use crate::redis_book::address::{Address, AddressError};
use crate::redis_book::builder::RedisBookBuilder;
use crate::redis_book::link::Link;
use crate::{BatchBook, BookError};

/// Keeps the book in Redis, for all processes that share it. A clone is the same book.
///
/// - Redis 7.0 or newer, or Valkey; alone, with replicas, or as a cluster: all keys of a batch
///   are in one slot. A `maxmemory-policy` other than `noeviction` may make it forget whose a
///   batch is, which its tenant then does not find, and what has been seen, which then counts
///   once more.
/// - It is made without a connection. Each question is one round trip, and takes no longer than
///   the timeout; while Redis is away, all fail, each after its timeout at the latest.
/// - A question whose connection is found dead is asked once more. None is counted twice for
///   that, and no first result is lost.
/// - Whose a batch is is kept for 400 days ([`owners_for`](RedisBookBuilder::owners_for)), and
///   what has been seen of its results until 30 days after the first of them was: they cannot
///   be fetched for longer than 29 days.
///
/// ```no_run
/// use std::time::Duration;
/// use tower_claude_batches::{BatchesLayer, RedisBook};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let book = RedisBook::builder("redis://127.0.0.1:6379")?
///     .timeout(Duration::from_millis(100))
///     .build();
/// let layer = BatchesLayer::new(book);
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBook(Arc<Inner>);

struct Inner {
    link: Link,
    prefix: Box<str>,
    /// Seconds.
    owners_for: u64,
    /// Seconds.
    results_for: u64,
}

type Asking<T> = Pin<Box<dyn Future<Output = Result<T, BookError>> + Send>>;

// === impl RedisBook ===

impl RedisBook {
    /// A book at `redis://…`, `rediss://…` (with the feature `redis-tls`), or at a list of
    /// such, separated by commas: the nodes of a cluster.
    ///
    /// # Errors
    ///
    /// The address cannot be read.
    pub fn builder(address: &str) -> Result<RedisBookBuilder, AddressError> {
        Ok(RedisBookBuilder::new(address.parse::<Address>()?))
    }

    pub(crate) fn new(link: Link, prefix: Box<str>, owners_for: u64, results_for: u64) -> Self {
        Self(Arc::new(Inner {
            link,
            prefix,
            owners_for,
            results_for,
        }))
    }

    /// The key of what is known of a batch. Its braces make one slot of all keys of the batch.
    fn key(&self, batch: &str, what: &str) -> String {
        format!("{}:batch:{{{batch}}}:{what}", self.0.prefix)
    }
}

impl BatchBook for RedisBook {
    type Claim = Asking<bool>;
    type Owner = Asking<Option<TenantId>>;
    type First = Asking<bool>;

    fn claim(&self, tenant: &TenantId, batch: &str) -> Self::Claim {
        let mut commands = Pipeline::new();
        commands
            .cmd("SET")
            .arg(self.key(batch, "owner"))
            .arg(tenant.as_str())
            .arg("NX")
            .arg("GET")
            .arg("EX")
            .arg(self.0.owners_for);
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        Box::pin(async move {
            // What was there before, which stays.
            let (owner,): (Option<String>,) = inner.link.ask(&commands).await?;
            Ok(owner.is_none_or(|owner| owner == tenant.as_str()))
        })
    }

    fn owner(&self, batch: &str) -> Self::Owner {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(self.key(batch, "owner"));
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let (owner,): (Option<String>,) = inner.link.ask(&commands).await?;
            let owner = owner.map(|owner| TenantId::new(&owner)).transpose();
            owner.map_err(BookError::new)
        })
    }

    fn first(&self, batch: &str, custom_id: &str) -> Self::First {
        let key = self.key(batch, "seen");
        // Whoever has put this there was the first, however often it was sent.
        let mark = fastrand::u64(..).to_le_bytes();
        let mut commands = Pipeline::new();
        commands.atomic();
        commands
            .cmd("HSETNX")
            .arg(&key)
            .arg(custom_id)
            .arg(&mark)
            .ignore();
        commands.cmd("HGET").arg(&key).arg(custom_id);
        // With the first one only: it is over when results cannot be fetched any more.
        commands
            .cmd("EXPIRE")
            .arg(&key)
            .arg(self.0.results_for)
            .arg("NX")
            .ignore();
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let (found,): (Vec<u8>,) = inner.link.ask(&commands).await?;
            Ok(found == mark)
        })
    }
}

impl fmt::Debug for RedisBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBook")
            .field("link", &self.0.link)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}
