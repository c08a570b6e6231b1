use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Stands between a client and a server of this machine, and fails on command.
///
/// It ends with this value, and with it all connections through it.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    fault: watch::Sender<Fault>,
    accepted: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

/// How a [`FaultProxy`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Not at all.
    None,
    /// What is sent from the server to the client waits so long.
    Latency(Duration),
    /// Connections that were made before pass nothing any more, in neither direction; new ones
    /// work.
    BlackHoleOld,
    /// No connection passes anything.
    BlackHole,
    /// All connections are closed, and new ones at once.
    Reset,
    /// All connections are closed, and nobody listens for new ones.
    Refuse,
}

// === impl FaultProxy ===

impl FaultProxy {
    /// A proxy in front of a server, on a free port.
    ///
    /// # Errors
    ///
    /// There is no port.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::None);
        let accepted = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, faults, Arc::clone(&accepted)));
        Ok(Self {
            addr,
            fault,
            accepted,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Fails so from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How many connections were made to it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    faults: watch::Receiver<Fault>,
    accepted: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    let Ok(addr) = listener.local_addr() else {
        return;
    };
    let mut listener = Some(listener);
    let mut watched = faults.clone();
    loop {
        let refuses = *watched.borrow_and_update() == Fault::Refuse;
        match &listener {
            Some(_) if refuses => listener = None,
            None if !refuses => match TcpListener::bind(addr).await {
                Ok(again) => listener = Some(again),
                // Connections that were closed may still be in the way.
                Err(_) => sleep(Duration::from_millis(5)).await,
            },
            None => {
                if watched.changed().await.is_err() {
                    return;
                }
            }
            Some(open) => tokio::select! {
                changed = watched.changed() => if changed.is_err() { return },
                client = open.accept() => {
                    let Ok((client, _)) = client else { return };
                    accepted.fetch_add(1, Relaxed);
                    let mut faults = faults.clone();
                    faults.mark_unchanged();
                    if *faults.borrow() != Fault::Reset {
                        connections.spawn(pass(client, server, faults));
                    }
                    while connections.try_join_next().is_some() {}
                }
            },
        }
    }
}

/// Passes bytes of one connection until either side closes it.
async fn pass(client: TcpStream, server: SocketAddr, mut faults: watch::Receiver<Fault>) {
    let Ok(upstream) = TcpStream::connect(server).await else {
        return;
    };
    // A proxy that gathers bytes would be slower than what it stands for.
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let at_begin = *faults.borrow_and_update();
    // One that was made after others had been cut off works.
    let mut is_old = false;
    let (mut up, mut down) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        let fault = *faults.borrow_and_update();
        is_old |= fault != at_begin;
        match fault {
            Fault::Reset | Fault::Refuse => return,
            Fault::BlackHole => {}
            Fault::BlackHoleOld if is_old => {}
            _ => {
                tokio::select! {
                    changed = faults.changed() => if changed.is_err() { return },
                    read = from_client.read(&mut up) => match read {
                        Ok(read) if read > 0 => {
                            if to_server.write_all(&up[..read]).await.is_err() { return }
                        }
                        _ => return,
                    },
                    read = from_server.read(&mut down) => match read {
                        Ok(read) if read > 0 => {
                            if let Fault::Latency(latency) = fault { sleep(latency).await }
                            if to_client.write_all(&down[..read]).await.is_err() { return }
                        }
                        _ => return,
                    },
                }
                continue;
            }
        }
        if faults.changed().await.is_err() {
            return;
        }
    }
}
