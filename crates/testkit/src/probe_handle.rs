use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Reads and steers a [`ServiceProbe`](crate::ServiceProbe) and all its clones.
#[derive(Clone, Debug, Default)]
pub struct ProbeHandle {
    shared: Arc<Shared>,
}

/// Counts one call in flight; dropped before `finish`, it counts as unfinished.
#[derive(Debug)]
pub(crate) struct InFlight {
    shared: Arc<Shared>,
    finished: bool,
}

#[derive(Debug, Default)]
struct Shared {
    calls: AtomicU64,
    ready_polls: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    dropped_unfinished: AtomicU64,
    readiness: Mutex<Readiness>,
}

#[derive(Debug, Default)]
struct Readiness {
    held: bool,
    waiting: Vec<Waker>,
    error: Option<Box<dyn Any + Send>>,
}

// === impl ProbeHandle ===

impl ProbeHandle {
    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(SeqCst)
    }

    /// How often readiness was polled.
    #[must_use]
    pub fn ready_polls(&self) -> u64 {
        self.shared.ready_polls.load(SeqCst)
    }

    /// How many response futures are neither finished nor dropped.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight.load(SeqCst)
    }

    /// The most response futures there were at one time.
    #[must_use]
    pub fn max_in_flight(&self) -> u64 {
        self.shared.max_in_flight.load(SeqCst)
    }

    /// How many response futures were dropped before they finished.
    #[must_use]
    pub fn dropped_unfinished(&self) -> u64 {
        self.shared.dropped_unfinished.load(SeqCst)
    }

    /// Answers every `poll_ready` with pending from now on.
    pub fn hold_ready(&self) {
        self.readiness().held = true;
    }

    /// Ends [`hold_ready`](Self::hold_ready) and wakes who waits.
    pub fn release_ready(&self) {
        let waiting = {
            let mut readiness = self.readiness();
            readiness.held = false;
            std::mem::take(&mut readiness.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Answers the next `poll_ready` that is not held with this error, once.
    ///
    /// It has to be of the error type of the probed service; `poll_ready` panics otherwise.
    pub fn fail_ready<Error>(&self, error: Error)
    where
        Error: Send + 'static,
    {
        self.readiness().error = Some(Box::new(error));
    }

    pub(crate) fn poll_ready<Error>(&self, cx: &Context<'_>) -> Poll<Result<(), Error>>
    where
        Error: 'static,
    {
        self.shared.ready_polls.fetch_add(1, SeqCst);
        let mut readiness = self.readiness();
        if readiness.held {
            readiness.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        match readiness.error.take() {
            None => Poll::Ready(Ok(())),
            Some(error) => match error.downcast() {
                Ok(error) => Poll::Ready(Err(*error)),
                Err(_) => panic!(
                    "ServiceProbe: the error given to fail_ready is not a {}",
                    std::any::type_name::<Error>(),
                ),
            },
        }
    }

    pub(crate) fn start(&self) -> InFlight {
        self.shared.calls.fetch_add(1, SeqCst);
        let in_flight = self.shared.in_flight.fetch_add(1, SeqCst) + 1;
        self.shared.max_in_flight.fetch_max(in_flight, SeqCst);
        InFlight {
            shared: Arc::clone(&self.shared),
            finished: false,
        }
    }

    fn readiness(&self) -> MutexGuard<'_, Readiness> {
        self.shared
            .readiness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl InFlight ===

impl InFlight {
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, SeqCst);
        if !self.finished {
            self.shared.dropped_unfinished.fetch_add(1, SeqCst);
        }
    }
}
