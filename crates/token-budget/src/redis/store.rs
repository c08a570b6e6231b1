use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::redis::address::{Address, AddressError};
use crate::redis::arguments::{Naming, read_reserved, read_usage};
use crate::redis::link::{Link, LinkStats};
use crate::redis::policy::Policy;
use crate::redis::script::{RESERVE, USAGE};
use crate::redis::worker::{Desk, look_after, settle_queued};
use crate::{
    BudgetStore, LimitUsage, ManualClock, Plan, Reservation, Reserved, Settlement, StoreError,
    Subject,
};

/// Keeps the books in Redis, for all processes that share it. A clone is the same store.
///
/// The rules are those of [`MemoryStore`](crate::MemoryStore), by the clock of the server. Each
/// verb is one script and one round trip; all that a call is limited by is in the slot of its
/// owner, but for limits of the account.
///
/// - Redis 7.0 or newer, or Valkey; alone, with replicas, or as a cluster. Its
///   `maxmemory-policy` has to be `noeviction`, or it forgets what was spent when memory is
///   short: [`check`](Self::check) tells.
/// - It is made without a connection and never fails for want of one. A call waits for Redis
///   no longer than the timeout; when Redis is away, calls fail at once, and what becomes of
///   them is for the layer to say.
/// - Settlements go through a queue of their own and are tried for five minutes; what they
///   charge is exact even if they arrive late, twice, or before what they settle.
/// - What a process holds it renews as long as it lives. What a process held that died is
///   released within [`hold_for`](RedisStoreBuilder::hold_for), and charged what was certain.
/// - After each new connection, what was settled in the last minute is told again, in case a
///   replica took over that had not heard of it. Books that were lost altogether are restored
///   from what the living processes have charged.
///
/// ```no_run
/// use std::num::NonZeroU32;
/// use std::time::Duration;
///
/// use tower_claude_token_budget::{
///     Limit, Meter, Per, Plan, Plans, Policy, RedisStore, TokenBudgetLayer, WhenStoreIsDown,
/// };
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::builder("redis://127.0.0.1:6379")?
///     .timeout(Duration::from_millis(20))
///     .build();
/// if let Ok(Policy::Evicts(policy)) = store.check().await {
///     return Err(format!("maxmemory-policy {policy} forgets what was spent").into());
/// }
/// let plan = Plan::new("standard")
///     .limit(Limit::new(Meter::Tokens, 200_000_u64.try_into()?, Per::Minute));
/// let layer = TokenBudgetLayer::new(store.clone(), Plans::for_all(plan)?)
///     .when_store_is_down(WhenStoreIsDown::Lease)
///     .replicas(NonZeroU32::new(3).ok_or("no replicas")?);
///
/// // At the end, once no call runs any more.
/// store.flush(Duration::from_secs(5)).await;
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Desk>);

/// Makes a [`RedisStore`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisStoreBuilder {
    address: Address,
    timeout: Duration,
    prefix: Box<str>,
    hold_for: Duration,
    remember_for: Duration,
    queue: usize,
    clock: Option<ManualClock>,
}

/// How a [`RedisStore`] fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStats {
    /// Whether Redis answers.
    pub is_up: bool,
    /// Calls of scripts, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// How often a connection was made.
    pub connections: u64,
    /// Calls that this process holds something for.
    pub holds: u64,
    /// Settlements that wait to be told.
    pub waiting: u64,
    /// Settlements that were given up: their holds expire, and are charged what was certain.
    pub lost: u64,
    /// How often books were found lost and charged again.
    pub restored: u64,
}

/// The most owners whose charges are written down to be restored.
const MOST_OWNERS: usize = 100_000;

// === impl RedisStore ===

impl RedisStore {
    /// A store at `redis://…`, `rediss://…` (with the feature `redis-tls`), or at a list of
    /// such, separated by commas: the nodes of a cluster.
    ///
    /// # Errors
    ///
    /// The address cannot be read.
    pub fn builder(address: &str) -> Result<RedisStoreBuilder, AddressError> {
        Ok(RedisStoreBuilder {
            address: address.parse()?,
            timeout: Duration::from_millis(50),
            prefix: "claude".into(),
            hold_for: Duration::from_secs(60),
            remember_for: Duration::from_secs(600),
            queue: 65_536,
            clock: None,
        })
    }

