use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Uri;

use super::duration::{duration, timeout};
use super::network;
use super::reader::{TableReader, Value};
use super::size::size;

/// `[server]`: where the gateway listens and how much it waits and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// What tenants call.
    pub listen: SocketAddr,
    /// Metrics, health and usage; absent is off.
    pub admin_listen: Option<SocketAddr>,
    /// What URLs that are handed out begin with; absent, what callers call us.
    pub public_url: Option<Uri>,
    /// The largest body of a Messages or count_tokens call, in bytes.
    pub body_limit: usize,
    /// The largest sum of all buffered bodies, in bytes.
    pub buffer_limit: usize,
    /// How long a caller may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a caller may take between frames of a body.
    pub body_timeout: Duration,
    /// How long upstream may take to the head of a stream, or to the end of a plain answer.
    pub request_timeout: Duration,
    /// How long upstream may be silent within a stream.
    pub stream_idle_timeout: Duration,
    /// How long open calls may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// Path prefixes that pass authenticated but without usage.
    pub passthrough: Vec<String>,
}

// === impl Server ===

impl Server {
    pub(super) fn read(mut table: TableReader<'_>) -> Self {
        let listen = table.or("listen", network::address, default_listen());
        let server = Self {
            listen,
            admin_listen: table.optional("admin_listen", |value| admin(value, listen)),
            public_url: table.optional("public_url", network::base_url),
            body_limit: table.or("body_limit", size, 32 << 20),
            buffer_limit: table.or("buffer_limit", size, 512 << 20),
            header_timeout: table.or("header_timeout", timeout, Duration::from_secs(10)),
            body_timeout: table.or("body_timeout", timeout, Duration::from_secs(30)),
            request_timeout: table.or("request_timeout", timeout, Duration::from_secs(600)),
            stream_idle_timeout: table.or("stream_idle_timeout", timeout, Duration::from_secs(300)),
            shutdown_grace: table.or("shutdown_grace", duration, Duration::from_secs(30)),
            passthrough: table.or("passthrough", prefixes, Vec::new()),
        };
        table.finish();
        server
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))
}

fn admin(value: &Value<'_>, listen: SocketAddr) -> Option<SocketAddr> {
    let admin = network::address(value)?;
    if admin == listen && admin.port() != 0 {
        let message = "`server.admin_listen` is the same as `server.listen`".to_owned();
        return value.error(message, "choose another port");
    }
    Some(admin)
}

fn prefixes(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.list()?;
    Some(items.iter().filter_map(network::path_prefix).collect())
}
