use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{FailureKind, Target};

use crate::lobby::Lobby;
use crate::pool::Pool;
use crate::slot::Slot;
use crate::{ModelClass, Utilisation};

/// A view of how the targets are doing, for pages and probes. A clone is a reference count.
///
/// From [`FailoverLayer::health`](crate::FailoverLayer::health); stays true for as long as
/// any service of that layer lives. It knows of the queue only if the layer had one by then.
#[derive(Clone)]
pub struct Health {
    slots: Arc<[Slot]>,
    lobby: Option<Lobby>,
}

/// How one target is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetHealth {
    /// The target.
    pub target: Target,
    /// Whether its account can pay and no breaker of it is open for a time to come.
    ///
    /// A breaker whose time is over waits for a probe, and counts as up: the next call is that
    /// probe, and if this kept calls away none would ever come.
    pub is_up: bool,
    /// Whether it lets a call of some class of models through now: a probe, too.
    ///
    /// False while its account cannot pay, or every class has an open breaker, a spent limit or
    /// a probe under way.
    pub takes_calls: bool,
    /// The classes of models whose breaker is open or waits for a probe: those a call of which
    /// has yet to go well. So a target can be up and some of them be open.
    pub open_classes: Vec<ModelClass>,
    /// How long until the last of its breakers, rate limits and spending limits lets calls
    /// through again; `None` if all do now.
    pub closed_for: Option<Duration>,
    /// How much of its account's limits is used, by class of models; empty if it has not said.
    pub used: Vec<Utilisation>,
    /// How many values of headers it has sent that made no sense and were ignored or cut: waits
    /// that are negative or last for months, limits that contradict themselves.
    pub distrusted_headers: u64,
    /// What last went wrong with it; `None` once a call of that class of models went well.
    ///
    /// A refused credential of ours is seen here: it closes nothing.
    pub last_failure: Option<FailureKind>,
}

// === impl Health ===

impl Health {
    pub(crate) fn of(pool: &Pool) -> Self {
        Self {
            slots: Arc::clone(&pool.slots),
            lobby: pool.lobby.clone(),
        }
    }

    /// How many calls wait for a target to open.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lobby.as_ref().map_or(0, Lobby::len)
    }

    /// How every target is doing now, in the order in which they were given.
    #[must_use]
    pub fn snapshot(&self) -> Vec<TargetHealth> {
        let now = Instant::now();
        self.slots.iter().map(|slot| slot.health(now)).collect()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.snapshot()).finish()
    }
}
