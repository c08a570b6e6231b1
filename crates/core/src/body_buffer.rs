use std::mem;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::byte_semaphore::{BytePermit, ByteSemaphore};
use crate::{Refusal, RefusalKind};

/// What has come of a body: one chunk as it came, or several joined.
pub(crate) struct BodyBuffer {
    limit: usize,
    memory: ByteSemaphore,
    permit: Option<BytePermit>,
    first: Bytes,
    joined: BytesMut,
}

// === impl BodyBuffer ===

impl BodyBuffer {
    /// The most room that is made for bytes that are only announced.
    ///
    /// Room is not memory: it counts, and is touched, as bytes come. An announcement is cheap,
    /// and a few of them must not spend what all have.
    const AHEAD: usize = 1024 * 1024;

    pub(crate) fn new(limit: usize, memory: ByteSemaphore) -> Self {
        Self {
            limit,
            memory,
            permit: None,
            first: Bytes::new(),
            joined: BytesMut::new(),
        }
    }

    /// Takes a chunk; `left` is what comes after it, if that has been announced.
    pub(crate) fn push(&mut self, chunk: Bytes, left: Option<u64>) -> Result<(), Refusal> {
        let length = self.len() + chunk.len();
        if length > self.limit {
            return Err(too_large(self.limit));
        }
        self.hold(length)?;
        if self.len() == 0 {
            self.first = chunk;
            return Ok(());
        }
        if length > self.joined.capacity() {
            let room = match left.map(usize::try_from) {
                Some(Ok(left)) => length.saturating_add(left).min(Self::AHEAD.max(length * 2)),
                _ => length * 2,
            };
            let room = room.min(self.limit);
            self.joined.reserve(room - self.joined.len());
        }
        if !self.first.is_empty() {
            self.joined.extend_from_slice(&mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&chunk);
        Ok(())
    }

    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let held = match &mut self.permit {
            Some(permit) => permit.grow_to(bytes),
            none => {
                *none = self.memory.try_acquire(bytes);
                none.is_some()
            }
        };
        held.then_some(()).ok_or_else(|| {
            Refusal::new(RefusalKind::Overloaded, "too many requests are being read")
                .retry_after(Duration::from_secs(1))
        })
    }

    pub(crate) fn into_bytes(self) -> (Bytes, Option<BytePermit>) {
        let bytes = if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        };
        (bytes, self.permit)
    }
}

pub(crate) fn too_large(limit: usize) -> Refusal {
    Refusal::new(
        RefusalKind::TooLarge,
        format!("the request body is over the limit of {limit} bytes"),
    )
}
