use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A real `redis-server` on a free port of this machine, which ends with this value.
///
/// The program is that of the variable `REDIS_SERVER`, else `redis-server` in the path.
///
/// All methods block, for no longer than it takes the server to answer or to end.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
    child: Option<Child>,
}

const READY_WITHIN: Duration = Duration::from_secs(10);
/// Somebody may take a port between when it is found free and when the server has it.
const MOST_PORTS: usize = 5;

// === impl RedisServer ===

impl RedisServer {
    /// A server that keeps nothing on disk.
    ///
    /// # Panics
    ///
    /// There is no `redis-server` here, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with more options, as in `["--appendonly", "yes"]`.
    ///
    /// # Panics
    ///
    /// There is no `redis-server` here, or it does not start.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        let mut server = Self::later(options);
        for _ in 1..MOST_PORTS {
            if server.begin().is_ok() {
                return server;
            }
            server.port = free_port();
        }
        server.restart();
        server
    }

    /// A server that is not started yet: what it is to be at is known before it is there.
    #[must_use]
    pub fn later(options: &[&str]) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("redis-{}-{count}", std::process::id());
        Self {
            port: free_port(),
            folder: std::env::temp_dir().join(name),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            child: None,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its address as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, again if it was there before, at the same address and with its files.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn restart(&mut self) {
        if let Err(problem) = self.begin() {
            panic!("{problem}");
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        self.kill();
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let started = fs::create_dir_all(&self.folder).and_then(|()| {
            Command::new(&program)
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--daemonize", "no", "--dir"])
                .arg(&self.folder)
                .args(&self.options)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        });
        let child = match started {
            Ok(child) => self.child.insert(child),
            // No other port would help.
            Err(error) => panic!("{program} does not start ({error}): run `cargo xtask setup`"),
        };
        let process = format!("process_id:{}\r", child.id());
        let began = now();
        while !self.is_ready(&process) {
            let ended = self.child.as_mut().map(Child::try_wait);
            if let Some(Ok(Some(status))) = ended {
                return Err(format!("{program} at {} ended: {status}", self.addr()));
            }
            if began.elapsed() > READY_WITHIN {
                return Err(format!("{program} does not answer at {}", self.addr()));
            }
            pause(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether it answers, and not another that has its port.
    fn is_ready(&self, process: &str) -> bool {
        match self.ask("PING").and_then(|_| self.ask("INFO server")) {
            Ok(info) => info.contains(process),
            // One that asks for a password is there.
            Err(error) => error.to_string().starts_with("-NO"),
        }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it as `kill -STOP` does: it holds its connections and does not answer.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Sends it a command in one line, and returns what it answers, for no more than a few
    /// kilobytes.
    ///
    /// # Errors
    ///
    /// It does not answer, or with an error.
    pub fn ask(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.addr(), Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(command.as_bytes())?;
        stream.write_all(b"\r\n")?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&buffer[..read]);
            if is_whole(&answer) {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer).trim_end().to_owned();
        if answer.starts_with('-') {
            return Err(io::Error::other(answer));
        }
        Ok(answer)
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            let sent = Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status();
            assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        // A folder that stays behind is no reason to fail.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a reply has come in full; of arrays, only the first line is looked at.
fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(2).position(|pair| pair == b"\r\n") else {
        return false;
    };
    let length = std::str::from_utf8(&reply[1..end]).ok();
    match (reply[0], length.and_then(|text| text.parse::<usize>().ok())) {
        (b'$', Some(length)) => reply.len() >= end + 2 + length + 2,
        _ => true,
    }
}

/// A port that nobody listens at now.
pub(crate) fn free_port() -> u16 {
    // A cluster takes the port ten thousand higher as well.
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0));
        let port = listener.and_then(|listener| Ok(listener.local_addr()?.port()));
        match port {
            Ok(port) if port < 55_000 => return port,
            Ok(_) => {}
            Err(error) => panic!("no port is free: {error}"),
        }
    }
}

/// Real time: a server does not wait for a clock that is paused.
#[expect(clippy::disallowed_methods, reason = "a real server keeps real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "all methods here say that they block"
)]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
