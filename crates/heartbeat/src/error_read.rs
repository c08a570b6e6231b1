use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;

/// What has been read of an error.
#[derive(Default)]
pub(crate) struct ErrorRead {
    pub(crate) data: Vec<u8>,
    /// What counts against the most that is read: a frame of nothing counts as a byte, or a
    /// body of nothing but those would never end.
    spent: usize,
}

/// The most that is read of an error, in bytes.
const LARGEST: usize = 64 * 1024;

// === impl ErrorRead ===

impl ErrorRead {
    /// Reads the body of an error as far as it is worth it.
    pub(crate) fn poll<B>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<()>
    where
        B: Body<Data = Bytes>,
    {
        while self.spent <= LARGEST && !body.is_end_stream() {
            let Some(Ok(frame)) = ready!(body.as_mut().poll_frame(cx)) else {
                break;
            };
            let data = frame.data_ref().map_or(&[][..], |data| data);
            self.spent = self.spent.saturating_add(data.len().max(1));
            let left = LARGEST.saturating_sub(self.data.len());
            self.data.extend_from_slice(&data[..data.len().min(left)]);
        }
        Poll::Ready(())
    }
}
