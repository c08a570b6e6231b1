use std::fmt;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::redis::address::Address;
use crate::redis::breaker::Breaker;
use crate::redis::connection::Connection;
use crate::redis::link_error::LinkError;
use crate::redis::script::ScriptCall;

/// A way to Redis that never makes a caller wait longer than its timeout, nor at all while
/// Redis is known to be away. A clone is the same way.
///
/// It reconnects by itself: the client's own reconnecting stays on connections that are
/// black-holed or lead to a server that was demoted.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    address: Address,
    timeout: Duration,
    runtime: Handle,
    live: ArcSwapOption<Live>,
    is_connecting: AtomicBool,
    /// One for each group of slots of a cluster, so that a dead master shuts only its own.
    breakers: Box<[Breaker]>,
    connected: watch::Sender<u64>,
    /// When a call was answered last, in milliseconds since `began`.
    answered: AtomicU64,
    /// Since when no call was answered that was sent, as above and one more; 0 if the last was.
    failing: AtomicU64,
    /// When the last connection was made, in milliseconds since `began`.
    made: AtomicU64,
    /// How often in a row one was needed again soon.
    hasty: AtomicU32,
    began: Instant,
    calls: AtomicU64,
    failures: AtomicU64,
}

struct Live {
    connection: Connection,
    misses: AtomicU32,
}

/// Counts of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkStats {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
}

const GROUPS: usize = 256;
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const MOST_MISSES: u32 = 5;
/// How often an idle connection is tried.
pub(crate) const BEAT: Duration = Duration::from_millis(500);
/// A connection that is of no use after less than this is replaced with a pause.
const STEADY: Duration = Duration::from_secs(1);
/// A cluster that answers none of the calls for so long is connected to anew.
const SILENCE: Duration = Duration::from_secs(2);

// === impl Link ===

impl Link {
    pub(crate) fn new(address: Address, timeout: Duration) -> Self {
        let breakers = if address.is_cluster() { GROUPS } else { 1 };
        let (connected, _) = watch::channel(0);
        let link = Self(Arc::new(Shared {
            address,
            timeout,
            runtime: Handle::current(),
            live: ArcSwapOption::empty(),
            is_connecting: AtomicBool::new(false),
            breakers: (0..breakers).map(|_| Breaker::default()).collect(),
            connected,
            answered: AtomicU64::new(0),
            failing: AtomicU64::new(0),
            made: AtomicU64::new(0),
            hasty: AtomicU32::new(0),
            began: Instant::now(),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }));
        link.connect();
        link
    }

    /// Calls a script. Dropping it does not take back what was sent.
    pub(crate) async fn call(&self, call: ScriptCall) -> Result<Value, LinkError> {
        let shared = &*self.0;
        shared.calls.fetch_add(1, Relaxed);
        let answer = self.ask(&call).await;
        if answer.is_err() {
            shared.failures.fetch_add(1, Relaxed);
        }
        answer
    }

