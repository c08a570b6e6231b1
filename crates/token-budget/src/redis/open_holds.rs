use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::books::Seed;
use crate::{Owner, Reservation, ReservationId};

/// What this process holds at Redis, to be renewed as long as the process lives.
///
/// Redis keeps a hold only a short time without hearing of it, so that what a process held
/// that died is soon given back.
#[derive(Debug)]
pub(crate) struct OpenHolds {
    shards: Box<[Mutex<HashMap<ReservationId, Open, Seed>>]>,
}

#[derive(Debug)]
struct Open {
    reservation: Reservation,
    renewed: Instant,
    /// No call lasts longer: from then on it is left to expire.
    until: Instant,
}

const SHARDS: usize = 16;

// === impl OpenHolds ===

impl OpenHolds {
    /// Notes what was granted, or raised.
    pub(crate) fn add(&self, reservation: Reservation) {
        let now = Instant::now();
        let mut shard = self.shard(reservation.id);
        if let Some(open) = shard.get_mut(&reservation.id) {
            open.reservation.amounts = open.reservation.amounts.max(reservation.amounts);
            open.renewed = now;
            return;
        }
        let until = now + reservation.hold_for.min(Duration::from_secs(86_400 * 365));
        let open = Open {
            reservation,
            renewed: now,
            until,
        };
        shard.insert(open.reservation.id, open);
    }

    pub(crate) fn remove(&self, id: ReservationId) {
        self.shard(id).remove(&id);
    }

    pub(crate) fn len(&self) -> usize {
        self.shards().map(|shard| shard.len()).sum()
    }

    /// What has not been renewed for so long; it counts as renewed from now on.
    pub(crate) fn due(&self, after: Duration) -> Vec<Reservation> {
        self.take(|open, now| now.duration_since(open.renewed) >= after)
    }

    /// All that is held of an owner.
    pub(crate) fn of(&self, owner: &Owner) -> Vec<Reservation> {
        self.take(|open, _| open.reservation.subject.owner == *owner)
    }

    fn take(&self, wanted: impl Fn(&Open, Instant) -> bool) -> Vec<Reservation> {
        let now = Instant::now();
        let mut due = Vec::new();
        for mut shard in self.shards() {
            shard.retain(|_, open| open.until > now);
            for open in shard.values_mut().filter(|open| wanted(open, now)) {
                open.renewed = now;
                due.push(open.reservation.clone());
            }
        }
        due
    }

    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, HashMap<ReservationId, Open, Seed>>> {
        let shards = self.shards.iter();
        shards.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn shard(&self, id: ReservationId) -> MutexGuard<'_, HashMap<ReservationId, Open, Seed>> {
        let index = usize::try_from(id.get() % SHARDS as u128).unwrap_or(0);
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for OpenHolds {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}
