//! What the sinks with a queue have in common: a record goes in, or is dealt with as said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::json_lines::Busy;
use crate::spill_file::Written;
use crate::{Delivery, Overflow, Undelivered, UsageRecord};

/// The end of a bounded queue that records are put into.
#[derive(Clone, Debug)]
pub(crate) struct Outbox<Q> {
    queue: Q,
    overflow: Overflow,
    counters: Arc<Counters>,
}

/// A record on its way.
pub(crate) struct Parcel {
    pub(crate) record: Arc<UsageRecord>,
    /// Used when the record is where it should be, and dropped when it will not be.
    pub(crate) receipt: Option<oneshot::Sender<()>>,
}

/// A bounded queue.
pub(crate) trait Queue {
    /// Puts a parcel in; gives it back if there is no room, or nobody at the other end.
    fn try_put(&self, parcel: Parcel) -> Result<(), Parcel>;
}

/// What both ends of a queue know.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) lost: AtomicU64,
    pub(crate) spilled: AtomicU64,
    pub(crate) failed_writes: AtomicU64,
    pub(crate) is_closing: AtomicBool,
    /// Whether the last try to write failed, or nobody will try any more.
    pub(crate) is_failing: AtomicBool,
    pub(crate) busy: Busy,
}

/// A parcel that waits for room; one that is dropped is counted.
struct Unsent<Q>
where
    Q: Queue,
{
    queue: Q,
    parcel: Option<Parcel>,
    counters: Arc<Counters>,
}

/// How long the end of an answer waits for its record, unless [`Overflow::Wait`] says.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks whether there is room. Nobody wakes those who wait: that queues are full
/// is rare, and putting something in should cost nothing for it.
const LOOK: Duration = Duration::from_millis(1);

// === impl Outbox ===

impl<Q> Outbox<Q> {
    pub(crate) const fn new(queue: Q, overflow: Overflow, counters: Arc<Counters>) -> Self {
        Self {
            queue,
            overflow,
            counters,
        }
    }

    pub(crate) const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Whether nothing arrives now, or not in time.
    pub(crate) fn is_failing(&self) -> bool {
        self.counters.is_failing.load(Relaxed) || self.counters.busy.is_beyond(self.patience())
    }

    const fn patience(&self) -> Duration {
        match &self.overflow {
            Overflow::Wait(most) => *most,
            Overflow::Drop | Overflow::Spill(_) => PATIENCE,
        }
    }
}

impl<Q> Outbox<Q>
where
    Q: Queue,
{
    /// Puts a record in, without waiting.
    pub(crate) fn record(&self, record: Arc<UsageRecord>) {
        if let Err(parcel) = self.try_put(Parcel::new(record)) {
            match &self.overflow {
                Overflow::Spill(file) => {
                    self.spill(file.write(&parcel.record));
                }
                Overflow::Drop | Overflow::Wait(_) => self.counters.lose(1),
            }
        }
    }

    /// Puts a record in for someone who can wait; with a receipt, until it has arrived.
    ///
    /// While nothing arrives, that is said at once; the record still waits for its turn.
    pub(crate) fn deliver(&self, record: Arc<UsageRecord>, with_receipt: bool) -> Delivery
    where
        Q: Clone + Send + 'static,
    {
        if with_receipt && self.is_failing() {
            self.record(record);
            return Delivery::failed();
        }
        let mut parcel = Parcel::new(record);
        let receipt = with_receipt.then(|| {
            let (receipt, arrived) = oneshot::channel();
            parcel.receipt = Some(receipt);
            arrived
        });
        let Err(parcel) = self.try_put(parcel) else {
            return match receipt {
                None => Delivery::delivered(),
                // Those who wait are told once; that may have been before it was put in.
                Some(_) if self.is_failing() => Delivery::failed(),
                Some(arrived) => Delivery::receipt(arrived, self.patience()),
            };
        };
        match &self.overflow {
            Overflow::Wait(most) => {
                let (unsent, most) = (self.unsent(parcel), *most);
                Delivery::new(async move {
                    let began = Instant::now();
                    unsent.send(most).await;
                    let Some(arrived) = receipt else {
                        // That it was waited for is all that was promised.
                        return Ok(());
                    };
                    match timeout(most.saturating_sub(began.elapsed()), arrived).await {
                        Ok(Ok(())) => Ok(()),
                        _ => Err(Undelivered),
                    }
                })
            }
            Overflow::Spill(file) if with_receipt => {
                let written = file.write_durably(&parcel.record);
                self.spill(written != Written::Lost);
                match written {
                    Written::Durably => Delivery::delivered(),
                    Written::Lost | Written::Unsafely => Delivery::failed(),
                }
            }
            Overflow::Spill(file) => {
                self.spill(file.write(&parcel.record));
                Delivery::delivered()
            }
            Overflow::Drop => {
                self.counters.lose(1);
                match with_receipt {
                    true => Delivery::failed(),
                    false => Delivery::delivered(),
                }
            }
        }
    }

    fn try_put(&self, parcel: Parcel) -> Result<(), Parcel> {
        if self.counters.is_closing.load(Relaxed) {
            return Err(parcel);
        }
        self.queue.try_put(parcel)
    }

    fn spill(&self, is_written: bool) {
        match is_written {
            true => self.counters.spilled.fetch_add(1, Relaxed),
            false => self.counters.lost.fetch_add(1, Relaxed),
        };
    }

    fn unsent(&self, parcel: Parcel) -> Unsent<Q>
    where
        Q: Clone,
    {
        Unsent {
            queue: self.queue.clone(),
            parcel: Some(parcel),
            counters: Arc::clone(&self.counters),
        }
    }
}

// === impl Parcel ===

impl Parcel {
    pub(crate) const fn new(record: Arc<UsageRecord>) -> Self {
        Self {
            record,
            receipt: None,
        }
    }

    /// It is where it should be.
    pub(crate) fn arrived(receipt: oneshot::Sender<()>) {
        // Whoever waited may have left.
        let _ = receipt.send(());
    }
}

// === impl Counters ===

impl Counters {
    pub(crate) fn lose(&self, records: u64) {
        self.lost.fetch_add(records, Relaxed);
    }
}

// === impl Unsent ===

impl<Q> Unsent<Q>
where
    Q: Queue,
{
    /// Waits for room, for so long at most.
    async fn send(mut self, most: Duration) {
        let began = Instant::now();
        while !self.try_send() {
            if began.elapsed() >= most || self.counters.is_closing.load(Relaxed) {
                return;
            }
            sleep(LOOK).await;
        }
    }

    fn try_send(&mut self) -> bool {
        if let Some(parcel) = &mut self.parcel
            && self.counters.is_failing.load(Relaxed)
        {
            // Those who wait were told; the record still has its turn.
            parcel.receipt = None;
        }
        self.parcel = match self.parcel.take() {
            Some(parcel) => self.queue.try_put(parcel).err(),
            None => None,
        };
        self.parcel.is_none()
    }
}

impl<Q> Drop for Unsent<Q>
where
    Q: Queue,
{
    fn drop(&mut self) {
        if self.parcel.is_some() && !self.try_send() {
            self.counters.lose(1);
        }
    }
}
