use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper_util::client::legacy::{self, Client};

use crate::connector::Connector;
use crate::upstream_body::UpstreamBody;
use crate::{ConfigError, HttpClientBuilder};

/// The connections to all targets: one pool, HTTP/1.1 and HTTP/2, TLS where the URL says so.
///
/// A clone is a reference count. A request is sent once: a connection that turns out to be
/// dead is an error, never a silent second try, because only a layer that counts attempts
/// may repeat what can be billed. Redirects are not followed.
///
/// The connections live on the tokio runtime in which they are made, and end when the last
/// clone is dropped and no answer is being read.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    client: Client<Connector, UpstreamBody>,
    times: Times,
}

/// How long a call may take, in parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) request: Duration,
    /// From the head of a stream to its end; `None` is without end.
    pub(crate) stream: Option<Duration>,
    pub(crate) idle: Duration,
}

// === impl HttpClient ===

impl HttpClient {
    /// A client with the default times.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// Starts a client with other times.
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::new()
    }

    pub(crate) fn from_parts(client: Client<Connector, UpstreamBody>, times: Times) -> Self {
        Self(Arc::new(Shared { client, times }))
    }

    pub(crate) fn send(&self, request: Request<UpstreamBody>) -> legacy::ResponseFuture {
        self.0.client.request(request)
    }

    pub(crate) fn times(&self) -> Times {
        self.0.times
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("times", &self.0.times)
            .finish_non_exhaustive()
    }
}
