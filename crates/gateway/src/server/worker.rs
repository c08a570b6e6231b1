use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout, timeout_at};
use tower_claude::core::BoxError;
use tower_claude::usage_meter::{BatchResults, Drainer};
use tower_service::Service;

use super::{ServerOptions, Shutdown, connection};
use crate::StartError;

/// The threads that serve connections, each with a service of its own.
#[derive(Debug)]
pub struct Workers<S> {
    workers: Vec<Worker>,
    threads: Vec<JoinHandle<()>>,
    _service: std::marker::PhantomData<fn() -> S>,
}

/// What a worker works with.
#[derive(Debug)]
pub struct Work<S> {
    /// What answers calls.
    pub service: S,
    /// Reads on where callers have left.
    pub drainer: Option<Drainer>,
    /// The results of batches that are being metered.
    pub results: BatchResults,
}

/// A connection on its way to a worker; counted until it is closed.
#[derive(Debug)]
pub struct Connection {
    pub(super) stream: TcpStream,
    pub(super) open: Open,
}

#[derive(Debug)]
struct Worker {
    connections: UnboundedSender<Connection>,
    open: Arc<AtomicUsize>,
}

/// Counts a connection as open as long as it lives.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

/// How long streams have to say good-bye once they are told to.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the end waits for results of batches that are being metered.
const SETTLED: Duration = Duration::from_secs(5);

// === impl Workers ===

impl<S> Workers<S>
where
    S: Send + 'static,
{
    /// Starts the threads; `make` makes for each what it works with.
    pub fn start<M, B>(
        make: M,
        options: &ServerOptions,
        shutdown: &Shutdown,
    ) -> Result<Self, StartError>
    where
        M: Fn() -> Result<Work<S>, StartError>,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone,
        S::Error: Into<BoxError> + Send,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut workers = Vec::new();
        let mut threads = Vec::new();
        for number in 0..options.threads.get() {
            let (connections, receiver) = unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(StartError::new)?;
            let (work, options, shutdown) = (make()?, options.clone(), shutdown.clone());
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    runtime.block_on(serve(receiver, work, &options, &shutdown));
                })
                .map_err(StartError::new)?;
            threads.push(thread);
            workers.push(Worker {
                connections,
                open: Arc::default(),
            });
        }
        Ok(Self {
            workers,
            threads,
            _service: std::marker::PhantomData,
        })
    }

    /// Hands a connection to the worker that has the fewest.
    pub(super) fn hand_over(&self, stream: TcpStream) {
        let least = self
            .workers
            .iter()
            .min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        if let Some(worker) = least {
            worker.open.fetch_add(1, Ordering::Relaxed);
            let connection = Connection {
                stream,
                open: Open(Arc::clone(&worker.open)),
            };
            // A worker that is gone drops it, which closes it.
            let _ = worker.connections.send(connection);
        }
    }

    /// Waits for the threads, which end once they are told to drain and have.
    pub fn join(self) {
        drop(self.workers);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve<S, B>(
    mut receiver: UnboundedReceiver<Connection>,
    work: Work<S>,
    options: &ServerOptions,
    shutdown: &Shutdown,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Work {
        service,
        drainer,
        results,
    } = work;
    let drainer = tokio::spawn(async move {
        if let Some(drainer) = drainer {
            drainer.run().await;
        }
    });
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            connection = receiver.recv() => {
                let Some(connection) = connection else { break };
                let watcher = graceful.watcher();
                tokio::spawn(connection::serve(
                    connection,
                    service.clone(),
                    watcher,
                    options.header_timeout,
                    shutdown.drain.clone(),
                ));
            }
            () = shutdown.drain.cancelled() => break,
        }
    }
    // Once the last connection is gone, so is what could still leave something to read.
    drop(service);
    let deadline = Instant::now() + options.shutdown_grace;
    let mut drained = std::pin::pin!(graceful.shutdown());
    if timeout_at(deadline, &mut drained).await.is_err() {
        shutdown.stop.cancel();
        let _ = timeout(FAREWELL, drained).await;
    }
    // What nobody waits for any more, and is not at its end by then, is recorded as it is.
    let _ = timeout_at(deadline, drainer).await;
    // What is asked of a result is asked on this runtime, and its answer is its record.
    if timeout(SETTLED, results.settled()).await.is_err() {
        tracing::error!("some results of batches could not be metered");
    }
}
