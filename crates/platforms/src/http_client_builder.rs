use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::connector::{Connector, KEEP_ALIVE};
use crate::http_client::Times;
use crate::{ConfigError, HttpClient, Protocol};

/// Builds an [`HttpClient`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpClientBuilder {
    pub(crate) connect_timeout: Duration,
    request_timeout: Duration,
    stream_timeout: Option<Duration>,
    idle_timeout: Duration,
    pool_idle_timeout: Duration,
    pub(crate) protocol: Protocol,
    #[cfg(feature = "tls")]
    pub(crate) authorities: crate::tls::Authorities,
}

/// For ever, and still no overflow where a time is added to another.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What may be under way before the reader has taken it: of one stream, and of all.
///
/// With small windows one slow reader of many small frames uses up what h2 allows a
/// connection to hold, and the connection ends for everybody on it.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

// === impl HttpClientBuilder ===

impl HttpClientBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(600),
            stream_timeout: None,
            idle_timeout: Duration::from_secs(300),
            pool_idle_timeout: Duration::from_secs(60),
            protocol: Protocol::Negotiated,
            #[cfg(feature = "tls")]
            authorities: Vec::new(),
        }
    }

    /// How long a connection may take, name and TLS included; the default is 5 s.
    pub const fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long a call may take, the default being 600 s.
    ///
    /// To the head of an answer, and to its end if it is `application/json`: of a stream, or
    /// a file, only the head has to come in time.
    pub const fn request_timeout(mut self, time: Duration) -> Self {
        self.request_timeout = time;
        self
    }

    /// How long a stream may last from its head on, the default being as long as it likes.
    ///
    /// What comes after that is lost as if upstream had fallen silent.
    pub const fn stream_timeout(mut self, time: Duration) -> Self {
        self.stream_timeout = Some(time);
        self
    }

    /// How long an answer may be silent once it has begun; the default is 300 s.
    ///
    /// Only time in which somebody waits for bytes counts, not that of a slow reader.
    pub const fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = time;
        self
    }

    /// How long a connection is kept that nobody uses; the default is 60 s.
    pub const fn pool_idle_timeout(mut self, time: Duration) -> Self {
        self.pool_idle_timeout = time;
        self
    }

    /// Which versions of HTTP to speak; the default is what a server offers.
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Trusts these authorities too, such as that of a private endpoint: a PEM text.
    ///
    /// # Errors
    ///
    /// When it holds no certificate, or a broken one.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn authorities(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.authorities
            .extend(crate::tls::read_authorities(pem.as_ref())?);
        Ok(self)
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn build(self) -> Result<HttpClient, ConfigError> {
        let times = Times {
            request: self.request_timeout.min(LONGEST),
            stream: self.stream_timeout.map(|time| time.min(LONGEST)),
            idle: self.idle_timeout.min(LONGEST),
        };
        let client = Client::builder(TokioExecutor::new())
            // A replay that nobody counts can be billed twice.
            .retry_canceled_requests(false)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle_timeout.min(LONGEST))
            .http2_only(self.protocol == Protocol::Http2)
            .http2_adaptive_window(false)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE / 2)
            .build(Connector::new(&self)?);
        Ok(HttpClient::from_parts(client, times))
    }
}
