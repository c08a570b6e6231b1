use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// The socket of an HTTP/1 connection, with patience of its own.
///
/// A request whose head takes too long is answered 408; a connection that says nothing is
/// closed. One timer a connection serves for both, and it is looked at only when there is
/// nothing to read: hyper's own would cost a timer a request.
///
/// It closes by lingering: what the peer still sends is read and thrown away for a while, so
/// that an answer to a request that was not read to its end is not lost in a reset.
pub(super) struct ConnectionIo {
    inner: TcpStream,
    state: Arc<ConnectionState>,
    header_timeout: Duration,
    /// When the first byte of a head came, and which call it would be.
    head_since: Option<(Instant, u64)>,
    /// When the connection last finished saying something.
    idle_since: Instant,
    has_served: bool,
    timer: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
    drain: CancellationToken,
}

/// What the connection's service tells its socket.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    calls: AtomicU64,
    open: AtomicUsize,
}

/// A call that is being answered, to the end of its answer.
#[derive(Debug)]
pub(super) struct Busy(Arc<ConnectionState>);

struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(120);

/// How long, and for how many bytes, a closing connection listens.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    content-type: application/json\r\ncontent-length: 110\r\nconnection: close\r\n\r\n\
    {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\",\
    \"message\":\"the request head took too long\"},\"request_id\":null}";

// === impl ConnectionIo ===

impl ConnectionIo {
    pub(super) fn new(
        inner: TcpStream,
        state: Arc<ConnectionState>,
        header_timeout: Duration,
        drain: CancellationToken,
    ) -> Self {
        Self {
            inner,
            state,
            header_timeout,
            head_since: None,
            idle_since: Instant::now(),
            has_served: false,
            timer: None,
            linger: None,
            drain,
        }
    }

    /// What is to happen while there is nothing to read: an end, or a look at a later time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let calls = self.state.calls.load(Ordering::Relaxed);
            // A head that became a call is none any more.
            self.head_since = self.head_since.filter(|(_, call)| *call == calls);
            // Half a head is no call yet: a gateway that stops does not wait for the rest.
            let is_busy = self.state.is_busy();
            if self.head_since.is_some() && !is_busy && self.drain.is_cancelled() {
                return Poll::Ready(Ok(()));
            }
            let deadline = match self.head_since {
                // Whoever reads the body watches it.
                _ if is_busy => Instant::now() + IDLE,
                Some((since, _)) => since + self.header_timeout,
                None if self.has_served => self.idle_since + IDLE,
                None => self.idle_since + self.header_timeout,
            };
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            // Not reset for a later deadline: it looks again when it fires.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if deadline > Instant::now() {
                timer.as_mut().reset(deadline);
                continue;
            }
            if self.head_since.is_some() {
                // As much as the socket takes; a peer that does not read either gets less.
                let _ = self.inner.try_write(TOO_SLOW);
                let error = io::Error::new(io::ErrorKind::TimedOut, "request head too slow");
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(()));
        }
    }

    fn note_write(&mut self) {
        self.has_served = true;
        self.head_since = None;
        self.idle_since = Instant::now();
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(sleep_until(Instant::now() + LINGER)),
            left: LINGER_BYTES,
        });
        let mut scratch = [0_u8; 8192];
        while linger.left > 0 && linger.until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            if buf.filled().len() > before && self.head_since.is_none() && !self.state.is_busy() {
                let calls = self.state.calls.load(Ordering::Relaxed);
                self.head_since = Some((Instant::now(), calls));
            }
            return Poll::Ready(result);
        }
        self.poll_patience(cx)
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note_write();
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note_write();
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}

// === impl ConnectionState ===

impl ConnectionState {
    /// A request has been read and is being answered.
    pub(super) fn begin_call(self: &Arc<Self>) -> Busy {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Ends when there has been no call for too long: until the first, or after the last.
    ///
    /// For HTTP/2, where pings keep a connection alive on which nobody asks anything.
    pub(super) async fn idled(&self, header_timeout: Duration, drain: &CancellationToken) {
        let mut patience = header_timeout;
        let mut seen = 0;
        loop {
            tokio::select! {
                () = sleep(patience) => {}
                () = drain.cancelled(), if seen == 0 => {}
            }
            let calls = self.calls.load(Ordering::Relaxed);
            if calls == seen && !self.is_busy() {
                return;
            }
            (seen, patience) = (calls, IDLE);
        }
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_slow_head_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_SLOW).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
