use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Algorithm, BudgetStore, Limit, MemoryStore, Plan, Reservation, Reserved, Settlement, Standings,
    WhenStoreIsDown,
};

/// What holds while the store cannot be asked: the share of each limit that this process may
/// grant on its own.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    shares: MemoryStore,
    pub(crate) replicas: NonZeroU32,
    pub(crate) default: WhenStoreIsDown,
}

/// What becomes of a call while the store cannot be asked.
#[derive(Debug)]
pub(crate) enum Without {
    /// It is refused.
    Refused,
    /// It passes unchecked.
    Allowed,
    /// It passes within the share.
    Granted,
    /// It does not fit into the share.
    Denied(Box<Reserved>),
}

/// The longest a caller is told to wait who has only to wait for the store.
const SOON: Duration = Duration::from_secs(5);

// === impl Outage ===

impl Outage {
    pub(crate) fn new() -> Self {
        Self {
            shares: MemoryStore::new(),
            replicas: NonZeroU32::MIN,
            default: WhenStoreIsDown::default(),
        }
    }

    /// Decides without the store.
    pub(crate) fn decide(&self, reservation: &Reservation) -> Without {
        let mut shares = Plan::new(reservation.plan.name());
        for limit in reservation.plan.limits() {
            match limit.when_store_is_down.unwrap_or(self.default) {
                WhenStoreIsDown::Refuse => return Without::Refused,
                WhenStoreIsDown::Allow => {}
                WhenStoreIsDown::Lease => match self.share(limit) {
                    // Of a window and a bucket, the first counts for both.
                    Some(share) if shares.limits().iter().any(|other| is_alike(other, &share)) => {}
                    Some(share) => shares = shares.limit(share),
                    None => return Without::Refused,
                },
            }
        }
        if shares.limits().is_empty() {
            return Without::Allowed;
        }
        let mut asked = reservation.clone();
        asked.plan = Arc::new(shares);
        let answer = match self.shares.take(asked, false) {
            // It may fit when the store is back, which knows more than a share.
            Ok(Reserved::Never { limit, .. }) => (limit, SOON, SOON),
            Ok(Reserved::Denied {
                limit,
                retry_after,
                resets_in,
                ..
            }) => (limit, retry_after, resets_in),
            Ok(Reserved::Granted { .. }) => return Without::Granted,
            Err(_) => return Without::Refused,
        };
        let (share, retry_after, resets_in) = answer;
        Without::Denied(Box::new(Reserved::Denied {
            limit: whole(&reservation.plan, &share),
            retry_after,
            resets_in,
            standings: Standings::new(),
        }))
    }

    /// Takes what a call took out of the share.
    pub(crate) fn settle(&self, settlement: Settlement) {
        self.shares.settle(settlement);
    }

    /// What this process may grant of a limit; `None` if that is nothing.
    fn share(&self, limit: &Limit) -> Option<Limit> {
        let replicas = u64::from(self.replicas.get());
        let mut share = *limit;
        share.amount = (limit.amount.get() / replicas).try_into().ok()?;
        // A bucket would let pass a burst on top.
        share.algorithm = Algorithm::Sliding;
        Some(share)
    }
}

/// The limit of the plan that a share is of.
fn whole(plan: &Plan, share: &Limit) -> Limit {
    let mut limits = plan.limits().iter();
    *limits.find(|limit| is_alike(limit, share)).unwrap_or(share)
}

fn is_alike(one: &Limit, other: &Limit) -> bool {
    (one.meter, one.per, one.scope) == (other.meter, other.per, other.scope)
}
