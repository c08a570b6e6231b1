use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer of the memory of the process, or of Redis.
#[derive(Debug)]
pub enum Answer<M, R> {
    /// Of the memory.
    Memory(M),
    /// Of Redis.
    Redis(R),
}

// === impl Answer ===

impl<T, M, R> Future for Answer<M, R>
where
    M: Future<Output = T> + Unpin,
    R: Future<Output = T> + Unpin,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Self::Memory(answer) => Pin::new(answer).poll(cx),
            Self::Redis(answer) => Pin::new(answer).poll(cx),
        }
    }
}
