use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use pin_project_lite::pin_project;
use tokio::time::Timeout;
use tower_claude_core::BoxError;
use tower_service::Service;

use crate::{ConfigError, HttpClientBuilder};

#[cfg(feature = "tls")]
type Inner = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Inner = HttpConnector;

/// Connects, all of it within one time: name, socket and TLS.
///
/// The time of [`HttpConnector`] itself is that of the socket only: a server that accepts and
/// never says hello would be waited for.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    inner: Inner,
    time: Duration,
}

pin_project! {
    /// One connection that is being made.
    pub(crate) struct Connecting<F> {
        #[pin]
        inner: Timeout<F>,
    }
}

/// The error of a connection that took too long.
#[derive(Debug)]
pub(crate) struct ConnectTimedOut;

// === impl Connector ===

impl Connector {
    pub(crate) fn new(builder: &HttpClientBuilder) -> Result<Self, ConfigError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEP_ALIVE));
        Ok(Self {
            time: builder.connect_timeout,
            #[cfg(feature = "tls")]
            inner: crate::tls::connector(http, builder.protocol, &builder.authorities)?,
            #[cfg(not(feature = "tls"))]
            inner: http,
        })
    }
}

/// After how long a silent connection is probed, so that a vanished peer is noticed.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(30);

impl Service<Uri> for Connector {
    type Response = <Inner as Service<Uri>>::Response;
    type Error = BoxError;
    // hyper-util wants it `Unpin`. Once for a connection, not for a call.
    type Future = Pin<Box<Connecting<<Inner as Service<Uri>>::Future>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let inner = tokio::time::timeout(self.time, self.inner.call(target));
        Box::pin(Connecting { inner })
    }
}

// === impl Connecting ===

impl<F, Connected, E> Future for Connecting<F>
where
    F: Future<Output = Result<Connected, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Connected, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().inner.poll(cx)) {
            Ok(connected) => connected.map_err(Into::into),
            Err(_) => Err(ConnectTimedOut.into()),
        })
    }
}

// === impl ConnectTimedOut ===

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connecting took too long")
    }
}

impl Error for ConnectTimedOut {}
