//! Sockets to services: one thread a core, each with a runtime and a stack of its own.
//!
//! A connection stays on the thread that took it, and that thread's stack has its own
//! connections to upstream: no answer crosses threads on its way.

mod connection;
mod connection_io;
mod worker;

use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use worker::{Connection, Work, Workers};

/// How connections are served.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How long a request head may take.
    pub header_timeout: Duration,
    /// How long open calls may take once the gateway is to stop.
    pub shutdown_grace: Duration,
    /// Threads; as many as cores are used by default.
    pub threads: NonZeroUsize,
}

/// The two words that stop a server.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Take nothing new, finish what is open.
    pub drain: CancellationToken,
    /// End what is still open.
    pub stop: CancellationToken,
}

// === impl ServerOptions ===

impl ServerOptions {
    /// Ten seconds for a head, thirty to finish, a thread a core.
    #[must_use]
    pub fn new() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(30),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes connections until draining begins, and hands each to the least busy worker.
pub async fn accept<S>(
    listener: TcpListener,
    workers: &Workers<S>,
    shutdown: &Shutdown,
) -> io::Result<()>
where
    S: Send + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.drain.cancelled() => return Ok(()),
        };
        match accepted.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => workers.hand_over(stream),
            Err(error) => {
                // Out of descriptors, or a peer that left: neither is helped by haste.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