    async fn ask(&self, call: &ScriptCall) -> Result<Value, LinkError> {
        let shared = &*self.0;
        let breaker = shared.breaker(call);
        let Some(leave) = breaker.leave(shared.timeout / 2) else {
            return Err(LinkError::Down);
        };
        let Some(live) = shared.live.load_full() else {
            // Not its fault: nothing was asked.
            drop(leave);
            return Err(LinkError::Down);
        };
        let mut connection = live.connection.clone();
        let asking = async {
            match connection.send(call.by_sha()).await {
                Err(error) if error.code() == Some("NOSCRIPT") => {
                    connection.send(&call.by_text()).await
                }
                answer => answer,
            }
        };
        let answer = match timeout(shared.timeout, asking).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(LinkError::of(error)),
            Err(_) => Err(LinkError::Late),
        };
        let Err(error) = answer else {
            live.misses.store(0, Relaxed);
            shared.answered.store(shared.millis(), Relaxed);
            shared.heard();
            leave.succeeded();
            return answer;
        };
        if error.is_of_script() {
            shared.heard();
            leave.succeeded();
            return Err(error);
        }
        let opens = leave.failed();
        let misses = match error {
            LinkError::Late => live.misses.fetch_add(1, Relaxed) + 1,
            _ => 0,
        };
        if shared.address.is_cluster() {
            if shared.fails_for() > SILENCE {
                self.connect();
            }
        } else if error.is_fatal() || misses >= MOST_MISSES {
            shared.give_up(&live);
            self.connect();
        } else if opens && matches!(error, LinkError::Late) {
            // Perhaps it is only this connection. One that answers with an error is well.
            self.connect();
        }
        Err(error)
    }

    /// Finds out whether an idle connection is still there, and whether one that failed is well
    /// again, so that no call has to.
    pub(crate) async fn beat(&self) {
        let shared = &*self.0;
        let answered = Duration::from_millis(shared.answered.load(Relaxed));
        let Some(live) = shared.live.load_full() else {
            self.connect();
            return;
        };
        if shared.address.is_cluster() || shared.began.elapsed().saturating_sub(answered) < BEAT {
            return;
        }
        let Some(leave) = shared.breakers[0].leave(shared.timeout / 2) else {
            return;
        };
        let mut connection = live.connection.clone();
        if matches!(timeout(shared.timeout, connection.ping()).await, Ok(Ok(()))) {
            leave.succeeded();
        } else {
            leave.failed();
            shared.give_up(&live);
            self.connect();
        }
    }

    /// Whether calls are sent.
    pub(crate) fn is_up(&self) -> bool {
        let shared = &*self.0;
        let is_shut = match shared.address.is_cluster() {
            // One that answers is not connected to again; a group that nobody asks is not open.
            true => shared.is_connecting.load(Relaxed),
            false => shared.breakers.iter().all(Breaker::is_open),
        };
        shared.live.load().is_some() && !is_shut
    }

    /// How many connections were made.
    pub(crate) fn generation(&self) -> u64 {
        *self.0.connected.borrow()
    }

    /// Changes with each connection made.
    pub(crate) fn reconnected(&self) -> watch::Receiver<u64> {
        self.0.connected.subscribe()
    }

    pub(crate) fn stats(&self) -> LinkStats {
        LinkStats {
            calls: self.0.calls.load(Relaxed),
            failures: self.0.failures.load(Relaxed),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Makes a new connection in the background, unless that is under way.
    fn connect(&self) {
        if !self.0.is_connecting.swap(true, SeqCst) {
            self.0.runtime.spawn(connect(Arc::downgrade(&self.0)));
        }
    }
}

// === impl Shared ===

impl Shared {
    fn breaker(&self, call: &ScriptCall) -> &Breaker {
        let group = match self.breakers.len() {
            1 => 0,
            groups => usize::from(call.slot()) * groups / 16_384,
        };
        &self.breakers[group]
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes note that a call was answered. Most are, so nothing is written then.
    fn heard(&self) {
        if self.failing.load(Relaxed) != 0 {
            self.failing.store(0, Relaxed);
        }
    }

    /// How long to wait before connecting.
    ///
    /// A server may greet and answer, and yet refuse what matters, as one does that was demoted.
    fn haste(&self) -> Option<Duration> {
        let lasted = self.millis().saturating_sub(self.made.load(Relaxed));
        if *self.connected.borrow() == 0 || Duration::from_millis(lasted) >= STEADY {
            self.hasty.store(0, Relaxed);
            return None;
        }
        let times = self.hasty.fetch_add(1, Relaxed).min(5);
        Some((FIRST_PAUSE * (1 << times)).min(LONGEST_PAUSE))
    }

    /// How long no call was answered that was sent, of which one has just failed.
    fn fails_for(&self) -> Duration {
        let now = self.millis().saturating_add(1);
        match self.failing.compare_exchange(0, now, Relaxed, Relaxed) {
            Ok(_) => Duration::ZERO,
            Err(since) => Duration::from_millis(now.saturating_sub(since)),
        }
    }

    /// Ends connecting; false if a connection was given up meanwhile, and it goes on.
    fn has_connected(&self) -> bool {
        self.is_connecting.store(false, SeqCst);
        self.live.load().is_some() || self.is_connecting.swap(true, SeqCst)
    }

    /// No longer uses a connection, if it is still the one in use.
    fn give_up(&self, live: &Arc<Live>) {
        let current = self.live.load();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, live))
        {
            self.live.store(None);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Connects until a server answers in time, or those who gave up on it were answered after all.
async fn connect(shared: Weak<Shared>) {
    let Some(haste) = shared.upgrade().map(|link| link.haste()) else {
        return;
    };
    let mut pause = FIRST_PAUSE;
    if let Some(haste) = haste {
        pause = rest(haste).await;
    }
    loop {
        let Some(link) = shared.upgrade() else {
            return;
        };
        let made = timeout(CONNECT_WITHIN, Connection::make(&link.address)).await;
        if let Ok(Ok(mut connection)) = made {
            let ping = timeout(link.timeout, connection.ping()).await;
            if matches!(ping, Ok(Ok(()))) {
                link.live.store(Some(Arc::new(Live {
                    connection,
                    misses: AtomicU32::new(0),
                })));
                link.answered.store(link.millis(), Relaxed);
                link.made.store(link.millis(), Relaxed);
                link.failing.store(0, Relaxed);
                for breaker in &link.breakers {
                    breaker.close();
                }
                link.connected.send_modify(|count| *count += 1);
                // A new call may open it again, and then has to find nobody connecting.
                if link.has_connected() {
                    return;
                }
            }
        }
        let has_recovered = link.live.load().is_some()
            && !link.address.is_cluster()
            && !link.breakers.iter().any(Breaker::is_open);
        if has_recovered && link.has_connected() {
            return;
        }
        drop(link);
        pause = rest(pause).await;
    }
}

/// Sleeps about so long; says how long to sleep the next time.
async fn rest(pause: Duration) -> Duration {
    let jitter = fastrand::u64(0..=u64::try_from(pause.as_millis()).unwrap_or(0) / 4);
    sleep(pause + Duration::from_millis(jitter)).await;
    (pause * 2).min(LONGEST_PAUSE)
}