    /// Whether Redis can be trusted to keep what it is told.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    pub async fn check(&self) -> Result<Policy, StoreError> {
        let address = self.0.front.address();
        Policy::of(address).await.map_err(StoreError::new)
    }

    /// How it fares.
    #[must_use]
    pub fn stats(&self) -> RedisStats {
        let desk = &self.0;
        let (front, back): (LinkStats, LinkStats) = (desk.front.stats(), desk.back.stats());
        RedisStats {
            is_up: desk.front.is_up(),
            calls: front.calls + back.calls,
            failures: front.failures + back.failures,
            connections: desk.front.generation() + desk.back.generation(),
            holds: desk.open.len() as u64,
            waiting: desk.counts.waiting.load(Relaxed),
            lost: desk.counts.lost.load(Relaxed),
            restored: desk.counts.restored.load(Relaxed),
        }
    }

    /// Waits until all settlements are told, or for so long; says whether they are.
    pub async fn flush(&self, within: Duration) -> bool {
        let told = async {
            let counts = &self.0.counts;
            loop {
                let idle = counts.idle.notified();
                if counts.waiting.load(Relaxed) == 0 {
                    return;
                }
                idle.await;
            }
        };
        tokio::time::timeout(within, told).await.is_ok()
    }

    fn ask(&self, reservation: Reservation, verb: &'static str) -> Reserving {
        let desk = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some(never) = reservation.never_fits() {
                return Ok(never);
            }
            let call = desk
                .naming
                .reserve(&RESERVE, verb, &reservation, desk.now());
            let value = desk.front.call(call).await.map_err(StoreError::new)?;
            let answer = read_reserved(&reservation.plan, value)?;
            desk.saw(&reservation.subject, &reservation.plan, answer.generations);
            if matches!(answer.reserved, Reserved::Granted { .. }) {
                desk.open.add(reservation);
            }
            Ok(answer.reserved)
        })
    }
}

type Reserving = Pin<Box<dyn Future<Output = Result<Reserved, StoreError>> + Send>>;

impl BudgetStore for RedisStore {
    type Reserve = Reserving;
    type Usage = Pin<Box<dyn Future<Output = Result<Vec<LimitUsage>, StoreError>> + Send>>;

    fn reserve(&self, reservation: Reservation) -> Self::Reserve {
        self.ask(reservation, "reserve")
    }

    fn extend(&self, total: Reservation) -> Self::Reserve {
        self.ask(total, "extend")
    }

    fn settle(&self, settlement: Settlement) {
        self.0.settle(settlement);
    }

    fn usage(&self, subject: &Subject, plan: &Arc<Plan>) -> Self::Usage {
        let (desk, plan) = (Arc::clone(&self.0), Arc::clone(plan));
        let call = desk.naming.usage(&USAGE, subject, &plan, desk.now());
        Box::pin(async move {
            let value = desk.back.call(call).await.map_err(StoreError::new)?;
            read_usage(&plan, value).map(|(usage, _)| usage)
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(&self.stats()).finish()
    }
}

// === impl RedisStoreBuilder ===

impl RedisStoreBuilder {
    /// Waits for an answer so long; 50 ms by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Begins all keys with this and a colon; `claude` by default.
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Keeps what a process holds so long without hearing of it; 60 s by default. It is renewed
    /// three times as often.
    pub const fn hold_for(mut self, hold_for: Duration) -> Self {
        self.hold_for = hold_for;
        self
    }

    /// Remembers so long that a call has ended; 10 minutes by default. It has to be longer than
    /// settlements are tried, which is 5 minutes.
    pub const fn remember_for(mut self, remember_for: Duration) -> Self {
        self.remember_for = remember_for;
        self
    }

    /// Queues so many settlements while Redis is away; 65,536 by default.
    pub const fn queue(mut self, settlements: usize) -> Self {
        self.queue = settlements;
        self
    }

    /// Goes by a clock that tests set, instead of the server's.
    pub fn by_clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes the store. Its tasks run on the runtime it is made in, and end with its last clone.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn build(self) -> RedisStore {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let naming = Naming {
            prefix: self.prefix,
            hold: millis(self.hold_for).max(1),
            grace: millis(self.remember_for),
        };
        let front = Link::new(self.address.clone(), self.timeout);
        // Nobody waits for these.
        let back = Link::new(self.address, self.timeout.max(Duration::from_millis(500)));
        let connected = back.reconnected();
        let (queue, queued) = mpsc::channel(self.queue.max(1));
        let links = (front, back);
        let desk = Desk::new(links, naming, self.clock, MOST_OWNERS, queue);
        let desk = Arc::new(desk);
        let runtime = Handle::current();
        runtime.spawn(settle_queued(Arc::downgrade(&desk), queued));
        runtime.spawn(look_after(Arc::downgrade(&desk), connected));
        RedisStore(desk)
    }
}
