use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Up to 64 futures that run at the same time, of which only those are polled that asked for it.
///
/// Each has a bit in one word.
pub(crate) struct InFlight<F> {
    slots: Vec<Slot<F>>,
    /// Which slots hold a future.
    busy: u64,
    woken: Arc<Woken>,
}

struct Slot<F> {
    future: Option<F>,
    waker: Waker,
}

#[derive(Default)]
struct Woken {
    /// Which slots are to be polled.
    slots: AtomicU64,
    /// Whoever polls them all.
    waker: Mutex<Option<Waker>>,
}

struct SlotWaker {
    bit: u64,
    woken: Arc<Woken>,
}

// === impl InFlight ===

impl<F> InFlight<F>
where
    F: Future + Unpin,
{
    /// How many there can be.
    pub(crate) const MOST: u32 = u64::BITS;

    pub(crate) const fn is_empty(&self) -> bool {
        self.busy == 0
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.busy == u64::MAX
    }

    /// Takes a future; gives it back if there is no room.
    pub(crate) fn push(&mut self, future: F) -> Result<(), F> {
        let number = self.busy.trailing_ones();
        if number >= Self::MOST {
            return Err(future);
        }
        let bit = 1 << number;
        match self.slots.get_mut(number as usize) {
            Some(slot) => slot.future = Some(future),
            // Slots are taken from the first on: it is the next.
            None => self.slots.push(Slot {
                future: Some(future),
                waker: Waker::from(Arc::new(SlotWaker {
                    bit,
                    woken: Arc::clone(&self.woken),
                })),
            }),
        }
        self.busy |= bit;
        self.woken.slots.fetch_or(bit, Ordering::AcqRel);
        Ok(())
    }

    /// What the next of them gives that is ready; `None` if there is none.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        // Before it is looked who is woken: whoever is after that wakes this one.
        self.woken.register(cx.waker());
        let mut woken = self.woken.slots.swap(0, Ordering::AcqRel) & self.busy;
        while woken != 0 {
            let number = woken.trailing_zeros();
            let bit = 1_u64 << number;
            woken &= !bit;
            let Some(slot) = self.slots.get_mut(number as usize) else {
                continue;
            };
            let mut cx = Context::from_waker(&slot.waker);
            let polled = slot.future.as_mut().map(|f| Pin::new(f).poll(&mut cx));
            if let Some(Poll::Ready(output)) = polled {
                slot.future = None;
                self.busy &= !bit;
                self.woken.slots.fetch_or(woken, Ordering::AcqRel);
                return Poll::Ready(Some(output));
            }
        }
        match self.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl<F> Default for InFlight<F> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            busy: 0,
            woken: Arc::default(),
        }
    }
}

// === impl Woken ===

impl Woken {
    fn register(&self, waker: &Waker) {
        let mut known = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Some(known) => known.clone_from(waker),
            None => *known = Some(waker.clone()),
        }
    }
}

// === impl SlotWaker ===

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.slots.fetch_or(self.bit, Ordering::AcqRel);
        let waker = self.woken.waker.lock();
        let waker = waker.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;
    use tokio_test::task;
    use tokio_test::{assert_pending, assert_ready_eq};

    use super::*;

    #[test]
    fn gives_what_is_ready_and_polls_nobody_else() {
        let polls = Arc::new(AtomicUsize::new(0));
        let mut in_flight = InFlight::default();
        let mut senders: Vec<_> = (0..InFlight::<oneshot::Receiver<u8>>::MOST)
            .map(|_| {
                let (sender, mut receiver) = oneshot::channel::<usize>();
                let polls = Arc::clone(&polls);
                let future = poll_fn(move |cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    Pin::new(&mut receiver).poll(cx)
                });
                assert!(in_flight.push(future).is_ok());
                Some(sender)
            })
            .collect();
        assert!(in_flight.is_full());

        let mut all = task::spawn(in_flight);
        let next = |all: &mut task::Spawn<InFlight<_>>| all.enter(|cx, mut all| all.poll_next(cx));
        assert_pending!(next(&mut all));
        assert_eq!(polls.swap(0, Ordering::Relaxed), senders.len());
        for (order, number) in [63, 0, 17].into_iter().enumerate() {
            assert!(!all.is_woken());
            senders[number].take().unwrap().send(number).unwrap();
            assert!(all.is_woken());
            assert_ready_eq!(
                next(&mut all).map(|next| next.map(Result::unwrap)),
                Some(number)
            );
            assert_eq!(polls.load(Ordering::Relaxed), order + 1);
            assert_pending!(next(&mut all));
        }
        drop(senders);
        for _ in 0..61 {
            assert!(matches!(next(&mut all), Poll::Ready(Some(Err(_)))));
        }
        assert!(matches!(next(&mut all), Poll::Ready(None)));
    }

    #[test]
    fn there_is_no_room_for_one_more() {
        let mut in_flight = InFlight::default();
        for number in 0..64 {
            assert_eq!(
                in_flight.push(std::future::ready(number)).err().map(|_| ()),
                None
            );
        }
        assert!(in_flight.push(std::future::ready(64)).is_err());
        let mut all = task::spawn(in_flight);
        for number in 0..64 {
            assert_ready_eq!(all.enter(|cx, mut all| all.poll_next(cx)), Some(number));
        }
        assert!(all.is_empty());
    }
}
