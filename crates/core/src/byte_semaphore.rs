use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// The bound on the bytes of all buffered bodies together.
///
/// A limit per request does not bound memory: many requests within it can still sum to more
/// than there is. So whoever keeps bytes without a small bound of their own, above all request
/// bodies, takes them from here, and is refused when they are spent. It never waits.
///
/// A clone is the same semaphore. [`ByteSemaphore::process`] is the one that layers use unless
/// told otherwise.
#[derive(Clone)]
pub struct ByteSemaphore(Arc<Inner>);

struct Inner {
    capacity: usize,
    available: AtomicUsize,
}

/// Bytes taken from a [`ByteSemaphore`], given back when dropped.
#[must_use = "a permit that is dropped is given back at once"]
pub struct BytePermit {
    semaphore: ByteSemaphore,
    bytes: usize,
}

// === impl ByteSemaphore ===

impl ByteSemaphore {
    /// What [`ByteSemaphore::process`] holds: 512 MiB.
    pub const DEFAULT_CAPACITY: usize = 512 * 1024 * 1024;

    /// A semaphore of so many bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Inner {
            capacity,
            available: AtomicUsize::new(capacity),
        }))
    }

    /// The semaphore that all layers of the process share by default.
    #[must_use]
    pub fn process() -> Self {
        static PROCESS: LazyLock<ByteSemaphore> =
            LazyLock::new(|| ByteSemaphore::new(ByteSemaphore::DEFAULT_CAPACITY));
        PROCESS.clone()
    }

    /// Takes `bytes`, or nothing if there are not as many left.
    #[must_use]
    pub fn try_acquire(&self, bytes: usize) -> Option<BytePermit> {
        self.take(bytes).then(|| BytePermit {
            semaphore: self.clone(),
            bytes,
        })
    }

    /// How many bytes can be taken at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// How many bytes are left.
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.available.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        // Relaxed: the counter guards a sum, not other memory.
        self.0
            .available
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |available| {
                available.checked_sub(bytes)
            })
            .is_ok()
    }
}

impl fmt::Debug for ByteSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteSemaphore")
            .field("capacity", &self.capacity())
            .field("available", &self.available())
            .finish()
    }
}

// === impl BytePermit ===

impl BytePermit {
    /// Grows to hold `bytes` in all; false if there are not as many left, and nothing changes.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 && !self.semaphore.take(more) {
            return false;
        }
        self.bytes += more;
        true
    }

    /// How many bytes it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for BytePermit {
    fn drop(&mut self) {
        self.semaphore
            .0
            .available
            .fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for BytePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BytePermit({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_out_no_more_than_it_holds_and_takes_all_back() {
        let semaphore = ByteSemaphore::new(100);
        let mut first = semaphore.try_acquire(60).unwrap();
        assert!(semaphore.try_acquire(41).is_none());
        assert!(!first.grow_to(101), "more than there is");
        assert!(first.grow_to(100));
        assert!(first.grow_to(10), "never shrinks");
        assert_eq!(semaphore.available(), 0);
        drop(first);
        assert_eq!(semaphore.available(), 100);
    }

    #[test]
    fn many_threads_never_hold_more_than_it_has() {
        let semaphore = ByteSemaphore::new(8);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Some(permit) = semaphore.try_acquire(5) {
                            assert!(semaphore.available() <= 3);
                            drop(permit);
                        }
                    }
                });
            }
        });
        assert_eq!(semaphore.available(), 8);
    }
}
