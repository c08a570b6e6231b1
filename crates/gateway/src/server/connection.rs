use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower_claude::core::BoxError;
use tower_service::Service;

use super::connection_io::{Busy, ConnectionIo, ConnectionState};
use super::worker::Connection;

/// The first bytes of HTTP/2 with prior knowledge; no HTTP/1 method begins so.
const HTTP2: &[u8] = b"PRI";

/// How long whoever says so little may wait for an answer to the rest of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Serves a connection to its end.
pub(super) async fn serve<S, B>(
    connection: Connection,
    service: S,
    watcher: Watcher,
    header_timeout: Duration,
    drain: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Counted as open until this function ends.
    let Connection {
        stream,
        open: _open,
    } = connection;
    let begun = tokio::select! {
        begun = begin(stream, header_timeout) => begun,
        // Whoever has said nothing yet does not hold up the end.
        () = drain.cancelled() => None,
    };
    let Some((stream, is_http2)) = begun else {
        return;
    };
    let state = Arc::new(ConnectionState::default());
    let service = PerConnection {
        service: RefCell::new(service),
        state: Arc::clone(&state),
    };
    let result = if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .max_concurrent_streams(100)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            result = watcher.watch(connection) => result,
            () = state.idled(header_timeout, &drain) => Ok(()),
        }
    } else {
        let io = ConnectionIo::new(stream, state, header_timeout, drain);
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(io), service);
        watcher.watch(connection).await
    };
    if let Err(error) = result {
        // Peers that leave, and requests that are none: the peer's affair.
        tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
    }
}

/// Waits for the first bytes, which tell the protocol.
async fn begin(stream: std::net::TcpStream, patience: Duration) -> Option<(TcpStream, bool)> {
    stream.set_nonblocking(true).ok()?;
    let stream = TcpStream::from_std(stream).ok()?;
    stream.set_nodelay(true).ok()?;
    let is_http2 = tokio::time::timeout(patience, speaks_http2(&stream));
    let is_http2 = is_http2.await.ok()?.ok()?;
    Some((stream, is_http2))
}

async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; HTTP2.len()];
    let mut pause = Duration::from_millis(1);
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == first.len() || first[..seen] != HTTP2[..seen] || seen == 0 {
            return Ok(first == HTTP2);
        }
        // The bytes that are there keep the socket readable; the rest comes when it comes.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A service that tells its connection's socket when it is at work.
struct PerConnection<S> {
    service: RefCell<S>,
    state: Arc<ConnectionState>,
}

pin_project! {
    struct PerConnectionFuture<F> {
        #[pin]
        inner: F,
        busy: Option<Busy>,
    }
}

pin_project! {
    /// An answer whose end its connection's socket is told of.
    struct BusyBody<B> {
        #[pin]
        inner: B,
        _busy: Option<Busy>,
    }
}

// === impl PerConnection ===

impl<S, B> hyper::service::Service<Request<Incoming>> for PerConnection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = Response<BusyBody<B>>;
    type Error = S::Error;
    type Future = PerConnectionFuture<Oneshot<S>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = Some(self.state.begin_call());
        let mut service = self.service.borrow_mut();
        // One call begins at a time: a service that is ready is called where it is,
        // and only one that is not is cloned to wait for. There is nobody to wake yet.
        let inner = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Oneshot::Call {
                future: service.call(request),
            },
            Poll::Ready(Err(error)) => Oneshot::Failed { error: Some(error) },
            Poll::Pending => Oneshot::Ready {
                service: service.clone(),
                request: Some(request),
            },
        };
        PerConnectionFuture { inner, busy }
    }
}

impl<F, B, E> Future for PerConnectionFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<BusyBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map_ok(|response| {
            let _busy = this.busy.take();
            response.map(|inner| BusyBody { inner, _busy })
        })
    }
}

// === impl BusyBody ===

impl<B: Body> Body for BusyBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// Waits until a service is ready, then for its answer.
    #[project = OneshotProjected]
    enum Oneshot<S: Service<Request<Incoming>>> {
        Ready { service: S, request: Option<Request<Incoming>> },
        Call { #[pin] future: S::Future },
        Failed { error: Option<S::Error> },
    }
}

// === impl Oneshot ===

impl<S: Service<Request<Incoming>>> Future for Oneshot<S> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                OneshotProjected::Ready { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    let Some(request) = request.take() else {
                        panic!("Oneshot polled after it was ready");
                    };
                    let future = service.call(request);
                    self.set(Self::Call { future });
                }
                OneshotProjected::Call { future } => return future.poll(cx),
                OneshotProjected::Failed { error } => match error.take() {
                    Some(error) => return Poll::Ready(Err(error)),
                    None => panic!("Oneshot polled after it was ready"),
                },
            }
        }
    }
}
