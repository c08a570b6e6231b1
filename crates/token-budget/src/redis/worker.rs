//! What is done behind the backs of calls: settling, renewing, restoring.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::redis::arguments::{Generations, Naming, read_reserved, read_settled, read_usage};
use crate::redis::journal::Journal;
use crate::redis::link::{BEAT, Link};
use crate::redis::open_holds::OpenHolds;
use crate::redis::script::{RESERVE, SETTLE, SWEEP, USAGE};
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
    pub(crate) queue: mpsc::Sender<Job>,
    pub(crate) counts: Counts,
    runtime: Handle,
    recent: Mutex<Recent>,
    idle: Mutex<HashMap<Owner, Instant>>,
}

/// What is to be told.
#[derive(Debug)]
pub(crate) struct Job {
    settlement: Settlement,
    /// Whether it tells again of what was told to books that are lost.
    restores: bool,
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

/// What was told, and when.
type Recent = VecDeque<(Instant, Settlement)>;

// === impl Desk ===

impl Desk {
    pub(crate) fn new(
        (front, back): (Link, Link),
        naming: Naming,
        clock: Option<ManualClock>,
        most_owners: usize,
        queue: mpsc::Sender<Job>,
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
        self.queue(Job {
            settlement,
            restores: false,
        });
    }

    fn queue(&self, job: Job) {
        self.counts.waiting.fetch_add(1, Relaxed);
        if self.queue.try_send(job).is_err() {
            self.counts.lost.fetch_add(1, Relaxed);
            self.counts.settled();
        }
    }

    /// Takes note of the generations of books, and has restored what was lost.
    pub(crate) fn saw(
        self: &Arc<Self>,
        subject: &Subject,
        plan: &Arc<Plan>,
        generations: Generations,
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
            self.queue(Job {
                settlement,
                restores: true,
            });
        }
        // What runs holds nothing there any more.
        for reservation in self.open.of(&subject.owner) {
            let desk = Arc::clone(self);
            self.runtime
                .spawn(async move { desk.renew(reservation).await });
        }
    }

    async fn deliver(self: &Arc<Self>, job: Job) {
        let Job {
            settlement,
            restores,
        } = job;
        let began = Instant::now();
        let mut pause = Duration::from_millis(10);
        loop {
            let call = self.naming.settle(&SETTLE, &settlement, self.now());
            let answer = self.back.call(call).await;
            if let Some((code, generations)) = answer.ok().and_then(read_settled) {
                self.saw(&settlement.subject, &settlement.plan, generations);
                if !restores {
                    if code > 0 {
                        self.journal.charged(&settlement);
                    }
                    self.told(settlement);
                }
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
        // Books that are lost are restored as a whole; first, as what is told of them again
        // would count twice.
        for (subject, plan) in self.journal.current() {
            self.look(&subject, &plan).await;
        }
        for settlement in self.untold() {
            let call = self.naming.settle(&SETTLE, &settlement, self.now());
            let answer = self.back.call(call).await;
            if let Some((_, generations)) = answer.ok().and_then(read_settled) {
                self.saw(&settlement.subject, &settlement.plan, generations);
            }
        }
    }

    /// Looks whether the books are still those that were there.
    async fn look(self: &Arc<Self>, subject: &Subject, plan: &Arc<Plan>) {
        let call = self.naming.usage(&USAGE, subject, plan, self.now());
        if let Ok(value) = self.back.call(call).await
            && let Ok((_, generations)) = read_usage(plan, value)
        {
            self.saw(subject, plan, generations);
        }
    }

    /// What a server may not have heard that has taken over.
    fn untold(&self) -> Vec<Settlement> {
        let recent = self.recent();
        let recent = recent.iter().filter(|(at, _)| at.elapsed() <= RECENT);
        recent.map(|(_, settlement)| settlement.clone()).collect()
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

    fn recent(&self) -> MutexGuard<'_, Recent> {
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
pub(crate) async fn settle_queued(desk: Weak<Desk>, mut queue: mpsc::Receiver<Job>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    while let Some(job) = queue.recv().await {
        let Some(desk) = desk.upgrade() else {
            return;
        };
        let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else {
            return;
        };
        tokio::spawn(async move {
            desk.deliver(job).await;
            drop(permit);
        });
    }
}

/// Renews, repeats and tidies, until the store is gone.
pub(crate) async fn look_after(desk: Weak<Desk>, mut connected: watch::Receiver<u64>) {
    let Some(hold) = desk.upgrade().map(|desk| desk.naming.hold) else {
        return;
    };
    let renew_after = Duration::from_millis(hold / 3);
    let mut ticks = interval(Duration::from_millis((hold / 6).clamp(10, 5_000)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tidied = Instant::now();
    let mut connections = *connected.borrow();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = beats.tick() => {
                let Some(desk) = desk.upgrade() else {
                    return;
                };
                desk.front.beat().await;
                desk.back.beat().await;
                continue;
            }
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
            desk.repeat().await;
            for reservation in desk.open.due(Duration::ZERO) {
                desk.renew(reservation).await;
            }
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
