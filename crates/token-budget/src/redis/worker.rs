//! What is done behind the backs of calls: settling, renewing, restoring.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::redis::arguments::{Naming, read_reserved, read_settled};
use crate::redis::journal::Journal;
use crate::redis::link::Link;
use crate::redis::open_holds::OpenHolds;
use crate::redis::script::{RESERVE, SETTLE, SWEEP};
use crate::{ManualClock, Owner, Plan, Reservation, Settlement, Subject};

/// What reserving and settling have in common.
#[derive(Debug)]
pub(crate) struct Desk {
    /// For what callers wait for.
    pub(crate) front: Link,
    /// For all else, so that it is never in the way.
    pub(crate) back: Link,
    pub(crate) naming: Naming,
    pub(crate) clock: Option<ManualClock>,
    pub(crate) open: OpenHolds,
    pub(crate) journal: Journal,
    pub(crate) queue: mpsc::Sender<Settlement>,
    pub(crate) counts: Counts,
    runtime: Handle,
    recent: Mutex<VecDeque<(Instant, Settlement)>>,
    idle: Mutex<HashMap<Owner, Instant>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Settlements that were given up.
    pub(crate) lost: AtomicU64,
    /// Settlements that wait.
    pub(crate) waiting: AtomicU64,
    /// Told when none waits any more.
    pub(crate) idle: Notify,
    /// Books that were found lost.
    pub(crate) restored: AtomicU64,
}

/// How many settlements are under way at one time.
const UNDER_WAY: usize = 64;
/// How long a settlement is tried.
const PATIENCE: Duration = Duration::from_secs(300);
/// How far back settlements are told again after a new connection: what a server that took
/// over may not have heard.
const RECENT: Duration = Duration::from_secs(60);
const MOST_RECENT: usize = 65_536;
const MOST_IDLE: usize = 100_000;

// === impl Desk ===

