use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tower_service::Service as _;

use crate::FakeClaude;
use crate::served_body::ServedBody;

/// A [`FakeClaude`] behind a real socket, HTTP/1.1 and HTTP/2 without TLS.
///
/// An answer that is a broken connection breaks the connection: nothing is sent for
/// [`Answer::reset`](crate::Answer::reset) and
/// [`Answer::refused_connection`](crate::Answer::refused_connection), and a body that fails
/// ends without its end. (On HTTP/2 it is the stream that is reset.)
///
/// Dropping the server closes all its connections at once.
///
/// ```
/// use tower_claude_testkit::{FakeClaude, FakeServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = FakeServer::start(FakeClaude::scenarios());
/// assert!(server.base_url().starts_with("http://127.0.0.1:"));
/// server.stop().await;
/// # }
/// ```
#[derive(Debug)]
pub struct FakeServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    accept: JoinHandle<()>,
}

// === impl FakeServer ===

impl FakeServer {
    /// Serves on a free port of this machine; needs a tokio runtime around it.
    ///
    /// # Panics
    ///
    /// When no port can be had, or there is no runtime.
    #[must_use]
    pub fn start(fake: FakeClaude) -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0), fake).expect("a free port on this machine")
    }

    /// Serves on this address.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    ///
    /// # Panics
    ///
    /// When there is no tokio runtime around it.
    pub fn bind(address: impl ToSocketAddrs, fake: FakeClaude) -> io::Result<Self> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            address,
            stop: Some(stop),
            accept: tokio::spawn(accept(listener, fake, stopped)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as the base URL of a client.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and lets calls under way end, for five seconds at most.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens only if the task is gone, which is what is asked for.
            let _ = stop.send(());
        }
        // A stalled answer never ends; dropping the rest closes it.
        let _ = tokio::time::timeout(GRACE, &mut self.accept).await;
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

const GRACE: Duration = Duration::from_secs(5);

/// Owns the connections: when it is dropped, they are.
async fn accept(listener: TcpListener, fake: FakeClaude, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stop = &mut stopped => {
                if stop.is_ok() {
                    break;
                }
                return;
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    connections.spawn(serve(socket, fake.clone(), &graceful));
                } else {
                    // Out of descriptors, most likely: some have to be closed first.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {}
}

fn serve(
    socket: TcpStream,
    fake: FakeClaude,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    // Without it a small frame waits for the acknowledgement of the one before.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = fake.clone().call(request);
        async move { answer.await.map(|response| response.map(ServedBody::new)) }
    });
    let builder = Builder::new(TokioExecutor::new());
    let connection = builder
        .serve_connection(TokioIo::new(socket), service)
        .into_owned();
    let connection = graceful.watch(connection);
    async move {
        // A broken connection is what was asked for, or the client's own doing.
        let _ = connection.await;
    }
}