impl Desk {
    pub(crate) fn new(
        (front, back): (Link, Link),
        naming: Naming,
        clock: Option<ManualClock>,
        most_owners: usize,
        queue: mpsc::Sender<Settlement>,
    ) -> Self {
        Self {
            front,
            back,
            naming,
            clock,
            open: OpenHolds::default(),
            journal: Journal::new(most_owners),
            queue,
            counts: Counts::default(),
            runtime: Handle::current(),
            recent: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Option<u64> {
        self.clock.as_ref().map(ManualClock::millis)
    }

    /// Queues a settlement; never waits.
    pub(crate) fn settle(&self, settlement: Settlement) {
        self.open.remove(settlement.id);
        self.counts.waiting.fetch_add(1, Relaxed);
        if self.queue.try_send(settlement).is_err() {
            self.counts.lost.fetch_add(1, Relaxed);
            self.counts.settled();
        }
    }

    /// Takes note of the generations of books, and has restored what was lost.
    pub(crate) fn saw(
        self: &Arc<Self>,
        subject: &Subject,
        plan: &Arc<Plan>,
        generations: Vec<Box<[u8]>>,
    ) {
        let lost = self.journal.saw(subject, plan, generations);
        if lost.is_empty() {
            return;
        }
        self.counts.restored.fetch_add(1, Relaxed);
        // What was told before is part of what is restored: told again, it would count twice.
        self.recent()
            .retain(|(_, settlement)| settlement.subject.owner != subject.owner);
        for settlement in lost {
            self.settle(settlement);
        }
        // What runs holds nothing there any more.
        for reservation in self.open.of(&subject.owner) {
            let desk = Arc::clone(self);
            self.runtime
                .spawn(async move { desk.renew(reservation).await });
        }
    }

    async fn deliver(self: &Arc<Self>, settlement: Settlement) {
        let began = Instant::now();
        let mut pause = Duration::from_millis(10);
        loop {
            let call = self.naming.settle(&SETTLE, &settlement, self.now());
            let answer = self.back.call(call).await;
            if let Some((code, generations)) = answer.ok().and_then(read_settled) {
                self.saw(&settlement.subject, &settlement.plan, generations);
                if code > 0 {
                    self.journal.charged(&settlement);
                }
                self.told(settlement);
                break;
            }
            if began.elapsed() >= PATIENCE {
                self.counts.lost.fetch_add(1, Relaxed);
                break;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
        self.counts.settled();
    }

    fn told(&self, settlement: Settlement) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE || idle.contains_key(&settlement.subject.owner) {
            idle.insert(settlement.subject.owner.clone(), now);
        }
        drop(idle);
        let mut recent = self.recent();
        while recent.len() >= MOST_RECENT
            || recent
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > RECENT)
        {
            recent.pop_front();
        }
        recent.push_back((now, settlement));
    }

    /// Tells a server that may have taken over what it may not have heard.
    async fn repeat(self: &Arc<Self>) {
        let recent: Vec<_> = self.recent().iter().cloned().collect();
        for (at, settlement) in recent {
            if at.elapsed() <= RECENT {
                let call = self.naming.settle(&SETTLE, &settlement, self.now());
                let answer = self.back.call(call).await;
                if let Some((_, generations)) = answer.ok().and_then(read_settled) {
                    self.saw(&settlement.subject, &settlement.plan, generations);
                }
            }
        }
    }

    async fn renew(self: &Arc<Self>, reservation: Reservation) {
        let call = self
            .naming
            .reserve(&RESERVE, "extend", &reservation, self.now());
        if let Ok(value) = self.back.call(call).await
            && let Ok(answer) = read_reserved(&reservation.plan, value)
        {
            self.saw(&reservation.subject, &reservation.plan, answer.generations);
        }
    }

    /// Ends what is due of owners that nobody has called for a while.
    async fn tidy(&self) {
        let after = Duration::from_millis(self.naming.grace) + Duration::from_secs(1);
        let mut due = Vec::new();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|owner, told| {
                let is_due = told.elapsed() >= after;
                if is_due {
                    due.push(owner.clone());
                }
                !is_due
            });
        for owner in due {
            for _ in 0..MOST_RECENT {
                let call = self.naming.sweep(&SWEEP, &owner, self.now());
                // As many as that are swept at a time.
                match self.back.call(call).await {
                    Ok(redis::Value::Int(100)) => {}
                    _ => break,
                }
            }
        }
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Settlement)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Counts ===

impl Counts {
    fn settled(&self) {
        if self.waiting.fetch_sub(1, Relaxed) == 1 {
            self.idle.notify_waiters();
        }
    }
}

/// Settles what is queued, until the store is gone and nothing is left.
pub(crate) async fn settle_queued(
    desk: std::sync::Weak<Desk>,
    mut queue: mpsc::Receiver<Settlement>,
) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    while let Some(settlement) = queue.recv().await {
        let Some(desk) = desk.upgrade() else {
            return;
        };
        let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else {
            return;
        };
        tokio::spawn(async move {
            desk.deliver(settlement).await;
            drop(permit);
        });
    }
}

/// Renews, repeats and tidies, until the store is gone.
pub(crate) async fn look_after(desk: std::sync::Weak<Desk>, mut connected: watch::Receiver<u64>) {
    let Some(hold) = desk.upgrade().map(|desk| desk.naming.hold) else {
        return;
    };
    let renew_after = Duration::from_millis(hold / 3);
    let mut ticks = interval(Duration::from_millis((hold / 6).clamp(10, 5_000)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tidied = Instant::now();
    let mut connections = *connected.borrow();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = connected.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        let Some(desk) = desk.upgrade() else {
            return;
        };
        let now = *connected.borrow_and_update();
        if now != connections {
            connections = now;
            let holds = desk.open.due(Duration::ZERO);
            for reservation in holds {
                desk.renew(reservation).await;
            }
            desk.repeat().await;
        }
        for reservation in desk.open.due(renew_after) {
            desk.renew(reservation).await;
        }
        if tidied.elapsed() >= Duration::from_secs(30) {
            tidied = Instant::now();
            desk.tidy().await;
        }
    }
}
